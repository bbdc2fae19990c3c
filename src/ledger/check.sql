-- Does each subscription's counter agree with the ledger since the last reset?
-- One line for each that does not.
--
-- The reset stores the number of the entry it stands after (usage_reset_entry);
-- it is null where the last reset is older than the numbers, and then the time
-- decides. What counts:
--   a use that was charged   its whole amount: the counter holds what came from
--                            rollover and bonus, too, until plan or month change
--   a refund                 its amount less what did not come off the counter
--                            but went to bonus, rollover or credits_used_hidden;
--                            these parts are negative, as the amount is
--   a plan change            the difference it made to the counter
--   a free use, its refund   nothing
SELECT pg_catalog.format('subscription %s counts %s, its entries since the reset %s',
                         s.id, s.credits_used_this_month, entries.counted)
  FROM public.subscriptions s
  LEFT JOIN (
        SELECT s.id,
               sum(CASE WHEN u.operation LIKE '%\_refund'
                        THEN u.credits_used::bigint - u.from_rollover - u.from_bonus - u.from_hidden
                        ELSE u.credits_used END) AS counted
          FROM public.subscriptions s
          JOIN public.credit_usage u
            ON u.subscription_id = s.id AND NOT u.is_free
           AND (u.entry > s.usage_reset_entry
                OR s.usage_reset_entry IS NULL AND u.created_at > s.usage_reset_at)
         GROUP BY s.id) AS charged ON charged.id = s.id
 CROSS JOIN LATERAL (SELECT coalesce(charged.counted, 0) AS counted) AS entries
 WHERE s.credits_used_this_month <> entries.counted
 ORDER BY s.id
