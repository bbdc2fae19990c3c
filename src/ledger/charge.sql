WITH charged AS (
    UPDATE public.subscriptions
       SET credits_used_this_month = $8,
           cases_used_this_month = $9,
           dsd_used_this_month = $10,
           updated_at = now()
     WHERE id = $2
    RETURNING id)
INSERT INTO public.credit_usage
       (user_id, subscription_id, operation, credits_used, from_rollover, from_bonus, reference_id, created_at)
SELECT $1, id, $3, $4, $5, $6, $7, clock_timestamp()
  FROM charged
