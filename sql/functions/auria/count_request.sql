CREATE FUNCTION auria.count_request(p_user_id uuid, p_function_name text, p_minute_window timestamp with time zone,
                                    p_hour_window timestamp with time zone, p_day_window timestamp with time zone)
    RETURNS TABLE(minute_count integer, hour_count integer, day_count integer)
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'count_request_wrapper';

COMMENT ON FUNCTION auria.count_request(uuid, text, timestamptz, timestamptz, timestamptz) IS
    'The counting behind check_and_increment_rate_limit';

REVOKE ALL ON FUNCTION auria.count_request(uuid, text, timestamptz, timestamptz, timestamptz)
    FROM PUBLIC, anon, authenticated, service_role;
