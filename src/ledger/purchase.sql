WITH recorded AS (
    INSERT INTO public.credit_events
           (entry, user_id, subscription_id, kind, plan_id, made_by, reference, credits, changed_bonus,
            credits_per_month, used, hidden, rollover, bonus, settled_rollover, settled_bonus)
    VALUES (pg_catalog.nextval('public.credit_usage_entry_seq'), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
        ON CONFLICT DO NOTHING
    RETURNING entry),
posted AS (
    UPDATE public.subscriptions
       SET credits_bonus = $13,
           updated_at = now()
     WHERE id = $2 AND EXISTS (SELECT FROM recorded)
    RETURNING id)
SELECT (SELECT count(*) FROM recorded), (SELECT count(*) FROM posted)
