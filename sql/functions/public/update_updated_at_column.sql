CREATE OR REPLACE FUNCTION public.update_updated_at_column() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'update_updated_at_column_wrapper';

COMMENT ON FUNCTION public.update_updated_at_column() IS
    'Trigger: sets updated_at to now()';

REVOKE ALL ON FUNCTION public.update_updated_at_column() FROM PUBLIC, anon, authenticated, service_role;
