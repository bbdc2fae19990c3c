CREATE OR REPLACE FUNCTION public.cleanup_stale_drafts() RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cleanup_stale_drafts_wrapper';

COMMENT ON FUNCTION public.cleanup_stale_drafts() IS
    'Deletes drafts that nobody touched for 30 days; returns how many';

REVOKE ALL ON FUNCTION public.cleanup_stale_drafts() FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.cleanup_stale_drafts() TO service_role;
