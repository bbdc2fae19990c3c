-- Estimates from a sample of about 200 pages; exact where the table has no more. The job that settles months runs every hour:
-- what is over for two hours, it has missed. -infinity is a row that nobody has looked at since its months are recorded.
WITH size (pages) AS (
    SELECT COALESCE(sum(pg_catalog.pg_relation_size(relid)), 0) / pg_catalog.current_setting('block_size')::bigint
      FROM (SELECT relid FROM pg_catalog.pg_partition_tree('public.subscriptions')
             UNION
            SELECT 'public.subscriptions'::pg_catalog.regclass) AS stored
), share (percent) AS (
    SELECT least(100, 100.0 * 200 / greatest(pages, 1))::real FROM size
), sampled (subscriptions, overdue, resting) AS (
    SELECT count(*),
           count(*) FILTER (WHERE s.month_ends_at < now() - interval '2 hours' AND s.month_ends_at > '-infinity'),
           COALESCE(sum(greatest(0, CASE WHEN p.credits_per_month = -1 THEN s.credits_bonus
                                         ELSE least(s.credits_bonus,
                                                    COALESCE(p.credits_per_month, 0)::bigint + s.credits_rollover
                                                    + s.credits_bonus - s.credits_used_this_month) END))
                    FILTER (WHERE s.status NOT IN ('active', 'trialing')), 0)
      FROM public.subscriptions s TABLESAMPLE SYSTEM ((SELECT percent FROM share))
      LEFT JOIN public.subscription_plans p ON p.id = s.plan_id
)
SELECT 'months_overdue', '{}'::jsonb, pg_catalog.round(overdue * 100 / percent)::double precision FROM sampled, share
 UNION ALL
SELECT 'bonus_credits_resting', '{}'::jsonb, pg_catalog.round(resting * 100 / percent::numeric)::double precision FROM sampled, share
 UNION ALL
SELECT 'months_sampled', '{}'::jsonb, subscriptions::double precision FROM sampled
