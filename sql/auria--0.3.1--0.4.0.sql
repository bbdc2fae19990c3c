\echo Use "ALTER EXTENSION auria UPDATE" to load this file. \quit

CREATE OR REPLACE FUNCTION auria.create_missing_profiles() RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'create_missing_profiles_wrapper';

COMMENT ON FUNCTION auria.create_missing_profiles() IS
    'Makes the profiles of users who have none, as handle_new_user() does; returns how many. Superusers';

REVOKE ALL ON FUNCTION auria.create_missing_profiles() FROM PUBLIC, anon, authenticated, service_role;

CREATE OR REPLACE FUNCTION auria.erase_again(p_digests bytea[], p_keep_payments boolean DEFAULT true) RETURNS TABLE(action text, object text, row_count bigint, detail text)
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'erase_again_wrapper';

COMMENT ON FUNCTION auria.erase_again(bytea[], boolean) IS
    'Repeats erasures after a backup was restored: of whoever has an id with one of these digests, as auria.erasures has them';

REVOKE ALL ON FUNCTION auria.erase_again(bytea[], boolean) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.erase_again(bytea[], boolean) TO service_role;

CREATE OR REPLACE FUNCTION auria.open_for_owner(ciphertext bytea, owner uuid, sealed boolean) RETURNS text
    LANGUAGE c STABLE PARALLEL RESTRICTED COST 20
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'open_for_owner_wrapper';

COMMENT ON FUNCTION auria.open_for_owner(bytea, uuid, boolean) IS
    'For exports: the text in a value of a row of this dentist; NULL for a value of somebody else';

REVOKE ALL ON FUNCTION auria.open_for_owner(bytea, uuid, boolean) FROM PUBLIC, anon, authenticated, service_role;

CREATE OR REPLACE PROCEDURE auria.phi_backfill(batch_size integer DEFAULT 1000, rewrite boolean DEFAULT false)
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'phi_backfill_rewrite_wrapper';

COMMENT ON PROCEDURE auria.phi_backfill(integer, boolean) IS
    'Encrypts patient data that is not encrypted yet and rewrites what is outdated, in batches that it commits; on request also sealed values with another salt than their dentist''s';

REVOKE ALL ON PROCEDURE auria.phi_backfill(integer, boolean) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON PROCEDURE auria.phi_backfill(integer, boolean) TO service_role;

DROP PROCEDURE auria.phi_backfill(integer);

-- It takes the owner now.
DROP FUNCTION auria.unbound_value(bytea);

CREATE OR REPLACE FUNCTION auria.unbound_value(ciphertext bytea, owner uuid) RETURNS bytea
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'unbound_value_wrapper';

COMMENT ON FUNCTION auria.unbound_value(bytea, uuid) IS
    'For the open layout: a value written anew so that it names nobody';

REVOKE ALL ON FUNCTION auria.unbound_value(bytea, uuid) FROM PUBLIC, anon, authenticated, service_role;
DROP FUNCTION auria.settled_rollover(text, integer, integer);
DROP FUNCTION auria.settled_bonus(text, integer, integer, integer);

CREATE OR REPLACE FUNCTION auria.credit_statement(p_user_id uuid, p_from timestamptz, p_to timestamptz) RETURNS TABLE(at timestamptz, entry bigint, what text, operation text, reference text, credits bigint, used integer, rollover integer, bonus integer, available bigint)
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'credit_statement_wrapper';

COMMENT ON FUNCTION auria.credit_statement(uuid, timestamptz, timestamptz) IS
    'Every charge, refund and event of a user''s credits from p_from to before p_to, in order, with the balance after it';

REVOKE ALL ON FUNCTION auria.credit_statement(uuid, timestamptz, timestamptz) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.credit_statement(uuid, timestamptz, timestamptz) TO service_role;

SELECT auria.migrate();
