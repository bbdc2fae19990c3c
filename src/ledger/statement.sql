-- A user's charges, refunds and events in order, each with the balance after it: that of the event before, and what
-- the ledger's rows since then did to it. $1 the user, $2 from, $3 to before.
WITH lines AS (
    SELECT e.created_at AS at, e.entry, e.kind AS what, NULL::text AS operation, e.reference, e.subscription_id,
           e.subscription_id IS NOT NULL AS is_balance, false AS is_free,
           CASE WHEN e.kind IN ('purchase', 'revocation') THEN e.changed_bonus END AS credits,
           e.used, e.rollover, e.bonus, e.credits_per_month
      FROM public.credit_events e
     WHERE e.user_id = $1
     UNION ALL
    SELECT u.created_at, u.entry, CASE WHEN u.operation LIKE '%\_refund' THEN 'refund' ELSE 'charge' END,
           pg_catalog.regexp_replace(u.operation, '_refund$', ''), u.reference_id::text, u.subscription_id,
           false, u.is_free,
           CASE WHEN u.is_free THEN 0 ELSE -u.credits_used END,
           CASE WHEN u.is_free THEN 0
                WHEN u.operation LIKE '%\_refund' THEN u.credits_used - u.from_rollover - u.from_bonus - u.from_hidden
                ELSE u.credits_used END,
           CASE WHEN u.operation LIKE '%\_refund' THEN -u.from_rollover ELSE 0 END,
           CASE WHEN u.operation LIKE '%\_refund' THEN -u.from_bonus ELSE 0 END,
           NULL
      FROM public.credit_usage u
     WHERE u.user_id = $1 AND u.operation <> 'plan_change'
), told AS (
    SELECT l.*, count(*) FILTER (WHERE is_balance) OVER (ORDER BY entry) AS told_by
      FROM lines l
), placed AS (
    -- The ledger forgets a subscription that is gone: what it wrote under it came after the last event of the time.
    SELECT t.*, coalesce(t.subscription_id, first_value(t.subscription_id) OVER (
                    PARTITION BY told_by ORDER BY is_balance DESC, entry)) AS account
      FROM told t
), grouped AS (
    SELECT p.*, count(*) FILTER (WHERE is_balance) OVER (PARTITION BY account ORDER BY entry) AS since
      FROM placed p
), balances AS (
    SELECT g.at, g.entry, g.what, g.operation, g.reference, g.credits, g.account, g.is_free, g.since,
           sum(g.used) OVER running AS used,
           sum(g.rollover) OVER running AS rollover,
           sum(g.bonus) OVER running AS bonus,
           max(g.credits_per_month) OVER running AS credits_per_month
      FROM grouped g
    WINDOW running AS (PARTITION BY g.account, g.since ORDER BY g.entry)
), known AS (
    -- Nothing is known of a balance before the first event; who never had a subscription has nothing.
    SELECT b.*, b.since > 0 OR b.account IS NULL AS is_known,
           CASE WHEN b.credits_per_month >= 0 THEN b.credits_per_month + b.rollover + b.bonus - b.used
                WHEN b.credits_per_month IS NULL AND b.account IS NULL THEN 0 END AS available
      FROM balances b
), changes AS (
    SELECT k.*, k.available - lag(k.available) OVER (PARTITION BY account ORDER BY entry) AS changed
      FROM known k
)
SELECT at, entry, what, operation, reference,
       coalesce(credits, changed, CASE WHEN what = 'start' THEN available END)::bigint,
       CASE WHEN is_known THEN used END::integer,
       CASE WHEN is_known THEN rollover END::integer,
       CASE WHEN is_known THEN bonus END::integer,
       available::bigint
  FROM changes
 WHERE at >= $2 AND at < $3
 ORDER BY entry
