CREATE OR REPLACE FUNCTION public.get_shared_evaluation(p_token text)
RETURNS TABLE(tooth text, treatment_type text, cavity_class text, status text,
               ai_treatment_indication text, created_at timestamp with time zone, clinic_name text)
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path TO pg_catalog, pg_temp
AS $$
    SELECT e.tooth, e.treatment_type, e.cavity_class, e.status,
           e.ai_treatment_indication, e.created_at, p.clinic_name
      FROM public.shared_links l
      JOIN public.evaluations e ON e.session_id = l.session_id AND e.user_id = l.user_id
      LEFT JOIN public.profiles p ON p.user_id = l.user_id
     WHERE l.token = p_token AND l.expires_at > now()
     ORDER BY e.tooth, e.created_at, e.id
$$;

COMMENT ON FUNCTION public.get_shared_evaluation(text) IS
    'The evaluations that a share token opens, ordered by tooth; nothing for an expired or unknown token';

REVOKE ALL ON FUNCTION public.get_shared_evaluation(text) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.get_shared_evaluation(text) TO anon, authenticated, service_role;
