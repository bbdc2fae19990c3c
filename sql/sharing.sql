-- The RPCs a visitor with a token calls, and the rate limiter's. Definers,
-- because a visitor has no right on the tables; the token is the right.
-- A malformed token is one that does not exist.
--
-- The tables are made by the last step of the installation, or by a restore.
SET LOCAL check_function_bodies = off;

CREATE OR REPLACE FUNCTION public.get_shared_evaluation(p_token text)
RETURNS TABLE (tooth text, treatment_type text, cavity_class text, status text,
               ai_treatment_indication text, created_at timestamptz, clinic_name text)
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

CREATE OR REPLACE FUNCTION public.get_shared_dsd(p_token text)
RETURNS TABLE (dsd_analysis jsonb, dsd_simulation_url text, dsd_simulation_layers jsonb,
               photo_frontal text)
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path TO pg_catalog, pg_temp
AS $$
    SELECT e.dsd_analysis, e.dsd_simulation_url, e.dsd_simulation_layers, e.photo_frontal
      FROM public.shared_links l
      JOIN public.evaluations e ON e.session_id = l.session_id AND e.user_id = l.user_id
     WHERE l.token = p_token AND l.expires_at > now() AND e.dsd_analysis IS NOT NULL
     ORDER BY e.created_at DESC, e.id
     LIMIT 1
$$;

COMMENT ON FUNCTION public.get_shared_dsd(text) IS
    'The latest smile design of the session that a share token opens; at most one row';

CREATE OR REPLACE FUNCTION public.check_shared_link_status(p_token text)
RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path TO pg_catalog, pg_temp
AS $$
    SELECT coalesce(
        (SELECT CASE WHEN l.expires_at > now() THEN 'valid' ELSE 'expired' END
           FROM public.shared_links l
          WHERE l.token = p_token),
        'not_found')
$$;

COMMENT ON FUNCTION public.check_shared_link_status(text) IS
    'valid, expired or not_found; a malformed token is not_found';
