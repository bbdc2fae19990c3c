WITH refunded AS (
    UPDATE public.credit_usage
       SET counterpart = pg_catalog.nextval('public.credit_usage_entry_seq')
     WHERE id = $1 AND counterpart = 0
    RETURNING entry, counterpart),
given_back AS (
    UPDATE public.subscriptions
       SET credits_used_this_month = $10,
           credits_rollover = $11,
           credits_bonus = $12,
           credits_used_hidden = $13,
           settled_rollover = $14,
           settled_bonus = $15,
           cases_used_this_month = $16,
           dsd_used_this_month = $17,
           updated_at = now()
     WHERE id = $3
    RETURNING id)
INSERT INTO public.credit_usage
       (entry, user_id, subscription_id, operation, credits_used, from_rollover, from_bonus, from_hidden,
        reference_id, created_at, counterpart)
SELECT r.counterpart, $2, g.id, $4, $5, $6, $7, $8, $9, clock_timestamp(), r.entry
  FROM refunded r, given_back g
