CREATE OR REPLACE FUNCTION public.use_credits(p_user_id uuid, p_operation text) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'use_credits_wrapper';

COMMENT ON FUNCTION public.use_credits(uuid, text) IS
    'Charges an operation: true, or false and nothing changed when neither credits nor free tier allow it. Atomic';

REVOKE ALL ON FUNCTION public.use_credits(uuid, text) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.use_credits(uuid, text) TO service_role;
