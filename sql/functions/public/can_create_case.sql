CREATE OR REPLACE FUNCTION public.can_create_case(p_user_id uuid) RETURNS boolean
    LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'can_create_case_wrapper';

COMMENT ON FUNCTION public.can_create_case(uuid) IS
    'Legacy: whether the case limit leaves room for one more. Signed-in users: about themselves only';

REVOKE ALL ON FUNCTION public.can_create_case(uuid) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.can_create_case(uuid) TO authenticated, service_role;
