CREATE FUNCTION auria.ensure_unique(p_table text, p_name text, p_columns text[]) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'ensure_unique_wrapper';

COMMENT ON FUNCTION auria.ensure_unique(text, text, text[]) IS
    'For migrations: adds a UNIQUE constraint, unless rows are duplicates';

REVOKE ALL ON FUNCTION auria.ensure_unique(text, text, text[]) FROM PUBLIC, anon, authenticated, service_role;
