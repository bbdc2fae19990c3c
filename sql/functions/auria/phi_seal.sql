-- A procedure that commits cannot declare a search_path: it sets one for its transaction.
CREATE PROCEDURE auria.phi_seal()
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'phi_seal_wrapper';

COMMENT ON PROCEDURE auria.phi_seal() IS
    'Removes plain patient data: stored tables hold it encrypted, views with the tables'' names show it';

REVOKE ALL ON PROCEDURE auria.phi_seal() FROM PUBLIC, anon, authenticated, service_role;
