CREATE OR REPLACE FUNCTION public.check_shared_link_status(p_token text)
RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path TO pg_catalog, pg_temp
AS $$
    SELECT coalesce(
        (SELECT CASE WHEN l.expires_at > now() THEN 'valid' ELSE 'expired' END
           FROM public.shared_links l
          WHERE l.token = p_token),
        'not_found')
$$;

COMMENT ON FUNCTION public.check_shared_link_status(text) IS
    'valid, expired or not_found; a malformed token is not_found';

REVOKE ALL ON FUNCTION public.check_shared_link_status(text) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.check_shared_link_status(text) TO anon, authenticated, service_role;
