CREATE OR REPLACE FUNCTION public.increment_case_usage(p_user_id uuid) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'increment_case_usage_wrapper';

COMMENT ON FUNCTION public.increment_case_usage(uuid) IS
    'Legacy: counts one case of the running month';

REVOKE ALL ON FUNCTION public.increment_case_usage(uuid) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.increment_case_usage(uuid) TO service_role;
