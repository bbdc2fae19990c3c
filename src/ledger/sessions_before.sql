-- Sessions that began within the window, before the ledger, and that no row of it is about.
SELECT count(*)
  FROM auria.migrations AS installed
 CROSS JOIN LATERAL (
        SELECT e.session_id, min(e.created_at) AS began_at, array_agg(e.id) AS evaluations
          FROM public.evaluations e
         WHERE e.user_id = $1
         GROUP BY e.session_id) AS session
 WHERE installed.number = 6
   AND session.began_at < installed.applied_at
   AND session.began_at > now() - make_interval(hours => $3)
   AND NOT EXISTS (SELECT FROM public.credit_usage u
                    WHERE u.user_id = $1 AND u.operation = $2
                      AND (u.created_at < installed.applied_at
                           OR u.reference_id = session.session_id OR u.reference_id = ANY (session.evaluations)))
