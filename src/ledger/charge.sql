WITH charged AS (
    UPDATE public.subscriptions
       SET credits_used_this_month = $2,
           cases_used_this_month = $3,
           dsd_used_this_month = $4,
           updated_at = now()
     WHERE id = $1
    RETURNING id, user_id)
INSERT INTO public.credit_usage
       (user_id, subscription_id, operation, credits_used, from_rollover, from_bonus, created_at)
SELECT user_id, id, $5, $6, $7, $8, clock_timestamp()
  FROM charged
