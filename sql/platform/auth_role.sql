-- The role that the token of the current request names.
CREATE FUNCTION auth.role() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO pg_catalog, pg_temp
AS $$
    SELECT COALESCE(
        NULLIF(pg_catalog.current_setting('request.jwt.claim.role', true), ''),
        NULLIF(NULLIF(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'role', '')
    )
$$;

GRANT EXECUTE ON FUNCTION auth.role() TO anon, authenticated, service_role;

COMMENT ON FUNCTION auth.role() IS 'Role named by the token of the current request, null without one';
