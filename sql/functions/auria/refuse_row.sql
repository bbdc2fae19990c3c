CREATE FUNCTION auria.refuse_row() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'refuse_row_wrapper';

COMMENT ON FUNCTION auria.refuse_row() IS
    'Trigger: refuses a row that breaks a rule which older rows keep from being a constraint';

REVOKE ALL ON FUNCTION auria.refuse_row() FROM PUBLIC, anon, authenticated, service_role;
