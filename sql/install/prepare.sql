-- The first step: refuses what must not be trusted or cannot be taken over, and makes the roles that are missing, which
-- the grants below name.
CREATE FUNCTION auria.prepare_install() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'prepare_install_wrapper';

COMMENT ON FUNCTION auria.prepare_install() IS
    'First step of the install script';

REVOKE ALL ON FUNCTION auria.prepare_install() FROM PUBLIC;

SELECT auria.prepare_install();
