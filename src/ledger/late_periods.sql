-- Subscriptions whose times cannot be right, one line for each kind. A minute is for clocks of two servers that differ.
WITH wrong (subscriptions, what, condition) AS (
    SELECT count(*), 'have a usage_reset_at in the future, until when no month begins', 'usage_reset_at > now()'
      FROM public.subscriptions
     WHERE usage_reset_at > now() + interval '1 minute'
     UNION ALL
    SELECT count(*), 'are active although their period ended more than 3 days ago: did the webhook of their renewal arrive?',
           'status = ''active'' AND current_period_end < now() - interval ''3 days'''
      FROM public.subscriptions
     WHERE status = 'active' AND current_period_end < now() - interval '3 days'
)
SELECT pg_catalog.format('%s subscriptions %s: see them with SELECT * FROM public.subscriptions WHERE %s', subscriptions, what, condition)
  FROM wrong
 WHERE subscriptions > 0
