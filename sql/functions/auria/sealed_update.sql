CREATE FUNCTION auria.sealed_update() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY INVOKER
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'sealed_update_wrapper';

COMMENT ON FUNCTION auria.sealed_update() IS
    'Trigger: INSTEAD OF UPDATE on a view of the sealed layout, with the rights of whoever writes';

REVOKE ALL ON FUNCTION auria.sealed_update() FROM PUBLIC, anon, authenticated, service_role;
