CREATE FUNCTION auria.ensure_foreign_key(p_table text, p_name text, p_column text, p_references text, p_referenced_column text, p_on_delete text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'ensure_foreign_key_wrapper';

COMMENT ON FUNCTION auria.ensure_foreign_key(text, text, text, text, text, text) IS
    'For migrations: adds or replaces a foreign key, not validated where rows break it';

REVOKE ALL ON FUNCTION auria.ensure_foreign_key(text, text, text, text, text, text) FROM PUBLIC, anon, authenticated, service_role;
