-- All claims of the current request's token.
CREATE FUNCTION auth.jwt() RETURNS jsonb
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO pg_catalog, pg_temp
AS $$
    SELECT COALESCE(
        NULLIF(pg_catalog.current_setting('request.jwt.claim', true), ''),
        NULLIF(pg_catalog.current_setting('request.jwt.claims', true), '')
    )::jsonb
$$;

GRANT EXECUTE ON FUNCTION auth.jwt() TO anon, authenticated, service_role;

COMMENT ON FUNCTION auth.jwt() IS 'Claims of the token of the current request, null without one';
