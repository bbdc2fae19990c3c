CREATE FUNCTION auria.sealed_delete() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY INVOKER
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'sealed_delete_wrapper';

COMMENT ON FUNCTION auria.sealed_delete() IS
    'Trigger: INSTEAD OF DELETE on a view of the sealed layout, with the rights of whoever writes';

REVOKE ALL ON FUNCTION auria.sealed_delete() FROM PUBLIC, anon, authenticated, service_role;
