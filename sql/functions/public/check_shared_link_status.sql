CREATE OR REPLACE FUNCTION public.check_shared_link_status(p_token text) RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'check_shared_link_status_wrapper';

COMMENT ON FUNCTION public.check_shared_link_status(text) IS
    'valid, expired or not_found; a malformed token is not_found';

REVOKE ALL ON FUNCTION public.check_shared_link_status(text) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.check_shared_link_status(text) TO anon, authenticated, service_role;
