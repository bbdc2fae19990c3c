UPDATE public.rate_limits
   SET minute_count = $3, minute_window = $4, hour_count = $5, hour_window = $6, day_count = $7, day_window = $8,
       updated_at = now()
 WHERE user_id = $1 AND function_name = $2
RETURNING minute_count, minute_window, hour_count, hour_window, day_count, day_window
