UPDATE public.subscriptions s
   SET credits_rollover = auria.settled_rollover(
           s.plan_id, s.credits_used_this_month::pg_catalog.int4, s.credits_rollover::pg_catalog.int4),
       credits_bonus = auria.settled_bonus(
           s.plan_id, s.credits_used_this_month::pg_catalog.int4,
           s.credits_rollover::pg_catalog.int4, s.credits_bonus::pg_catalog.int4),
       credits_used_this_month = 0,
       credits_used_hidden = 0,
       cases_used_this_month = 0,
       dsd_used_this_month = 0,
       usage_reset_at = clock_timestamp(),
       usage_reset_entry = coalesce(pg_catalog.pg_sequence_last_value('public.credit_usage_entry_seq'), 0),
       updated_at = now()
 WHERE
