-- 007 Stripe mapping: which price in Stripe stands for which plan. The ids
-- belong to a deployment, so none are seeded.

ALTER TABLE public.subscription_plans
    ADD COLUMN IF NOT EXISTS stripe_price_id text;

SELECT auria.ensure_index('public.subscription_plans', 'idx_subscription_plans_stripe_price',
    '(stripe_price_id) WHERE stripe_price_id IS NOT NULL');

COMMENT ON COLUMN public.subscription_plans.stripe_price_id IS 'Id of the price in this deployment''s Stripe account';
