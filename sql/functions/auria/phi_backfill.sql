-- A procedure that commits cannot declare a search_path: it sets one for each batch.
CREATE PROCEDURE auria.phi_backfill(batch_size integer DEFAULT 1000)
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'phi_backfill_wrapper';

COMMENT ON PROCEDURE auria.phi_backfill(integer) IS
    'Encrypts patient data that is not encrypted yet and rewrites what is outdated, in batches that it commits';

REVOKE ALL ON PROCEDURE auria.phi_backfill(integer) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON PROCEDURE auria.phi_backfill(integer) TO service_role;
