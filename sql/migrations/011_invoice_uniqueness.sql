-- 011 Invoice uniqueness: Stripe may deliver a webhook twice; the invoice is
-- recorded once.

SELECT auria.ensure_unique('public.payment_history', 'payment_history_stripe_invoice_id_unique',
    '{stripe_invoice_id}');
