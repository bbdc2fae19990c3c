CREATE FUNCTION auria.refuse_direct_write() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY INVOKER
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'refuse_direct_write_wrapper';

COMMENT ON FUNCTION auria.refuse_direct_write() IS
    'Trigger: refuses API roles what they write to a stored table of the sealed layout past its view';

REVOKE ALL ON FUNCTION auria.refuse_direct_write() FROM PUBLIC, anon, authenticated, service_role;
