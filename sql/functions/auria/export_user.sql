CREATE FUNCTION auria.export_user(p_user_id uuid) RETURNS jsonb
    LANGUAGE c STABLE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'export_user_wrapper';

COMMENT ON FUNCTION auria.export_user(uuid) IS
    'Everything that is stored about a dentist, decrypted, as one document (LGPD, article 18)';

REVOKE ALL ON FUNCTION auria.export_user(uuid) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.export_user(uuid) TO service_role;
