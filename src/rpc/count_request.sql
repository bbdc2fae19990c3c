INSERT INTO public.rate_limits AS r
       (user_id, function_name, minute_count, minute_window, hour_count, hour_window, day_count, day_window)
VALUES ($1, $2, 1, $3, 1, $4, 1, $5)
    ON CONFLICT (user_id, function_name) DO UPDATE
   SET minute_count = CASE WHEN excluded.minute_window > r.minute_window THEN 1 ELSE r.minute_count + 1 END,
       minute_window = greatest(excluded.minute_window, r.minute_window),
       hour_count = CASE WHEN excluded.hour_window > r.hour_window THEN 1 ELSE r.hour_count + 1 END,
       hour_window = greatest(excluded.hour_window, r.hour_window),
       day_count = CASE WHEN excluded.day_window > r.day_window THEN 1 ELSE r.day_count + 1 END,
       day_window = greatest(excluded.day_window, r.day_window),
       updated_at = now()
RETURNING minute_count, hour_count, day_count
