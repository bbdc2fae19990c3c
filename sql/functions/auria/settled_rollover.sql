-- For each row of a reset: no SET, which would cost more than it. It sets the path where it has to look up a plan by SQL.
CREATE FUNCTION auria.settled_rollover(p_plan text, p_used integer, p_rollover integer) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'settled_rollover_wrapper';

COMMENT ON FUNCTION auria.settled_rollover(text, integer, integer) IS
    'What a settled month carries over, in credits; a step of reset_monthly_usage_with_rollover';

REVOKE ALL ON FUNCTION auria.settled_rollover(text, integer, integer) FROM PUBLIC, anon, authenticated, service_role;
