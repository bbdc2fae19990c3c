-- The owner of pg_cron's table of jobs, a superuser, and the name of this database.
SELECT c.relowner, pg_catalog.current_database()::text
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'cron'
  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e'
  JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_cron'
  JOIN pg_catalog.pg_roles r ON r.oid = c.relowner AND r.rolsuper
 WHERE c.relname = 'job'
