CREATE FUNCTION auria.name_digest(owner uuid, ciphertext bytea) RETURNS bytea
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'name_digest_wrapper';

COMMENT ON FUNCTION auria.name_digest(uuid, bytea) IS
    'For the sealed layout: the keyed digest by which the unique constraint over names compares them';

REVOKE ALL ON FUNCTION auria.name_digest(uuid, bytea) FROM PUBLIC, anon, authenticated, service_role;
