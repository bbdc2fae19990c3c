-- Called for each value that a view shows: no SET, which would cost more than opening it. It runs no SQL but to find out once
-- in a statement who reads, with a search_path of its own.
CREATE FUNCTION auria.open_text(ciphertext bytea, strict boolean DEFAULT true) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 20
    SUPPORT auria.old_row_support
    AS 'MODULE_PATHNAME', 'open_text_wrapper';

COMMENT ON FUNCTION auria.open_text(bytea, boolean) IS
    'For the views of the sealed layout: the text in a value, for its owner and for the backend';

REVOKE ALL ON FUNCTION auria.open_text(bytea, boolean) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.open_text(bytea, boolean) TO authenticated, service_role;
