CREATE OR REPLACE FUNCTION public.reset_monthly_usage_with_rollover() RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'reset_monthly_usage_with_rollover_wrapper';

COMMENT ON FUNCTION public.reset_monthly_usage_with_rollover() IS
    'Settles every month that ended more than 30 days after the last reset; returns how many subscriptions';

REVOKE ALL ON FUNCTION public.reset_monthly_usage_with_rollover() FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.reset_monthly_usage_with_rollover() TO service_role;
