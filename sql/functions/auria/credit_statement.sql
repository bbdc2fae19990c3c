CREATE OR REPLACE FUNCTION auria.credit_statement(p_user_id uuid, p_from timestamptz, p_to timestamptz) RETURNS TABLE(at timestamptz, entry bigint, what text, operation text, reference text, credits bigint, used integer, rollover integer, bonus integer, available bigint)
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'credit_statement_wrapper';

COMMENT ON FUNCTION auria.credit_statement(uuid, timestamptz, timestamptz) IS
    'Every charge, refund and event of a user''s credits from p_from to before p_to, in order, with the balance after it';

REVOKE ALL ON FUNCTION auria.credit_statement(uuid, timestamptz, timestamptz) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.credit_statement(uuid, timestamptz, timestamptz) TO service_role;
