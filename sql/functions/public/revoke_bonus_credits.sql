CREATE OR REPLACE FUNCTION public.revoke_bonus_credits(p_user_id uuid, p_credits integer, p_reference text) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'revoke_bonus_credits_wrapper';

COMMENT ON FUNCTION public.revoke_bonus_credits(uuid, integer, text) IS
    'Takes back what is left of bought credits that were paid back, once for a reference; returns how many';

REVOKE ALL ON FUNCTION public.revoke_bonus_credits(uuid, integer, text) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.revoke_bonus_credits(uuid, integer, text) TO service_role;
