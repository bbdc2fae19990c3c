-- The last step: the functions of public, the migrations, and the check that everything that was taken over is trusted.
CREATE FUNCTION auria.finish_install() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'finish_install_wrapper';

COMMENT ON FUNCTION auria.finish_install() IS
    'Last step of the install script';

REVOKE ALL ON FUNCTION auria.finish_install() FROM PUBLIC;

SELECT auria.finish_install();
