CREATE OR REPLACE FUNCTION public.handle_new_user() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'handle_new_user_wrapper';

COMMENT ON FUNCTION public.handle_new_user() IS
    'Trigger: makes the profile of a new user; raises only what a repetition may not meet';

REVOKE ALL ON FUNCTION public.handle_new_user() FROM PUBLIC, anon, authenticated, service_role;
