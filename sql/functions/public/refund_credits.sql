CREATE OR REPLACE FUNCTION public.refund_credits(p_user_id uuid, p_operation text) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'refund_credits_wrapper';

COMMENT ON FUNCTION public.refund_credits(uuid, text) IS
    'Gives back the latest use of 30 days not refunded, at what was charged then; false when there is none';

REVOKE ALL ON FUNCTION public.refund_credits(uuid, text) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.refund_credits(uuid, text) TO service_role;
