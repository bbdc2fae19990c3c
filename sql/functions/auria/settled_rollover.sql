-- Arithmetic for each row of a reset, no SQL: no SET, which would cost more than it.
CREATE FUNCTION auria.settled_rollover(p_credits_per_month integer, p_allows_rollover boolean, p_rollover_max integer, p_used integer, p_rollover integer) RETURNS integer
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'settled_rollover_wrapper';

COMMENT ON FUNCTION auria.settled_rollover(integer, boolean, integer, integer, integer) IS
    'What a settled month carries over, in credits; a step of reset_monthly_usage_with_rollover';

REVOKE ALL ON FUNCTION auria.settled_rollover(integer, boolean, integer, integer, integer) FROM PUBLIC, anon, authenticated, service_role;
