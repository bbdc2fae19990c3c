-- Plans that are sold, or that somebody subscribes to, and grant nothing.
SELECT pg_catalog.format('plan %s grants no credits: if it should, run '
                         'UPDATE public.subscription_plans SET credits_per_month = N WHERE id = %L', p.id, p.id)
  FROM public.subscription_plans p
 WHERE p.credits_per_month = 0
   AND (p.is_active AND p.price_monthly > 0
        OR EXISTS (SELECT FROM public.subscriptions s WHERE s.plan_id = p.id AND s.status IN ('active', 'trialing')))
 ORDER BY p.id
