-- The evaluations that the token $1 opens.
SELECT e.tooth, e.treatment_type, e.cavity_class, e.status, e.ai_treatment_indication, e.created_at, p.clinic_name,
       e.patient_document, e.id
  FROM public.shared_links l
  JOIN public.evaluations e ON e.session_id = l.session_id AND e.user_id = l.user_id
  LEFT JOIN public.profiles p ON p.user_id = l.user_id
 WHERE l.token = $1 AND l.expires_at > pg_catalog.now()
 ORDER BY e.tooth, e.created_at, e.id
