INSERT INTO public.credit_events (entry, user_id, kind, credits, reference, made_by)
VALUES (pg_catalog.nextval('public.credit_usage_entry_seq'), $1, $2, $3, $4, $5)
    ON CONFLICT DO NOTHING
