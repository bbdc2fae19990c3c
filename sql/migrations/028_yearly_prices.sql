-- 028 Yearly prices: a plan's price in Stripe when it is paid by the year.

ALTER TABLE public.subscription_plans
    ADD COLUMN IF NOT EXISTS stripe_price_id_yearly text;

COMMENT ON COLUMN public.subscription_plans.stripe_price_id_yearly IS
    'Price in Stripe when paid by the year; belongs to a deployment';
