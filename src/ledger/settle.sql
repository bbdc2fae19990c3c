WITH due AS MATERIALIZED (
    SELECT id, usage_reset_at
      FROM public.subscriptions
     WHERE month_ends_at <= (SELECT clock_timestamp())
       FOR NO KEY UPDATE),
settled AS (
    UPDATE public.subscriptions s
       SET updated_at = now()
      FROM due
     WHERE s.id = due.id
    RETURNING s.usage_reset_at IS DISTINCT FROM due.usage_reset_at AS begins)
SELECT count(*) FILTER (WHERE begins), count(*) FROM settled
