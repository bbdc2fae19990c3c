CREATE FUNCTION auria.erase_again(p_digests bytea[], p_keep_payments boolean DEFAULT true) RETURNS TABLE(action text, object text, row_count bigint, detail text)
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'erase_again_wrapper';

COMMENT ON FUNCTION auria.erase_again(bytea[], boolean) IS
    'Repeats erasures after a backup was restored: of whoever has an id with one of these digests, as auria.erasures has them';

REVOKE ALL ON FUNCTION auria.erase_again(bytea[], boolean) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.erase_again(bytea[], boolean) TO service_role;
