WITH refunded AS (
    UPDATE public.credit_usage
       SET counterpart = pg_catalog.nextval('public.credit_usage_entry_seq')
     WHERE id = $1 AND counterpart = 0
    RETURNING entry, counterpart, user_id, subscription_id, is_free)
INSERT INTO public.credit_usage
       (entry, user_id, subscription_id, operation, credits_used, reference_id, created_at, is_free, counterpart)
SELECT counterpart, user_id, subscription_id, $2, $3, $4, clock_timestamp(), is_free, entry
  FROM refunded
