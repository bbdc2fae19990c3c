CREATE FUNCTION auria.run_as_owner(p_function text) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'run_as_owner_wrapper';

COMMENT ON FUNCTION auria.run_as_owner(text) IS
    'Calls a managed function that takes no argument with the rights of the schema''s owner: for jobs that run as a superuser';

REVOKE ALL ON FUNCTION auria.run_as_owner(text) FROM PUBLIC, anon, authenticated, service_role;
