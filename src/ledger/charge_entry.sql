INSERT INTO public.credit_usage
       (user_id, subscription_id, operation, credits_used, from_rollover, from_bonus, reference_id, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp())
