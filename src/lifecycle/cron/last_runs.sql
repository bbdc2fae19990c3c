-- The latest runs of this database's jobs among the last 5,000 of all, by the primary key of job_run_details.
WITH recent AS MATERIALIZED (
    SELECT r.jobid, r.status, r.end_time
      FROM (SELECT jobid, database, status, end_time FROM cron.job_run_details ORDER BY runid DESC LIMIT 5000) AS r
     WHERE r.database = pg_catalog.current_database()
), runs AS (
    SELECT pg_catalog.split_part(j.jobname::text, '@', 1) AS job, j.active,
           max(r.end_time) FILTER (WHERE r.status = 'succeeded') AS succeeded,
           (pg_catalog.array_agg(r.status = 'failed' ORDER BY r.end_time DESC)
                FILTER (WHERE r.status IN ('succeeded', 'failed')))[1] AS failed
      FROM cron.job j
      LEFT JOIN recent r ON r.jobid = j.jobid
     WHERE j.database = pg_catalog.current_database() AND j.jobname::text LIKE 'auria\_%'
     GROUP BY j.jobid, j.jobname, j.active
)
SELECT 'job_active', pg_catalog.jsonb_build_object('cron_job', job), bool_or(active)::integer::double precision
  FROM runs GROUP BY job
 UNION ALL
SELECT 'job_last_success_seconds', pg_catalog.jsonb_build_object('cron_job', job),
       extract(epoch FROM now() - max(succeeded))::double precision
  FROM runs WHERE succeeded IS NOT NULL GROUP BY job
 UNION ALL
SELECT 'job_failed', pg_catalog.jsonb_build_object('cron_job', job), bool_or(failed)::integer::double precision
  FROM runs WHERE failed IS NOT NULL GROUP BY job
