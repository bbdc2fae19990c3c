CREATE FUNCTION auria.restore_function(p_function text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'restore_function_wrapper';

COMMENT ON FUNCTION auria.restore_function(text) IS
    'Restores a function of public as it was shipped; keeps what stood there in auria.replaced_functions. Superusers';

REVOKE ALL ON FUNCTION auria.restore_function(text) FROM PUBLIC, anon, authenticated, service_role;
