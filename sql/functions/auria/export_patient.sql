CREATE FUNCTION auria.export_patient(p_patient_id uuid) RETURNS jsonb
    LANGUAGE c STABLE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'export_patient_wrapper';

COMMENT ON FUNCTION auria.export_patient(uuid) IS
    'Everything that is stored about a patient, decrypted, as one document (LGPD, article 18)';

REVOKE ALL ON FUNCTION auria.export_patient(uuid) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.export_patient(uuid) TO service_role;
