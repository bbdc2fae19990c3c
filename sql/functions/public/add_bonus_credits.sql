CREATE OR REPLACE FUNCTION public.add_bonus_credits(p_user_id uuid, p_credits integer) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'add_bonus_credits_wrapper';

COMMENT ON FUNCTION public.add_bonus_credits(uuid, integer) IS
    'Adds bought credits, which never expire; makes a subscription for a user who has none';

REVOKE ALL ON FUNCTION public.add_bonus_credits(uuid, integer) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.add_bonus_credits(uuid, integer) TO service_role;
