CREATE FUNCTION auria.ensure_unique_index(p_table text, p_name text, p_columns text, p_predicate text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'ensure_unique_index_wrapper';

COMMENT ON FUNCTION auria.ensure_unique_index(text, text, text, text) IS
    'For migrations: makes a unique index; over duplicates, for newer rows only if it is partial, else not at all';

REVOKE ALL ON FUNCTION auria.ensure_unique_index(text, text, text, text) FROM PUBLIC, anon, authenticated, service_role;
