-- 005 Billing v1: the invoices that Stripe has reported.

CREATE TABLE IF NOT EXISTS public.payment_history (
    id                        uuid         NOT NULL  DEFAULT gen_random_uuid()  PRIMARY KEY,
    user_id                   uuid         NOT NULL,
    subscription_id           uuid,
    stripe_invoice_id         text,
    stripe_payment_intent_id  text,
    amount                    integer      NOT NULL,
    currency                  text         NOT NULL  DEFAULT 'brl',
    status                    text         NOT NULL,
    invoice_url               text,
    invoice_pdf               text,
    description               text,
    created_at                timestamptz  NOT NULL  DEFAULT now()
);

SELECT auria.ensure_foreign_key('public.payment_history', 'payment_history_user_id_fkey',
    'user_id', 'auth.users', 'id', 'CASCADE');
SELECT auria.ensure_foreign_key('public.payment_history', 'payment_history_subscription_id_fkey',
    'subscription_id', 'public.subscriptions', 'id', 'SET NULL');
SELECT auria.ensure_check('public.payment_history', 'payment_history_status_not_unknown',
    $$status IN ('succeeded', 'failed', 'pending', 'refunded')$$);

SELECT auria.ensure_index('public.payment_history', 'idx_payment_history_user_id', '(user_id)');
SELECT auria.ensure_index('public.payment_history', 'idx_payment_history_subscription_id',
    '(subscription_id) WHERE subscription_id IS NOT NULL');

ALTER TABLE public.payment_history ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.payment_history FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON TABLE public.payment_history TO authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.payment_history TO service_role;

DROP POLICY IF EXISTS payment_history_select_own ON public.payment_history;
CREATE POLICY payment_history_select_own ON public.payment_history
    FOR SELECT TO authenticated
    USING (user_id = (SELECT auth.uid()));

COMMENT ON TABLE public.payment_history IS 'Invoices, as Stripe''s webhook reports them';
COMMENT ON COLUMN public.payment_history.subscription_id IS 'Null once the subscription is gone: the payment remains';
COMMENT ON COLUMN public.payment_history.stripe_invoice_id IS 'The invoice in Stripe';
COMMENT ON COLUMN public.payment_history.stripe_payment_intent_id IS 'The payment in Stripe';
COMMENT ON COLUMN public.payment_history.amount IS 'In centavos';
COMMENT ON COLUMN public.payment_history.currency IS 'ISO 4217 in lower case, as Stripe writes it';
COMMENT ON COLUMN public.payment_history.status IS 'succeeded, failed, pending or refunded';
COMMENT ON COLUMN public.payment_history.invoice_url IS 'Page that Stripe hosts';
COMMENT ON COLUMN public.payment_history.invoice_pdf IS 'The same invoice to download';
