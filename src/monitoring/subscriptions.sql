-- An estimate from a sample of about 200 pages; exact where the table has no more.
WITH size (pages) AS (
    SELECT COALESCE(sum(pg_catalog.pg_relation_size(relid)), 0) / pg_catalog.current_setting('block_size')::bigint
      FROM (SELECT relid FROM pg_catalog.pg_partition_tree('public.subscriptions')
             UNION
            SELECT 'public.subscriptions'::pg_catalog.regclass) AS stored
), share (percent) AS (
    SELECT least(100, 100.0 * 200 / greatest(pages, 1))::real FROM size
), sampled (subscriptions, overdue) AS (
    SELECT count(*), count(*) FILTER (WHERE s.usage_reset_at < now() - interval '31 days')
      FROM public.subscriptions s TABLESAMPLE SYSTEM ((SELECT percent FROM share))
)
SELECT 'months_overdue', '{}'::jsonb, pg_catalog.round(overdue * 100 / percent)::double precision FROM sampled, share
 UNION ALL
SELECT 'months_sampled', '{}'::jsonb, subscriptions::double precision FROM sampled
