CREATE OR REPLACE FUNCTION public.keep_created_at() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'keep_created_at_wrapper';

COMMENT ON FUNCTION public.keep_created_at() IS
    'Trigger: anon and authenticated cannot choose created_at; an INSERT gets now(), an UPDATE keeps it';

REVOKE ALL ON FUNCTION public.keep_created_at() FROM PUBLIC, anon, authenticated, service_role;
