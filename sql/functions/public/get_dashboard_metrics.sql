CREATE OR REPLACE FUNCTION public.get_dashboard_metrics(p_user_id uuid) RETURNS json
    LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'get_dashboard_metrics_wrapper';

COMMENT ON FUNCTION public.get_dashboard_metrics(uuid) IS
    'Counts for the dashboard of a dentist. Signed-in users: about themselves only';

REVOKE ALL ON FUNCTION public.get_dashboard_metrics(uuid) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.get_dashboard_metrics(uuid) TO authenticated, service_role;
