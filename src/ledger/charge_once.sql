WITH recorded AS (
    INSERT INTO public.credit_usage
           (user_id, subscription_id, operation, credits_used, from_rollover, from_bonus, created_at, reference_id)
    VALUES ($9, $1, $5, $6, $7, $8, clock_timestamp(), $10)
        ON CONFLICT DO NOTHING
    RETURNING id),
charged AS (
    UPDATE public.subscriptions
       SET credits_used_this_month = $2,
           cases_used_this_month = $3,
           dsd_used_this_month = $4,
           updated_at = now()
     WHERE id = $1 AND EXISTS (SELECT FROM recorded)
    RETURNING id)
SELECT (SELECT count(*) FROM recorded), (SELECT count(*) FROM charged)
