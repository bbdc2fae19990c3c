-- The last hour by idx_credit_usage_created_at, 100,000 entries at most. An operation without a price is `other`, so that
-- nobody makes a time series by inventing a name.
WITH recent AS MATERIALIZED (
    SELECT u.operation, u.is_free, count(*) AS entries, sum(u.credits_used) AS credits
      FROM (SELECT operation, is_free, credits_used
              FROM public.credit_usage
             WHERE created_at > now() - interval '1 hour'
             LIMIT 100000) AS u
     GROUP BY u.operation, u.is_free
), kinds (kind) AS (
    VALUES ('charge'), ('free'), ('refund')
), operations (operation) AS (
    SELECT c.operation FROM public.credit_costs c
     UNION
    VALUES ('other')
), seen AS (
    SELECT COALESCE(c.operation, 'other') AS operation,
           CASE WHEN r.operation LIKE '%\_refund' THEN 'refund' WHEN r.is_free THEN 'free' ELSE 'charge' END AS kind,
           r.entries, r.credits
      FROM recent r
      LEFT JOIN public.credit_costs c ON c.operation = pg_catalog.regexp_replace(r.operation, '_refund$', '')
     WHERE r.operation <> 'plan_change'
), counted AS (
    SELECT o.operation, k.kind, COALESCE(sum(s.entries), 0) AS entries, COALESCE(sum(s.credits), 0) AS credits
      FROM operations o
     CROSS JOIN kinds k
      LEFT JOIN seen s ON s.operation = o.operation AND s.kind = k.kind
     GROUP BY o.operation, k.kind
)
SELECT 'ledger_entries_last_hour', pg_catalog.jsonb_build_object('operation', operation, 'kind', kind),
       entries::double precision
  FROM counted
 UNION ALL
SELECT 'ledger_credits_last_hour', pg_catalog.jsonb_build_object('operation', operation, 'kind', kind),
       credits::double precision
  FROM counted WHERE kind <> 'free'
 UNION ALL
SELECT 'ledger_entries_total', '{}'::jsonb,
       COALESCE(pg_catalog.pg_sequence_last_value('public.credit_usage_entry_seq'), 0)::double precision
