-- Makes the ledger a table that pg_partman partitions by month. One transaction: clients wait while the rows are copied.
CREATE SCHEMA IF NOT EXISTS partman;
CREATE EXTENSION IF NOT EXISTS pg_partman SCHEMA partman;

BEGIN;
-- All that migrate() will lock, and first what a charge locks, in its order: or the two would deadlock after the copy.
LOCK TABLE public.subscriptions, public.subscription_plans, public.credit_costs, public.credit_usage IN ACCESS EXCLUSIVE MODE;
DO $$
DECLARE other regclass;
BEGIN
    FOR other IN SELECT c.oid FROM pg_class c JOIN pg_tables t ON c.oid = format('%I.%I', t.schemaname, t.tablename)::regclass
                  WHERE t.schemaname = 'public' OR (t.schemaname, t.tablename) IN (('auth', 'users'), ('storage', 'objects'))
    LOOP
        EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', other);
    END LOOP;
END $$;
ALTER TABLE public.credit_usage RENAME TO credit_usage_whole;
CREATE TABLE public.credit_usage (LIKE public.credit_usage_whole INCLUDING DEFAULTS INCLUDING COMMENTS)
    PARTITION BY RANGE (created_at);
ALTER TABLE public.credit_usage ADD PRIMARY KEY (id, created_at);
SELECT partman.create_parent('public.credit_usage', 'created_at', 'native', 'monthly', p_premake => 4,
           p_start_partition => (SELECT min(created_at)::date::text FROM public.credit_usage_whole));
INSERT INTO public.credit_usage SELECT * FROM public.credit_usage_whole;
DROP TABLE public.credit_usage_whole CASCADE;
SELECT FROM auria.migrate(again => true);
COMMIT;
