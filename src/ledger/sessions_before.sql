SELECT count(DISTINCT e.session_id)
  FROM auria.migrations AS installed
  JOIN public.evaluations e ON e.created_at < installed.applied_at
 WHERE installed.number = 6 AND e.user_id = $1
   AND e.created_at > now() - make_interval(days => $3)
   AND NOT EXISTS (SELECT FROM public.credit_usage u
                    WHERE u.user_id = e.user_id AND u.operation = $2
                      AND (u.created_at < installed.applied_at OR u.reference_id IN (e.id, e.session_id)))
