/* From 0.1.0 to 0.2.0: what the install script of 0.2.0 has that that of 0.1.0 has not. A test compares the outcomes. */

\echo Use "ALTER EXTENSION auria UPDATE TO '0.2.0'" to load this file. \quit

CREATE FUNCTION auria.schedule() RETURNS TABLE (
    job text,
    schedule text,
    command text,
    active boolean
)
STRICT VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'schedule_wrapper';

REVOKE ALL ON FUNCTION auria.schedule() FROM PUBLIC, anon, authenticated, service_role;

COMMENT ON FUNCTION auria.schedule() IS
    'Registers with pg_cron what has to run every hour and every day; a row for each job. Superusers';

-- The migrations that are new in this version, if any.
SELECT FROM auria.migrate();
