WITH sessions AS (
    SELECT session_id, count(*) AS teeth, max(created_at) AS latest,
           count(*) FILTER (WHERE status IS DISTINCT FROM 'completed') AS pending
      FROM public.evaluations
     WHERE user_id = $1
     GROUP BY session_id)
SELECT COALESCE(sum(teeth), 0)::bigint,
       (SELECT count(*) FROM public.patients WHERE user_id = $1),
       count(session_id),
       count(session_id) FILTER (WHERE pending > 0),
       count(session_id) FILTER (WHERE latest >= date_trunc('week', now())),
       COALESCE(sum(pending), 0)::bigint
  FROM sessions
