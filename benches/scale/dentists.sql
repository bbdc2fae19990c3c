-- psql -v dentists=N: dentists 1 to N with a plan and credits enough. Their ids are numbers, so that a benchmark can name them.
INSERT INTO auth.users (id, email)
SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, n || '@clinica.example'
  FROM generate_series(1, :dentists) AS n;
INSERT INTO public.subscriptions (user_id, plan_id, status, credits_bonus)
SELECT id, 'price_elite_monthly', 'active', 1000000 FROM auth.users;
ANALYZE;
