-- What decides whether, and where, jobs can be registered: this database, the server's major version, whether the server has
-- the files of pg_cron, the database that it works in (NULL while its library is not preloaded), whether the extension was
-- created, and whether what is called belongs to it.
SELECT pg_catalog.current_database()::text,
       pg_catalog.current_setting('server_version_num')::integer / 10000,
       EXISTS (SELECT FROM pg_catalog.pg_available_extensions WHERE name = 'pg_cron'),
       (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'cron.database_name'),
       EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'pg_cron'),
       (SELECT count(*) = 3
          FROM pg_catalog.pg_depend d
          JOIN pg_catalog.pg_extension e ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
                                        AND d.refobjid = e.oid AND d.deptype = 'e' AND e.extname = 'pg_cron'
         WHERE (d.classid, d.objid) IN (
             ('pg_catalog.pg_class'::pg_catalog.regclass, pg_catalog.to_regclass('cron.job')),
             ('pg_catalog.pg_proc'::pg_catalog.regclass, pg_catalog.to_regprocedure('cron.schedule(text, text, text)')),
             ('pg_catalog.pg_proc'::pg_catalog.regclass,
              pg_catalog.to_regprocedure('cron.alter_job(bigint, text, text, text, text, boolean)'))))
