-- 012 Credit packs: credits bought once, on top of a plan. They never expire.

----------------------------------------------------------- subscriptions --

ALTER TABLE public.subscriptions
    ADD COLUMN IF NOT EXISTS credits_bonus integer NOT NULL DEFAULT 0;

COMMENT ON COLUMN public.subscriptions.credits_bonus IS 'From credit packs; spent last, and never reset';


------------------------------------------------------------ credit_packs --

CREATE TABLE IF NOT EXISTS public.credit_packs (
    id               text     NOT NULL  PRIMARY KEY,
    name             text     NOT NULL,
    credits          integer  NOT NULL,
    price            integer  NOT NULL,
    stripe_price_id  text,
    is_active        boolean  NOT NULL  DEFAULT true,
    sort_order       integer  NOT NULL  DEFAULT 0
);

SELECT auria.ensure_check('public.credit_packs', 'credit_packs_credits_not_below_one', 'credits > 0');
SELECT auria.ensure_check('public.credit_packs', 'credit_packs_price_not_negative', 'price >= 0');

ALTER TABLE public.credit_packs ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.credit_packs FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON TABLE public.credit_packs TO anon, authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.credit_packs TO service_role;

DROP POLICY IF EXISTS credit_packs_select_public ON public.credit_packs;
CREATE POLICY credit_packs_select_public ON public.credit_packs
    FOR SELECT TO anon, authenticated
    USING (true);

COMMENT ON TABLE public.credit_packs IS 'Packs of credits on offer';
COMMENT ON COLUMN public.credit_packs.price IS 'In centavos';
COMMENT ON COLUMN public.credit_packs.stripe_price_id IS 'Id of the price in this deployment''s Stripe account';
COMMENT ON COLUMN public.credit_packs.is_active IS 'Whether the pack is on offer';
COMMENT ON COLUMN public.credit_packs.sort_order IS 'Lowest first on the price page';

INSERT INTO public.credit_packs (id, name, credits, price, sort_order, is_active)
VALUES ('pack_10', '10 Créditos', 10, 2900, 1, true),
       ('pack_25', '25 Créditos', 25, 5900, 2, true),
       ('pack_50', '50 Créditos', 50, 9900, 3, true)
ON CONFLICT DO NOTHING;


--------------------------------------------------- credit_pack_purchases --

CREATE TABLE IF NOT EXISTS public.credit_pack_purchases (
    id                 uuid         NOT NULL  DEFAULT gen_random_uuid()  PRIMARY KEY,
    user_id            uuid         NOT NULL,
    pack_id            text         NOT NULL,
    credits            integer      NOT NULL,
    amount             integer      NOT NULL,
    stripe_session_id  text,
    status             text         NOT NULL  DEFAULT 'pending',
    created_at         timestamptz  NOT NULL  DEFAULT now()
);

SELECT auria.ensure_unique('public.credit_pack_purchases', 'credit_pack_purchases_stripe_session_id_key',
    '{stripe_session_id}');
SELECT auria.ensure_foreign_key('public.credit_pack_purchases', 'credit_pack_purchases_user_id_fkey',
    'user_id', 'auth.users', 'id', 'CASCADE');
SELECT auria.ensure_foreign_key('public.credit_pack_purchases', 'credit_pack_purchases_pack_id_fkey',
    'pack_id', 'public.credit_packs', 'id', 'NO ACTION');
SELECT auria.ensure_check('public.credit_pack_purchases', 'credit_pack_purchases_credits_not_below_one',
    'credits > 0');
SELECT auria.ensure_check('public.credit_pack_purchases', 'credit_pack_purchases_amount_not_negative',
    'amount >= 0');
SELECT auria.ensure_check('public.credit_pack_purchases', 'credit_pack_purchases_status_not_unknown',
    $$status IN ('pending', 'completed', 'failed', 'refunded')$$);

SELECT auria.ensure_index('public.credit_pack_purchases', 'idx_credit_pack_purchases_user_id', '(user_id)');
SELECT auria.ensure_index('public.credit_pack_purchases', 'idx_credit_pack_purchases_pack_id', '(pack_id)');
-- Monitoring asks for the oldest: few are pending, and no other is in it.
SELECT auria.ensure_index('public.credit_pack_purchases', 'idx_credit_pack_purchases_pending',
    $$(created_at) WHERE status = 'pending'$$);

ALTER TABLE public.credit_pack_purchases ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.credit_pack_purchases FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON TABLE public.credit_pack_purchases TO authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.credit_pack_purchases TO service_role;

DROP POLICY IF EXISTS credit_pack_purchases_select_own ON public.credit_pack_purchases;
CREATE POLICY credit_pack_purchases_select_own ON public.credit_pack_purchases
    FOR SELECT TO authenticated
    USING (user_id = (SELECT auth.uid()));

COMMENT ON TABLE public.credit_pack_purchases IS 'Who has bought which pack';
COMMENT ON COLUMN public.credit_pack_purchases.credits IS 'As in the pack when it was bought';
COMMENT ON COLUMN public.credit_pack_purchases.amount IS 'Paid, in centavos';
COMMENT ON COLUMN public.credit_pack_purchases.stripe_session_id IS
    'Checkout session in Stripe. Unique, so that a webhook delivered twice credits once';
COMMENT ON COLUMN public.credit_pack_purchases.status IS 'pending until Stripe confirms, then completed';
