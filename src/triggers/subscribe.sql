WITH plan AS (
    SELECT id FROM public.subscription_plans WHERE id = $2
), subscribed AS (
    INSERT INTO public.subscriptions (user_id, plan_id, status, credits_bonus)
    SELECT $1, id, 'active', $3
      FROM plan
     WHERE NOT EXISTS (SELECT FROM public.subscriptions WHERE user_id = $1)
        ON CONFLICT DO NOTHING)
SELECT EXISTS (SELECT FROM plan)
