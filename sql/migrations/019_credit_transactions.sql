-- 019 Credit transactions: the Edge Functions' own record of what was charged
-- and refunded for which operation. They look for (user_id, operation_id,
-- 'consume') before they call use_credits, and insert it after; the same with
-- 'refund'. The ledger is credit_usage.

CREATE TABLE IF NOT EXISTS public.credit_transactions (
    id            uuid         NOT NULL  DEFAULT gen_random_uuid()  PRIMARY KEY,
    user_id       uuid         NOT NULL,
    operation_id  text         NOT NULL,
    operation     text         NOT NULL,
    type          text         NOT NULL,
    created_at    timestamptz  NOT NULL  DEFAULT now()
);

SELECT auria.ensure_foreign_key('public.credit_transactions', 'credit_transactions_user_id_fkey',
    'user_id', 'auth.users', 'id', 'CASCADE');
SELECT auria.ensure_check('public.credit_transactions', 'credit_transactions_type_check',
    $$type IN ('consume', 'refund')$$);

SELECT auria.ensure_unique_index('public.credit_transactions', 'idx_credit_transactions_idempotent',
    'user_id, operation_id, type', NULL);
SELECT auria.ensure_index('public.credit_transactions', 'idx_credit_transactions_user',
    '(user_id, created_at DESC)');

ALTER TABLE public.credit_transactions ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.credit_transactions FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.credit_transactions TO service_role;

DROP POLICY IF EXISTS credit_transactions_all_service_role ON public.credit_transactions;
CREATE POLICY credit_transactions_all_service_role ON public.credit_transactions
    FOR ALL TO service_role
    USING (true)
    WITH CHECK (true);

COMMENT ON TABLE public.credit_transactions IS
    'Which operations the Edge Functions have charged and refunded, so that a retry is recognised. The ledger is credit_usage';
COMMENT ON COLUMN public.credit_transactions.operation_id IS 'The Edge Function''s id of one operation; the same in a retry';
COMMENT ON COLUMN public.credit_transactions.operation IS 'As in credit_costs: case_analysis, dsd_simulation';
COMMENT ON COLUMN public.credit_transactions.type IS 'consume or refund';
