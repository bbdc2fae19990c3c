SELECT id, entry, subscription_id, credits_used, from_rollover, from_bonus, is_free, created_at, counterpart,
       reference_id
  FROM public.credit_usage
 WHERE user_id = $1 AND operation = $2
