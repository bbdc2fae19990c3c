CREATE FUNCTION auria.open_for_owner(ciphertext bytea, owner uuid, sealed boolean) RETURNS text
    LANGUAGE c STABLE PARALLEL RESTRICTED COST 20
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'open_for_owner_wrapper';

COMMENT ON FUNCTION auria.open_for_owner(bytea, uuid, boolean) IS
    'For exports: the text in a value of a row of this dentist; NULL for a value of somebody else';

REVOKE ALL ON FUNCTION auria.open_for_owner(bytea, uuid, boolean) FROM PUBLIC, anon, authenticated, service_role;
