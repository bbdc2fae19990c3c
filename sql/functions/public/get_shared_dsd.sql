CREATE OR REPLACE FUNCTION public.get_shared_dsd(p_token text)
    RETURNS TABLE(dsd_analysis jsonb, dsd_simulation_url text, dsd_simulation_layers jsonb, photo_frontal text)
    LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'get_shared_dsd_wrapper';

COMMENT ON FUNCTION public.get_shared_dsd(text) IS
    'The latest smile design of the session that a share token opens; at most one row';

REVOKE ALL ON FUNCTION public.get_shared_dsd(text) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.get_shared_dsd(text) TO anon, authenticated, service_role;
