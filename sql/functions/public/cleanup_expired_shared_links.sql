CREATE OR REPLACE FUNCTION public.cleanup_expired_shared_links() RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cleanup_expired_shared_links_wrapper';

COMMENT ON FUNCTION public.cleanup_expired_shared_links() IS
    'Deletes shared links that expired more than 7 days ago; returns how many';

REVOKE ALL ON FUNCTION public.cleanup_expired_shared_links() FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.cleanup_expired_shared_links() TO service_role;
