CREATE OR REPLACE FUNCTION public.verify_phi_encryption()
    RETURNS TABLE(table_name text, total_rows bigint, encrypted_rows bigint, unencrypted_rows bigint, sample_match boolean)
    LANGUAGE c STABLE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'verify_phi_encryption_wrapper';

COMMENT ON FUNCTION public.verify_phi_encryption() IS
    'Per table with patient data: how far it is encrypted, and whether a sample decrypts to the plain values';

REVOKE ALL ON FUNCTION public.verify_phi_encryption() FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.verify_phi_encryption() TO service_role;
