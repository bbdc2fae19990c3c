-- A procedure that commits cannot declare a search_path: it sets one for each batch.
CREATE PROCEDURE auria.reset_monthly(batch_size integer DEFAULT 1000)
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'reset_monthly_wrapper';

COMMENT ON PROCEDURE auria.reset_monthly(integer) IS
    'Resets every month that ended, like reset_monthly_usage_with_rollover, in batches that it commits';

REVOKE ALL ON PROCEDURE auria.reset_monthly(integer) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON PROCEDURE auria.reset_monthly(integer) TO service_role;
