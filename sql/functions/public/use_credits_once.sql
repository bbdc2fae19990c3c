CREATE OR REPLACE FUNCTION public.use_credits(p_user_id uuid, p_operation text, p_reference_id uuid) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'use_credits_once_wrapper';

COMMENT ON FUNCTION public.use_credits(uuid, text, uuid) IS
    'Charges an operation once for a reference, however often and concurrently it is sent; true each time';

REVOKE ALL ON FUNCTION public.use_credits(uuid, text, uuid) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.use_credits(uuid, text, uuid) TO service_role;
