CREATE FUNCTION auria.erase_user(p_user_id uuid, p_keep_payments boolean DEFAULT true) RETURNS TABLE(action text, object text, row_count bigint, detail text)
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'erase_user_wrapper';

COMMENT ON FUNCTION auria.erase_user(uuid, boolean) IS
    'Removes what is stored about a dentist, payments only if they are not to be kept; reports what was removed and what is left to do';

REVOKE ALL ON FUNCTION auria.erase_user(uuid, boolean) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.erase_user(uuid, boolean) TO service_role;
