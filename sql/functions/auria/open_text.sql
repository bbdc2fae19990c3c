-- Called for each value that a view shows: no SET, which would cost more than opening it. It runs no SQL but to find out once
-- in a statement who reads, with a search_path of its own.
CREATE FUNCTION auria.open_text(ciphertext bytea) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 20
    AS 'MODULE_PATHNAME', 'open_text_wrapper';

COMMENT ON FUNCTION auria.open_text(bytea) IS
    'For the views of the sealed layout: the text in a value, for its owner and for the backend';

REVOKE ALL ON FUNCTION auria.open_text(bytea) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.open_text(bytea) TO authenticated, service_role;
