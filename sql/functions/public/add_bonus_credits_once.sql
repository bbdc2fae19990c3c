CREATE OR REPLACE FUNCTION public.add_bonus_credits(p_user_id uuid, p_credits integer, p_reference text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'add_bonus_credits_once_wrapper';

COMMENT ON FUNCTION public.add_bonus_credits(uuid, integer, text) IS
    'Adds bought credits once for a reference, however often and concurrently it is sent';

REVOKE ALL ON FUNCTION public.add_bonus_credits(uuid, integer, text) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.add_bonus_credits(uuid, integer, text) TO service_role;
