-- Arithmetic for each row of a reset, no SQL: no SET, which would cost more than it.
CREATE FUNCTION auria.settled_bonus(p_credits_per_month integer, p_used integer, p_rollover integer, p_bonus integer) RETURNS integer
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'settled_bonus_wrapper';

COMMENT ON FUNCTION auria.settled_bonus(integer, integer, integer, integer) IS
    'What a settled month leaves of the bought credits; a step of reset_monthly_usage_with_rollover';

REVOKE ALL ON FUNCTION auria.settled_bonus(integer, integer, integer, integer) FROM PUBLIC, anon, authenticated, service_role;
