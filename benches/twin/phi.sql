-- Encryption as AURIA had it, in a schema of its own: pgcrypto behind PL/pgSQL, with the secret read from a view in each call.
CREATE EXTENSION pgcrypto SCHEMA public;
CREATE SCHEMA before;
CREATE TABLE before.secrets (name text UNIQUE, secret text);
CREATE VIEW before.decrypted_secrets AS SELECT name, secret AS decrypted_secret FROM before.secrets;
INSERT INTO before.secrets VALUES ('phi_encryption_key', encode(gen_random_bytes(32), 'hex'));
ANALYZE before.secrets;

CREATE FUNCTION before.phi_encrypt(plaintext text) RETURNS bytea
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE key text;
BEGIN
    SELECT decrypted_secret INTO key FROM before.decrypted_secrets WHERE name = 'phi_encryption_key';
    IF key IS NULL THEN RAISE EXCEPTION 'no key'; END IF;
    RETURN pgp_sym_encrypt(plaintext, key);
END $$;

CREATE FUNCTION before.phi_decrypt(ciphertext bytea) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE key text;
BEGIN
    SELECT decrypted_secret INTO key FROM before.decrypted_secrets WHERE name = 'phi_encryption_key';
    IF key IS NULL THEN RAISE EXCEPTION 'no key'; END IF;
    RETURN pgp_sym_decrypt(ciphertext, key);
END $$;
