CREATE OR REPLACE FUNCTION public.cleanup_old_rate_limits() RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cleanup_old_rate_limits_wrapper';

COMMENT ON FUNCTION public.cleanup_old_rate_limits() IS
    'Deletes rate limits that nobody touched for 7 days; returns how many';

REVOKE ALL ON FUNCTION public.cleanup_old_rate_limits() FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.cleanup_old_rate_limits() TO service_role;
