CREATE OR REPLACE FUNCTION public.cleanup_stuck_evaluations() RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cleanup_stuck_evaluations_wrapper';

COMMENT ON FUNCTION public.cleanup_stuck_evaluations() IS
    'Sets evaluations that were analyzing for more than 10 minutes to error; returns how many';

REVOKE ALL ON FUNCTION public.cleanup_stuck_evaluations() FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.cleanup_stuck_evaluations() TO service_role;
