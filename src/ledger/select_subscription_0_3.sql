SELECT id, status, plan_id, credits_rollover, credits_bonus, credits_used_this_month, credits_used_hidden,
       0, 0, cases_used_this_month, dsd_used_this_month, usage_reset_at, usage_reset_entry,
       plan_change_entry, 'infinity'::timestamptz, created_at
  FROM public.subscriptions
 WHERE user_id = $1
