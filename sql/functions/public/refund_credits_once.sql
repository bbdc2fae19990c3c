CREATE OR REPLACE FUNCTION public.refund_credits(p_user_id uuid, p_operation text, p_reference_id uuid) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'refund_credits_once_wrapper';

COMMENT ON FUNCTION public.refund_credits(uuid, text, uuid) IS
    'Gives back exactly the use with this reference, once; true each time after';

REVOKE ALL ON FUNCTION public.refund_credits(uuid, text, uuid) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.refund_credits(uuid, text, uuid) TO service_role;
