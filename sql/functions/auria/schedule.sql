CREATE FUNCTION auria.schedule() RETURNS TABLE(job text, schedule text, command text, active boolean)
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'schedule_wrapper';

COMMENT ON FUNCTION auria.schedule() IS
    'Registers with pg_cron what has to run every hour and every day; a row for each job. Superusers';

REVOKE ALL ON FUNCTION auria.schedule() FROM PUBLIC, anon, authenticated, service_role;
