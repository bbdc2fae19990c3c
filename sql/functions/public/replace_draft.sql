CREATE OR REPLACE FUNCTION public.replace_draft() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'replace_draft_wrapper';

COMMENT ON FUNCTION public.replace_draft() IS
    'Trigger: a second draft of a user that is inserted replaces the first, which keeps its id and created_at';

REVOKE ALL ON FUNCTION public.replace_draft() FROM PUBLIC, anon, authenticated, service_role;
