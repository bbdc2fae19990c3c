-- 027 Payment events: payments that come with no invoice are recorded once,
-- too.

ALTER TABLE public.payment_history
    ADD COLUMN IF NOT EXISTS stripe_event_id text;

SELECT auria.ensure_unique('public.payment_history', 'payment_history_stripe_event_id_key', '{stripe_event_id}');

COMMENT ON COLUMN public.payment_history.stripe_event_id IS
    'The event that reported the payment. Unique, so that an event delivered twice records one payment';
