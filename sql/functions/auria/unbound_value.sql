-- Called for each value that is unsealed. It runs no SQL.
CREATE FUNCTION auria.unbound_value(ciphertext bytea, owner uuid) RETURNS bytea
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'unbound_value_wrapper';

COMMENT ON FUNCTION auria.unbound_value(bytea, uuid) IS
    'For the open layout: a value written anew so that it names nobody';

REVOKE ALL ON FUNCTION auria.unbound_value(bytea, uuid) FROM PUBLIC, anon, authenticated, service_role;
