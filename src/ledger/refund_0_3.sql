WITH refunded AS (
    UPDATE public.credit_usage
       SET counterpart = pg_catalog.nextval('public.credit_usage_entry_seq')
     WHERE id = $2 AND counterpart = 0
    RETURNING entry, counterpart),
given_back AS (
    UPDATE public.subscriptions
       SET credits_used_this_month = $3,
           credits_rollover = $4,
           credits_bonus = $5,
           credits_used_hidden = $6,
           cases_used_this_month = $9,
           dsd_used_this_month = $10,
           updated_at = now()
     WHERE id = $1 AND $7::integer = 0 AND $8::integer = 0
    RETURNING id, user_id)
INSERT INTO public.credit_usage
       (entry, user_id, subscription_id, operation, credits_used, from_rollover, from_bonus, from_hidden,
        reference_id, created_at, counterpart)
SELECT r.counterpart, g.user_id, g.id, $11, $12, $13, $14, $15, $16, clock_timestamp(), r.entry
  FROM refunded r, given_back g
