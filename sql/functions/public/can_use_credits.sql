CREATE OR REPLACE FUNCTION public.can_use_credits(p_user_id uuid, p_operation text) RETURNS boolean
    LANGUAGE c STABLE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'can_use_credits_wrapper';

COMMENT ON FUNCTION public.can_use_credits(uuid, text) IS
    'What use_credits would answer now, without changing anything. Signed-in users: about themselves only';

REVOKE ALL ON FUNCTION public.can_use_credits(uuid, text) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.can_use_credits(uuid, text) TO authenticated, service_role;
