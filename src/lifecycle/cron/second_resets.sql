-- Jobs that reset the month as a later version of the original does, beside the extension's.
SELECT pg_catalog.format('job %s calls reset_monthly_credits() beside %s, so that a month is settled twice: '
                         'keep one of them, and run SELECT cron.unschedule(%s) or SELECT cron.unschedule(%s)',
                         theirs.jobid, ours.jobname, theirs.jobid, ours.jobid)
  FROM cron.job theirs
  JOIN cron.job ours ON ours.database = theirs.database AND ours.active
                    AND ours.command ~ 'auria\.reset_monthly|reset_monthly_usage'
 WHERE theirs.command ~ 'reset_monthly_credits' AND theirs.active AND theirs.database = pg_catalog.current_database()
 ORDER BY theirs.jobid, ours.jobid
