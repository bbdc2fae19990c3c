CREATE PROCEDURE auria.restore_replaced()
    LANGUAGE c
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'restore_replaced_wrapper';

COMMENT ON PROCEDURE auria.restore_replaced() IS
    'The way back: restores the functions that the adoption replaced, with their owners, and unties them. Superusers';

REVOKE ALL ON PROCEDURE auria.restore_replaced() FROM PUBLIC, anon, authenticated, service_role;
