-- 014 Atomic credits: what use_credits and refund_credits, which are compiled,
-- stand on in the ledger.

-- The latest uses of an operation by a user: the free tier counts them, a
-- refund picks the newest. Also serves the foreign key user_id.
SELECT auria.ensure_index('public.credit_usage', 'idx_credit_usage_user_operation',
    '(user_id, operation, created_at DESC)');

SELECT auria.ensure_unique_index('public.credit_usage', 'credit_usage_reference_key',
    'user_id, operation, reference_id', 'reference_id IS NOT NULL');

COMMENT ON INDEX public.credit_usage_reference_key IS
    'Charges and refunds a reference once, however often and however concurrently it is sent';
