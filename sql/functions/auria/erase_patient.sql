CREATE FUNCTION auria.erase_patient(p_patient_id uuid) RETURNS TABLE(action text, object text, row_count bigint, detail text)
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'erase_patient_wrapper';

COMMENT ON FUNCTION auria.erase_patient(uuid) IS
    'Removes what is stored about a patient; reports what was removed and what is left to do';

REVOKE ALL ON FUNCTION auria.erase_patient(uuid) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.erase_patient(uuid) TO service_role;
