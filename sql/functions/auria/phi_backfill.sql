-- A procedure that commits cannot declare a search_path: it sets one for each batch.
CREATE PROCEDURE auria.phi_backfill(batch_size integer DEFAULT 1000, rewrite boolean DEFAULT false)
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'phi_backfill_rewrite_wrapper';

COMMENT ON PROCEDURE auria.phi_backfill(integer, boolean) IS
    'Encrypts patient data that is not encrypted yet and rewrites what is outdated, in batches that it commits; on request also sealed values with another salt than their dentist''s';

REVOKE ALL ON PROCEDURE auria.phi_backfill(integer, boolean) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON PROCEDURE auria.phi_backfill(integer, boolean) TO service_role;
