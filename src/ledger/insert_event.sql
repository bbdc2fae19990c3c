INSERT INTO public.credit_events
       (entry, kind, user_id, subscription_id, plan_id, made_by, changed_used, changed_hidden, changed_rollover,
        changed_bonus, credits_per_month, used, hidden, rollover, bonus, settled_rollover, settled_bonus, begins_at,
        granted, expired, carried_over, spent_monthly, spent_rollover, spent_bonus, is_by_hand, created_at)
VALUES (pg_catalog.nextval('public.credit_usage_entry_seq'), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
        $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)
