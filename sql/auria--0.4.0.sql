/* Made by `make sql` from sql/install and sql/functions/auria; never edited by hand. */

\echo Use "CREATE EXTENSION auria" to load this file. \quit

-- The first step: refuses what must not be trusted or cannot be taken over, and makes the roles that are missing, which
-- the grants below name.
CREATE FUNCTION auria.prepare_install() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'prepare_install_wrapper';

COMMENT ON FUNCTION auria.prepare_install() IS
    'First step of the install script';

REVOKE ALL ON FUNCTION auria.prepare_install() FROM PUBLIC;

SELECT auria.prepare_install();

-- Called for each value that is sealed. It runs no SQL.
CREATE FUNCTION auria.bound_value(ciphertext bytea, owner uuid) RETURNS bytea
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'bound_value_wrapper';

COMMENT ON FUNCTION auria.bound_value(bytea, uuid) IS
    'For the sealed layout: a value written anew so that it names its owner';

REVOKE ALL ON FUNCTION auria.bound_value(bytea, uuid) FROM PUBLIC, anon, authenticated, service_role;

CREATE FUNCTION auria.cleanup_credit_transactions() RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cleanup_credit_transactions_wrapper';

COMMENT ON FUNCTION auria.cleanup_credit_transactions() IS
    'Deletes what credit_transactions holds from more than 30 days ago; returns how many. Superusers';

REVOKE ALL ON FUNCTION auria.cleanup_credit_transactions() FROM PUBLIC, anon, authenticated, service_role;

CREATE FUNCTION auria.create_missing_profiles() RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'create_missing_profiles_wrapper';

COMMENT ON FUNCTION auria.create_missing_profiles() IS
    'Makes the profiles of users who have none, as handle_new_user() does; returns how many. Superusers';

REVOKE ALL ON FUNCTION auria.create_missing_profiles() FROM PUBLIC, anon, authenticated, service_role;

CREATE OR REPLACE FUNCTION auria.credit_statement(p_user_id uuid, p_from timestamptz, p_to timestamptz) RETURNS TABLE(at timestamptz, entry bigint, what text, operation text, reference text, credits bigint, used integer, rollover integer, bonus integer, available bigint)
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'credit_statement_wrapper';

COMMENT ON FUNCTION auria.credit_statement(uuid, timestamptz, timestamptz) IS
    'Every charge, refund and event of a user''s credits from p_from to before p_to, in order, with the balance after it';

REVOKE ALL ON FUNCTION auria.credit_statement(uuid, timestamptz, timestamptz) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.credit_statement(uuid, timestamptz, timestamptz) TO service_role;

CREATE FUNCTION auria.doctor() RETURNS TABLE("check" text, ok boolean, detail text)
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'doctor_wrapper';

COMMENT ON FUNCTION auria.doctor() IS
    'Whether the database is as it should be: one row for each check. Changes nothing; for monitoring';

REVOKE ALL ON FUNCTION auria.doctor() FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.doctor() TO service_role;

