CREATE FUNCTION auria.doctor() RETURNS TABLE("check" text, ok boolean, detail text)
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'doctor_wrapper';

COMMENT ON FUNCTION auria.doctor() IS
    'Whether the database is as it should be: one row for each check. Changes nothing; for monitoring';

REVOKE ALL ON FUNCTION auria.doctor() FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.doctor() TO service_role;
