CREATE FUNCTION auria.sealed_insert() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY INVOKER
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'sealed_insert_wrapper';

COMMENT ON FUNCTION auria.sealed_insert() IS
    'Trigger: INSTEAD OF INSERT on a view of the sealed layout, with the rights of whoever writes';

REVOKE ALL ON FUNCTION auria.sealed_insert() FROM PUBLIC, anon, authenticated, service_role;
