CREATE FUNCTION auria.old_row_support(internal) RETURNS internal
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'old_row_support_wrapper';

COMMENT ON FUNCTION auria.old_row_support(internal) IS
    'Planner support of open_text: in an UPDATE or DELETE of a view, a value that cannot be read is NULL unless the statement needs it';

REVOKE ALL ON FUNCTION auria.old_row_support(internal) FROM PUBLIC, anon, authenticated, service_role;
