-- The user of the current request: null without one, an error when the claim
-- is no uuid. PostgREST sets request.jwt.claims for each transaction; older
-- ones set request.jwt.claim.sub. After such a transaction both are ''.
CREATE FUNCTION auth.uid() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO pg_catalog, pg_temp
AS $$
    SELECT COALESCE(
        NULLIF(pg_catalog.current_setting('request.jwt.claim.sub', true), ''),
        NULLIF(NULLIF(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub', '')
    )::uuid
$$;

GRANT EXECUTE ON FUNCTION auth.uid() TO anon, authenticated, service_role;

COMMENT ON FUNCTION auth.uid() IS 'Id of the user the current request is made for, null without one';
