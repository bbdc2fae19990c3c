CREATE OR REPLACE FUNCTION public.phi_decrypt(ciphertext bytea) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'phi_decrypt_wrapper';

COMMENT ON FUNCTION public.phi_decrypt(bytea) IS
    'Decrypts what phi_encrypt, pgcrypto or GnuPG wrote under the PHI key or the previous one';

REVOKE ALL ON FUNCTION public.phi_decrypt(bytea) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.phi_decrypt(bytea) TO service_role;
