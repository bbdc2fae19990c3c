CREATE FUNCTION auria.migrate(again boolean DEFAULT false) RETURNS TABLE(number integer, name text, warnings text)
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'migrate_wrapper';

COMMENT ON FUNCTION auria.migrate(boolean) IS
    'Applies pending migrations, or all of them once more; one row for each. Superusers';

REVOKE ALL ON FUNCTION auria.migrate(boolean) FROM PUBLIC, anon, authenticated, service_role;
