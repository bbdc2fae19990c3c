-- For each row of a reset: no SET, which would cost more than it. It sets the path where it has to look up a plan by SQL.
CREATE FUNCTION auria.settled_bonus(p_plan text, p_used integer, p_rollover integer, p_bonus integer) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'settled_bonus_wrapper';

COMMENT ON FUNCTION auria.settled_bonus(text, integer, integer, integer) IS
    'What a settled month leaves of the bought credits; a step of reset_monthly_usage_with_rollover';

REVOKE ALL ON FUNCTION auria.settled_bonus(text, integer, integer, integer) FROM PUBLIC, anon, authenticated, service_role;
