CREATE FUNCTION auria.create_missing_profiles() RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'create_missing_profiles_wrapper';

COMMENT ON FUNCTION auria.create_missing_profiles() IS
    'Makes the profiles of users who have none, as handle_new_user() does; returns how many. Superusers';

REVOKE ALL ON FUNCTION auria.create_missing_profiles() FROM PUBLIC, anon, authenticated, service_role;
