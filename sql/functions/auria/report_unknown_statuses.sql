CREATE FUNCTION auria.report_unknown_statuses() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'report_unknown_statuses_wrapper';

COMMENT ON FUNCTION auria.report_unknown_statuses() IS
    'For migrations: warns about subscriptions whose status nobody knows';

REVOKE ALL ON FUNCTION auria.report_unknown_statuses() FROM PUBLIC, anon, authenticated, service_role;
