-- Users for whom more months began, or whose plan changed more often, than a subscription's billing explains: one line for
-- each of both. Months by when they began, since those that passed unseen are settled one after another.
WITH often (months, plan_changes, user_id) AS (
    SELECT count(*) FILTER (WHERE kind = 'month' AND begins_at > now() - interval '720 hours'),
           count(*) FILTER (WHERE kind = 'plan_change' AND created_at > now() - interval '720 hours'),
           user_id
      FROM public.credit_events
     WHERE kind IN ('month', 'plan_change') AND (begins_at > now() - interval '720 hours'
                                                 OR created_at > now() - interval '720 hours')
     GROUP BY user_id
), counted (users, example, what) AS (
    SELECT count(*), min(user_id::text), 'more than 2 months began' FROM often WHERE months > 2
     UNION ALL
    SELECT count(*), min(user_id::text), 'the plan changed more than 4 times' FROM often WHERE plan_changes > 4
)
SELECT pg_catalog.format('in the last 30 days %s for %s users, such as %s: see why with SELECT * FROM '
                         'auria.credit_statement(%L, now() - interval ''30 days'', now())', what, users, example, example)
  FROM counted
 WHERE users > 0
