CREATE FUNCTION auria.ensure_check(p_table text, p_name text, p_expression text, p_comment text DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'ensure_check_wrapper';

COMMENT ON FUNCTION auria.ensure_check(text, text, text, text) IS
    'For migrations: adds a CHECK, or triggers that enforce it on changed values where rows break it';

REVOKE ALL ON FUNCTION auria.ensure_check(text, text, text, text) FROM PUBLIC, anon, authenticated, service_role;
