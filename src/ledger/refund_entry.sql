WITH refunded AS (
    UPDATE public.credit_usage
       SET counterpart = pg_catalog.nextval('public.credit_usage_entry_seq')
     WHERE id = $1 AND counterpart = 0
    RETURNING entry, counterpart)
INSERT INTO public.credit_usage
       (entry, user_id, subscription_id, operation, credits_used, from_rollover, from_bonus, from_hidden,
        reference_id, created_at, counterpart)
SELECT counterpart, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp(), entry
  FROM refunded
