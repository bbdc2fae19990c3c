-- Called for each value that is sealed. It runs no SQL.
CREATE FUNCTION auria.bound_value(ciphertext bytea, owner uuid) RETURNS bytea
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'bound_value_wrapper';

COMMENT ON FUNCTION auria.bound_value(bytea, uuid) IS
    'For the sealed layout: a value written anew so that it names its owner';

REVOKE ALL ON FUNCTION auria.bound_value(bytea, uuid) FROM PUBLIC, anon, authenticated, service_role;
