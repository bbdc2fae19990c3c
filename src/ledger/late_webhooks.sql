-- Events of Stripe's that failed, or that nobody has finished, one line for each status.
SELECT pg_catalog.format('%s events of public.webhook_events are %s for more than a day, the first is %s: send them again, or say what '
                         'became of them in the column status', count(*), status,
                         (pg_catalog.array_agg(stripe_event_id ORDER BY processed_at))[1])
  FROM public.webhook_events
 WHERE status IN ('failed', 'processing') AND processed_at < now() - interval '1 day'
 GROUP BY status
 ORDER BY status
