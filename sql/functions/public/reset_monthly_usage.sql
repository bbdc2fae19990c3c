CREATE OR REPLACE FUNCTION public.reset_monthly_usage() RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'reset_monthly_usage_wrapper';

COMMENT ON FUNCTION public.reset_monthly_usage() IS
    'Legacy: another name of reset_monthly_usage_with_rollover';

REVOKE ALL ON FUNCTION public.reset_monthly_usage() FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.reset_monthly_usage() TO service_role;
