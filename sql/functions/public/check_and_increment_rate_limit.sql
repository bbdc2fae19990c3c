CREATE OR REPLACE FUNCTION public.check_and_increment_rate_limit(
    p_user_id uuid, p_function_name text,
    p_minute_window timestamp with time zone, p_hour_window timestamp with time zone, p_day_window timestamp with time zone)
    RETURNS TABLE(minute_count integer, hour_count integer, day_count integer)
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'check_and_increment_rate_limit_wrapper';

COMMENT ON FUNCTION public.check_and_increment_rate_limit(uuid, text, timestamptz, timestamptz, timestamptz) IS
    'Counts one request in the running minute, hour and day, and returns the counts after it';

REVOKE ALL ON FUNCTION public.check_and_increment_rate_limit(uuid, text, timestamptz, timestamptz, timestamptz) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.check_and_increment_rate_limit(uuid, text, timestamptz, timestamptz, timestamptz) TO service_role;
