CREATE FUNCTION auria.number_ledger() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'number_ledger_wrapper';

COMMENT ON FUNCTION auria.number_ledger() IS
    'For migrations: numbers a ledger that has no entry numbers';

REVOKE ALL ON FUNCTION auria.number_ledger() FROM PUBLIC, anon, authenticated, service_role;
