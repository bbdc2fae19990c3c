CREATE FUNCTION auria.new_share_token() RETURNS text
    LANGUAGE c VOLATILE PARALLEL SAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'new_share_token_wrapper';

COMMENT ON FUNCTION auria.new_share_token() IS
    'A new secret for a shared link: 64 hex characters from 32 random bytes';

REVOKE ALL ON FUNCTION auria.new_share_token() FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.new_share_token() TO authenticated, service_role;
