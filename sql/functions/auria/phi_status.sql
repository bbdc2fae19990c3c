CREATE FUNCTION auria.phi_status() RETURNS TABLE(table_name text, column_name text, rows bigint, encrypted bigint,
                                                not_encrypted bigint, differing bigint, unreadable bigint,
                                                outdated bigint, previous_key_needed boolean)
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'phi_status_wrapper';

COMMENT ON FUNCTION auria.phi_status() IS
    'How much patient data is encrypted, for each table and column. Shows no patient data';

REVOKE ALL ON FUNCTION auria.phi_status() FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.phi_status() TO service_role;
