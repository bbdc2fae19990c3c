SELECT id, status, plan_id, credits_rollover, credits_bonus, credits_used_this_month, credits_used_hidden,
       cases_used_this_month, dsd_used_this_month, usage_reset_at, usage_reset_entry, plan_change_entry, created_at
  FROM public.subscriptions
 WHERE user_id = $1
