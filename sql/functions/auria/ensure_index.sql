CREATE FUNCTION auria.ensure_index(p_table text, p_name text, p_definition text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'ensure_index_wrapper';

COMMENT ON FUNCTION auria.ensure_index(text, text, text) IS
    'For migrations: makes an index that is missing or invalid';

REVOKE ALL ON FUNCTION auria.ensure_index(text, text, text) FROM PUBLIC, anon, authenticated, service_role;
