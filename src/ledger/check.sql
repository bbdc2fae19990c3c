-- Does each subscription's row show what its last event and the entries of the ledger since then make of it?
-- One line for each that does not.
--
-- What an entry does:
--   a use that was charged   its whole amount is used: the counter has what came from
--                            rollover and bonus, too, until plan or month change
--   a refund                 its parts are negative, as the amount is: what went back to
--                            rollover, bonus and credits_used_hidden; the rest is not used any more
--   a plan change            nothing: it has an event
--   a free use, its refund   nothing
WITH last AS MATERIALIZED (
    SELECT s.id, e.*
      FROM public.subscriptions s
     CROSS JOIN LATERAL (
            SELECT e.entry, e.used, e.hidden, e.rollover, e.bonus, e.settled_rollover, e.settled_bonus
              FROM public.credit_events e
             WHERE e.subscription_id = s.id AND e.user_id = s.user_id
             ORDER BY e.entry DESC
             LIMIT 1) AS e
), since AS (
    SELECT last.id,
           sum(CASE WHEN u.operation LIKE '%\_refund'
                    THEN u.credits_used::bigint - u.from_rollover - u.from_bonus - u.from_hidden
                    ELSE u.credits_used END) AS used,
           sum(CASE WHEN u.operation LIKE '%\_refund' THEN u.from_hidden::bigint ELSE 0 END) AS hidden,
           sum(CASE WHEN u.operation LIKE '%\_refund' THEN -u.from_rollover::bigint ELSE 0 END) AS rollover,
           sum(CASE WHEN u.operation LIKE '%\_refund' THEN -u.from_bonus::bigint ELSE 0 END) AS bonus
      FROM last
      JOIN public.credit_usage u
        ON u.subscription_id = last.id AND u.entry > last.entry AND NOT u.is_free AND u.operation <> 'plan_change'
     GROUP BY last.id
), explained AS (
    SELECT last.id,
           last.used + coalesce(since.used, 0) AS used,
           last.hidden + coalesce(since.hidden, 0) AS hidden,
           last.rollover + coalesce(since.rollover, 0) AS rollover,
           last.bonus + coalesce(since.bonus, 0) AS bonus,
           last.settled_rollover - coalesce(since.rollover, 0) AS settled_rollover,
           last.settled_bonus AS settled_bonus_at_most,
           last.settled_bonus - coalesce(since.bonus, 0) AS settled_bonus_at_least
      FROM last
      LEFT JOIN since ON since.id = last.id
)
SELECT CASE WHEN e.id IS NULL THEN pg_catalog.format(
           'subscription %s has no event: run SELECT * FROM auria.migrate(again => true)', s.id)
       ELSE pg_catalog.format(
           'subscription %s shows used %s, hidden %s, rollover %s, bonus %s, and its events and entries make %s, %s, %s, %s',
           s.id, s.credits_used_this_month, s.credits_used_hidden, s.credits_rollover, s.credits_bonus,
           e.used, e.hidden, e.rollover, e.bonus) END
  FROM public.subscriptions s
  LEFT JOIN explained e ON e.id = s.id
 WHERE e.id IS NULL
    OR (s.credits_used_this_month, s.credits_used_hidden, s.credits_rollover, s.credits_bonus, s.settled_rollover)
       IS DISTINCT FROM (e.used, e.hidden, e.rollover, e.bonus, e.settled_rollover)
    OR s.settled_bonus NOT BETWEEN e.settled_bonus_at_least AND e.settled_bonus_at_most
 ORDER BY s.id
