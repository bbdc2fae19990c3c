CREATE OR REPLACE FUNCTION public.encrypt_evaluation_draft_phi() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY INVOKER
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'encrypt_evaluation_draft_phi_wrapper';

COMMENT ON FUNCTION public.encrypt_evaluation_draft_phi() IS
    'Trigger: keeps draft_data_encrypted of evaluation_drafts in step; fails closed';

REVOKE ALL ON FUNCTION public.encrypt_evaluation_draft_phi() FROM PUBLIC, anon, authenticated, service_role;
