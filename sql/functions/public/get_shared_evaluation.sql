CREATE OR REPLACE FUNCTION public.get_shared_evaluation(p_token text)
    RETURNS TABLE(tooth text, treatment_type text, cavity_class text, status text,
               ai_treatment_indication text, created_at timestamp with time zone, clinic_name text,
               patient_document jsonb)
    LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'get_shared_evaluation_wrapper';

COMMENT ON FUNCTION public.get_shared_evaluation(text) IS
    'The evaluations that a share token opens, ordered by tooth; nothing for a malformed, expired or unknown token';

REVOKE ALL ON FUNCTION public.get_shared_evaluation(text) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.get_shared_evaluation(text) TO anon, authenticated, service_role;