CREATE FUNCTION auria.ensure_check(p_table text, p_name text, p_expression text, p_comment text DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'ensure_check_wrapper';

COMMENT ON FUNCTION auria.ensure_check(text, text, text, text) IS
    'For migrations: adds a CHECK, or triggers that enforce it on changed values where rows break it';

REVOKE ALL ON FUNCTION auria.ensure_check(text, text, text, text) FROM PUBLIC, anon, authenticated, service_role;

CREATE FUNCTION auria.ensure_foreign_key(p_table text, p_name text, p_column text, p_references text, p_referenced_column text, p_on_delete text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'ensure_foreign_key_wrapper';

COMMENT ON FUNCTION auria.ensure_foreign_key(text, text, text, text, text, text) IS
    'For migrations: adds or replaces a foreign key, not validated where rows break it';

REVOKE ALL ON FUNCTION auria.ensure_foreign_key(text, text, text, text, text, text) FROM PUBLIC, anon, authenticated, service_role;

CREATE FUNCTION auria.ensure_index(p_table text, p_name text, p_definition text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'ensure_index_wrapper';

COMMENT ON FUNCTION auria.ensure_index(text, text, text) IS
    'For migrations: makes an index that is missing or invalid';

REVOKE ALL ON FUNCTION auria.ensure_index(text, text, text) FROM PUBLIC, anon, authenticated, service_role;

CREATE FUNCTION auria.ensure_unique(p_table text, p_name text, p_columns text[]) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'ensure_unique_wrapper';

COMMENT ON FUNCTION auria.ensure_unique(text, text, text[]) IS
    'For migrations: adds a UNIQUE constraint, unless rows are duplicates';

REVOKE ALL ON FUNCTION auria.ensure_unique(text, text, text[]) FROM PUBLIC, anon, authenticated, service_role;

CREATE FUNCTION auria.ensure_unique_index(p_table text, p_name text, p_columns text, p_predicate text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'ensure_unique_index_wrapper';

COMMENT ON FUNCTION auria.ensure_unique_index(text, text, text, text) IS
    'For migrations: makes a unique index; over duplicates, for newer rows only if it is partial, else not at all';

REVOKE ALL ON FUNCTION auria.ensure_unique_index(text, text, text, text) FROM PUBLIC, anon, authenticated, service_role;

CREATE FUNCTION auria.erase_again(p_digests bytea[], p_keep_payments boolean DEFAULT true) RETURNS TABLE(action text, object text, row_count bigint, detail text)
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'erase_again_wrapper';

COMMENT ON FUNCTION auria.erase_again(bytea[], boolean) IS
    'Repeats erasures after a backup was restored: of whoever has an id with one of these digests, as auria.erasures has them';

REVOKE ALL ON FUNCTION auria.erase_again(bytea[], boolean) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.erase_again(bytea[], boolean) TO service_role;

CREATE FUNCTION auria.erase_patient(p_patient_id uuid) RETURNS TABLE(action text, object text, row_count bigint, detail text)
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'erase_patient_wrapper';

COMMENT ON FUNCTION auria.erase_patient(uuid) IS
    'Removes what is stored about a patient; reports what was removed and what is left to do';

REVOKE ALL ON FUNCTION auria.erase_patient(uuid) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.erase_patient(uuid) TO service_role;

CREATE FUNCTION auria.erase_user(p_user_id uuid, p_keep_payments boolean DEFAULT true) RETURNS TABLE(action text, object text, row_count bigint, detail text)
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'erase_user_wrapper';

COMMENT ON FUNCTION auria.erase_user(uuid, boolean) IS
    'Removes what is stored about a dentist, payments only if they are not to be kept; reports what was removed and what is left to do';

REVOKE ALL ON FUNCTION auria.erase_user(uuid, boolean) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.erase_user(uuid, boolean) TO service_role;

CREATE FUNCTION auria.export_patient(p_patient_id uuid) RETURNS jsonb
    LANGUAGE c STABLE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'export_patient_wrapper';

COMMENT ON FUNCTION auria.export_patient(uuid) IS
    'Everything that is stored about a patient, decrypted, as one document (LGPD, article 18)';

REVOKE ALL ON FUNCTION auria.export_patient(uuid) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.export_patient(uuid) TO service_role;

CREATE FUNCTION auria.export_user(p_user_id uuid) RETURNS jsonb
    LANGUAGE c STABLE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'export_user_wrapper';

COMMENT ON FUNCTION auria.export_user(uuid) IS
    'Everything that is stored about a dentist, decrypted, as one document (LGPD, article 18)';

REVOKE ALL ON FUNCTION auria.export_user(uuid) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.export_user(uuid) TO service_role;

CREATE FUNCTION auria.metrics(p_group text DEFAULT NULL)
    RETURNS TABLE(metric text, labels jsonb, value double precision)
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'metrics_wrapper';

COMMENT ON FUNCTION auria.metrics(text) IS
    'Numbers for a monitoring system, at the same cost however many rows there are. Changes nothing, shows no patient data';

REVOKE ALL ON FUNCTION auria.metrics(text) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.metrics(text) TO service_role;

CREATE FUNCTION auria.migrate(again boolean DEFAULT false) RETURNS TABLE(number integer, name text, warnings text)
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'migrate_wrapper';

COMMENT ON FUNCTION auria.migrate(boolean) IS
    'Applies pending migrations, or all of them once more; one row for each. Superusers';

REVOKE ALL ON FUNCTION auria.migrate(boolean) FROM PUBLIC, anon, authenticated, service_role;

CREATE FUNCTION auria.name_digest(owner uuid, ciphertext bytea) RETURNS bytea
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'name_digest_wrapper';

COMMENT ON FUNCTION auria.name_digest(uuid, bytea) IS
    'For the sealed layout: the keyed digest by which the unique constraint over names compares them';

REVOKE ALL ON FUNCTION auria.name_digest(uuid, bytea) FROM PUBLIC, anon, authenticated, service_role;

CREATE FUNCTION auria.new_share_token() RETURNS text
    LANGUAGE c VOLATILE PARALLEL SAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'new_share_token_wrapper';

COMMENT ON FUNCTION auria.new_share_token() IS
    'A new secret for a shared link: 64 hex characters from 32 random bytes';

REVOKE ALL ON FUNCTION auria.new_share_token() FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.new_share_token() TO authenticated, service_role;

CREATE FUNCTION auria.number_ledger() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'number_ledger_wrapper';

COMMENT ON FUNCTION auria.number_ledger() IS
    'For migrations: numbers a ledger that has no entry numbers';

REVOKE ALL ON FUNCTION auria.number_ledger() FROM PUBLIC, anon, authenticated, service_role;

CREATE FUNCTION auria.old_row_support(internal) RETURNS internal
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'old_row_support_wrapper';

COMMENT ON FUNCTION auria.old_row_support(internal) IS
    'Planner support of open_text: in an UPDATE or DELETE of a view, a value that cannot be read is NULL unless the statement needs it';

REVOKE ALL ON FUNCTION auria.old_row_support(internal) FROM PUBLIC, anon, authenticated, service_role;

CREATE FUNCTION auria.open_for_owner(ciphertext bytea, owner uuid, sealed boolean) RETURNS text
    LANGUAGE c STABLE PARALLEL RESTRICTED COST 20
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'open_for_owner_wrapper';

COMMENT ON FUNCTION auria.open_for_owner(bytea, uuid, boolean) IS
    'For exports: the text in a value of a row of this dentist; NULL for a value of somebody else';

REVOKE ALL ON FUNCTION auria.open_for_owner(bytea, uuid, boolean) FROM PUBLIC, anon, authenticated, service_role;

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

-- A procedure that commits cannot declare a search_path: it sets one for each batch.
CREATE PROCEDURE auria.phi_backfill(batch_size integer DEFAULT 1000, rewrite boolean DEFAULT false)
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'phi_backfill_rewrite_wrapper';

COMMENT ON PROCEDURE auria.phi_backfill(integer, boolean) IS
    'Encrypts patient data that is not encrypted yet and rewrites what is outdated, in batches that it commits; on request also sealed values with another salt than their dentist''s';

REVOKE ALL ON PROCEDURE auria.phi_backfill(integer, boolean) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON PROCEDURE auria.phi_backfill(integer, boolean) TO service_role;

-- A procedure that commits cannot declare a search_path: it sets one for its transaction.
CREATE PROCEDURE auria.phi_seal()
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'phi_seal_wrapper';

COMMENT ON PROCEDURE auria.phi_seal() IS
    'Removes plain patient data: stored tables hold it encrypted, views with the tables'' names show it';

REVOKE ALL ON PROCEDURE auria.phi_seal() FROM PUBLIC, anon, authenticated, service_role;

CREATE FUNCTION auria.phi_status() RETURNS TABLE(table_name text, column_name text, rows bigint, encrypted bigint,
                                                not_encrypted bigint, differing bigint, unreadable bigint,
                                                outdated bigint, previous_key_needed boolean)
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'phi_status_wrapper';

COMMENT ON FUNCTION auria.phi_status() IS
    'How much patient data is encrypted, for each table and column. Shows no patient data';

REVOKE ALL ON FUNCTION auria.phi_status() FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION auria.phi_status() TO service_role;

-- A procedure that commits cannot declare a search_path: it sets one for its transaction.
CREATE PROCEDURE auria.phi_unseal()
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'phi_unseal_wrapper';

COMMENT ON PROCEDURE auria.phi_unseal() IS
    'Returns from the sealed to the open layout: tables with plain and encrypted columns';

REVOKE ALL ON PROCEDURE auria.phi_unseal() FROM PUBLIC, anon, authenticated, service_role;

CREATE FUNCTION auria.refuse_direct_write() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY INVOKER
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'refuse_direct_write_wrapper';

COMMENT ON FUNCTION auria.refuse_direct_write() IS
    'Trigger: refuses API roles what they write to a stored table of the sealed layout past its view';

REVOKE ALL ON FUNCTION auria.refuse_direct_write() FROM PUBLIC, anon, authenticated, service_role;

CREATE FUNCTION auria.refuse_row() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'refuse_row_wrapper';

COMMENT ON FUNCTION auria.refuse_row() IS
    'Trigger: refuses a row that breaks a rule which older rows keep from being a constraint';

REVOKE ALL ON FUNCTION auria.refuse_row() FROM PUBLIC, anon, authenticated, service_role;

CREATE FUNCTION auria.report_unknown_statuses() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'report_unknown_statuses_wrapper';

COMMENT ON FUNCTION auria.report_unknown_statuses() IS
    'For migrations: warns about subscriptions whose status nobody knows';

REVOKE ALL ON FUNCTION auria.report_unknown_statuses() FROM PUBLIC, anon, authenticated, service_role;

-- A procedure that commits cannot declare a search_path: it sets one for each batch.
CREATE PROCEDURE auria.reset_monthly(batch_size integer DEFAULT 1000)
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'reset_monthly_wrapper';

COMMENT ON PROCEDURE auria.reset_monthly(integer) IS
    'Resets every month that ended, like reset_monthly_usage_with_rollover, in batches that it commits';

REVOKE ALL ON PROCEDURE auria.reset_monthly(integer) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON PROCEDURE auria.reset_monthly(integer) TO service_role;

CREATE FUNCTION auria.restore_function(p_function text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'restore_function_wrapper';

COMMENT ON FUNCTION auria.restore_function(text) IS
    'Restores a function of public as it was shipped; keeps what stood there in auria.replaced_functions. Superusers';

REVOKE ALL ON FUNCTION auria.restore_function(text) FROM PUBLIC, anon, authenticated, service_role;

CREATE PROCEDURE auria.restore_replaced()
    LANGUAGE c
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'restore_replaced_wrapper';

COMMENT ON PROCEDURE auria.restore_replaced() IS
    'The way back: restores the functions that the adoption replaced, with their owners, and unties them. Superusers';

REVOKE ALL ON PROCEDURE auria.restore_replaced() FROM PUBLIC, anon, authenticated, service_role;

CREATE FUNCTION auria.run_as_owner(p_function text) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'run_as_owner_wrapper';

COMMENT ON FUNCTION auria.run_as_owner(text) IS
    'Calls a managed function that takes no argument with the rights of the schema''s owner: for jobs that run as a superuser';

REVOKE ALL ON FUNCTION auria.run_as_owner(text) FROM PUBLIC, anon, authenticated, service_role;

CREATE FUNCTION auria.schedule() RETURNS TABLE(job text, schedule text, command text, active boolean)
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'schedule_wrapper';

COMMENT ON FUNCTION auria.schedule() IS
    'Registers with pg_cron what has to run every hour and every day; a row for each job. Superusers';

REVOKE ALL ON FUNCTION auria.schedule() FROM PUBLIC, anon, authenticated, service_role;

CREATE FUNCTION auria.sealed_delete() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY INVOKER
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'sealed_delete_wrapper';

COMMENT ON FUNCTION auria.sealed_delete() IS
    'Trigger: INSTEAD OF DELETE on a view of the sealed layout, with the rights of whoever writes';

REVOKE ALL ON FUNCTION auria.sealed_delete() FROM PUBLIC, anon, authenticated, service_role;

CREATE FUNCTION auria.sealed_insert() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY INVOKER
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'sealed_insert_wrapper';

COMMENT ON FUNCTION auria.sealed_insert() IS
    'Trigger: INSTEAD OF INSERT on a view of the sealed layout, with the rights of whoever writes';

REVOKE ALL ON FUNCTION auria.sealed_insert() FROM PUBLIC, anon, authenticated, service_role;

CREATE FUNCTION auria.sealed_update() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY INVOKER
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'sealed_update_wrapper';

COMMENT ON FUNCTION auria.sealed_update() IS
    'Trigger: INSTEAD OF UPDATE on a view of the sealed layout, with the rights of whoever writes';

REVOKE ALL ON FUNCTION auria.sealed_update() FROM PUBLIC, anon, authenticated, service_role;

-- Called for each value that is unsealed. It runs no SQL.
CREATE FUNCTION auria.unbound_value(ciphertext bytea, owner uuid) RETURNS bytea
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'unbound_value_wrapper';

COMMENT ON FUNCTION auria.unbound_value(bytea, uuid) IS
    'For the open layout: a value written anew so that it names nobody';

REVOKE ALL ON FUNCTION auria.unbound_value(bytea, uuid) FROM PUBLIC, anon, authenticated, service_role;

-- The last step: the functions of public, the migrations, and the check that everything that was taken over is trusted.
CREATE FUNCTION auria.finish_install() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'finish_install_wrapper';

COMMENT ON FUNCTION auria.finish_install() IS
    'Last step of the install script';

REVOKE ALL ON FUNCTION auria.finish_install() FROM PUBLIC;

SELECT auria.finish_install();
