CREATE FUNCTION auria.metrics(p_group text DEFAULT NULL)
    RETURNS TABLE(metric text, labels jsonb, value double precision)
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'metrics_wrapper';

COMMENT ON FUNCTION auria.metrics(text) IS
    'Numbers for a monitoring system, at the same cost however many rows there are. Changes nothing, shows no patient data';

REVOKE ALL ON FUNCTION auria.metrics(text) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.metrics(text) TO service_role;
