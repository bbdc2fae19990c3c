CREATE OR REPLACE FUNCTION public.get_shared_dsd(p_token text)
RETURNS TABLE(dsd_analysis jsonb, dsd_simulation_url text, dsd_simulation_layers jsonb,
               photo_frontal text)
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path TO pg_catalog, pg_temp
AS $$
    SELECT e.dsd_analysis, e.dsd_simulation_url, e.dsd_simulation_layers, e.photo_frontal
      FROM public.shared_links l
      JOIN public.evaluations e ON e.session_id = l.session_id AND e.user_id = l.user_id
     WHERE l.token = p_token AND l.expires_at > now() AND e.dsd_analysis IS NOT NULL
     ORDER BY e.created_at DESC, e.id
     LIMIT 1
$$;

COMMENT ON FUNCTION public.get_shared_dsd(text) IS
    'The latest smile design of the session that a share token opens; at most one row';

REVOKE ALL ON FUNCTION public.get_shared_dsd(text) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.get_shared_dsd(text) TO anon, authenticated, service_role;
