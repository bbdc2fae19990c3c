INSERT INTO public.credit_events (user_id, kind, credits, reference, made_by)
VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT DO NOTHING
