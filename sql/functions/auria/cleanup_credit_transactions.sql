CREATE FUNCTION auria.cleanup_credit_transactions() RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cleanup_credit_transactions_wrapper';

COMMENT ON FUNCTION auria.cleanup_credit_transactions() IS
    'Deletes what credit_transactions holds from more than 30 days ago; returns how many. Superusers';

REVOKE ALL ON FUNCTION auria.cleanup_credit_transactions() FROM PUBLIC, anon, authenticated, service_role;
