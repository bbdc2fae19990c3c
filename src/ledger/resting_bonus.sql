-- Bought credits that nobody can spend, because the status of the subscription does not count.
WITH resting (credits) AS (
    SELECT CASE WHEN p.credits_per_month = -1 THEN s.credits_bonus
                ELSE least(s.credits_bonus, coalesce(p.credits_per_month, 0)::bigint + s.credits_rollover + s.credits_bonus
                                            - s.credits_used_this_month) END
      FROM public.subscriptions s
      LEFT JOIN public.subscription_plans p ON p.id = s.plan_id
     WHERE s.status NOT IN ('active', 'trialing') AND s.credits_bonus > 0
)
SELECT pg_catalog.format('%s bought credits of %s subscriptions rest until their status counts again', sum(credits), count(*))
  FROM resting
 WHERE credits > 0
HAVING count(*) > 0
