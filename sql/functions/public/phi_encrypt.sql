CREATE OR REPLACE FUNCTION public.phi_encrypt(plaintext text) RETURNS bytea
    LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'phi_encrypt_wrapper';

COMMENT ON FUNCTION public.phi_encrypt(text) IS
    'Encrypts patient data as an OpenPGP message under the PHI key';

REVOKE ALL ON FUNCTION public.phi_encrypt(text) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.phi_encrypt(text) TO service_role;
