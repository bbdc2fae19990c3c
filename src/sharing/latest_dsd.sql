-- The latest smile design of the session that the token $1 opens.
SELECT e.dsd_analysis, e.dsd_simulation_url, e.dsd_simulation_layers, e.photo_frontal, e.id
  FROM public.shared_links l
  JOIN public.evaluations e ON e.session_id = l.session_id AND e.user_id = l.user_id
 WHERE l.token = $1 AND l.expires_at > pg_catalog.now() AND e.dsd_analysis IS NOT NULL
 ORDER BY e.created_at DESC, e.id
 LIMIT 1
