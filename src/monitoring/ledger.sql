-- From the last pages of the ledger, and the time at which they begin where it has more: the middle of the times there, because
-- a refund writes the use that it gives back anew, at the end. An operation without a price is `other`, so that
-- nobody makes a time series by inventing a name.
WITH since (time) AS MATERIALIZED (
    SELECT greatest(now() - interval '1 hour', (SELECT max(time) FROM (BEGINNINGS) AS b (time)))
), scale (seconds, factor) AS MATERIALIZED (
    SELECT seconds, 3600 / seconds
      FROM (SELECT greatest(extract(epoch FROM now() - time), 1) AS seconds FROM since) AS s
), entries (operation, is_free, credits_used, entry, created_at) AS MATERIALIZED (
    ENTRIES
), recent AS (
    SELECT e.operation, e.is_free, count(*) AS entries, sum(e.credits_used) AS credits
      FROM entries e, since s
     WHERE e.created_at > s.time
     GROUP BY e.operation, e.is_free
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
    SELECT o.operation, k.kind,
           pg_catalog.round(COALESCE(sum(s.entries), 0) * max(f.factor)) AS entries,
           pg_catalog.round(COALESCE(sum(s.credits), 0) * max(f.factor)) AS credits
      FROM operations o
     CROSS JOIN kinds k
     CROSS JOIN scale f
      LEFT JOIN seen s ON s.operation = o.operation AND s.kind = k.kind
     GROUP BY o.operation, k.kind
), total (entries) AS (
    SELECT COALESCE(pg_catalog.pg_sequence_last_value('public.credit_usage_entry_seq'), 0)
), missed (numbers, events) AS (
    -- Numbers since the newest entry that was read, and how many of them are events: a month's end makes one for each
    -- subscription.
    SELECT t.entries - newest.entry,
           (SELECT count(*) FROM (SELECT FROM public.credit_events e WHERE e.entry > newest.entry LIMIT 10000) AS events)
      FROM total t
     CROSS JOIN (SELECT max(entry) FROM entries) AS newest (entry)
)
SELECT 'ledger_entries_last_hour', pg_catalog.jsonb_build_object('operation', operation, 'kind', kind),
       entries::double precision
  FROM counted
 UNION ALL
SELECT 'ledger_credits_last_hour', pg_catalog.jsonb_build_object('operation', operation, 'kind', kind),
       credits::double precision
  FROM counted WHERE kind <> 'free'
 UNION ALL
SELECT 'ledger_seconds_read', '{}'::jsonb, seconds::double precision FROM scale
 UNION ALL
SELECT 'ledger_entries_not_read', '{}'::jsonb,
       CASE WHEN events < 10000 THEN greatest(0, numbers - events) ELSE 0 END::double precision
  FROM missed
 UNION ALL
SELECT 'ledger_entries_total', '{}'::jsonb, entries::double precision FROM total
