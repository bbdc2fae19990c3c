-- A procedure that commits cannot declare a search_path: it sets one for its transaction.
CREATE PROCEDURE auria.phi_unseal()
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'phi_unseal_wrapper';

COMMENT ON PROCEDURE auria.phi_unseal() IS
    'Returns from the sealed to the open layout: tables with plain and encrypted columns';

REVOKE ALL ON PROCEDURE auria.phi_unseal() FROM PUBLIC, anon, authenticated, service_role;
