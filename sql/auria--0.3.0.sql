/* Made by `make sql` from the code; never edited by hand. */

\echo Use "CREATE EXTENSION auria" to load this file. \quit

-- auria_pg::lifecycle::install::prepare_install
CREATE  FUNCTION "prepare_install"() RETURNS VOID /* Result < (), ErrorReport > */
STRICT VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'prepare_install_wrapper';

-- requires:
--   prepare_install

SELECT auria.prepare_install();

-- auria_pg::ledger::reset::reset_monthly

CREATE PROCEDURE auria.reset_monthly(batch_size integer DEFAULT 1000)
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'reset_monthly_wrapper';
COMMENT ON PROCEDURE auria.reset_monthly(integer) IS
    'Settles every month that ended, like reset_monthly_usage_with_rollover, in batches that it commits';

-- auria_pg::lifecycle::doctor::doctor
-- requires:
--   prepare_install
CREATE  FUNCTION "doctor"() RETURNS TABLE (
	"check" TEXT,  /* String */
	"ok" bool,  /* bool */
	"detail" TEXT  /* String */
)
STRICT VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'doctor_wrapper';

-- auria_pg::lifecycle::ensure::ensure_check
-- requires:
--   prepare_install
CREATE  FUNCTION "ensure_check"(
	"p_table" TEXT, /* Option < & str > */
	"p_name" TEXT, /* Option < & str > */
	"p_expression" TEXT /* Option < & str > */
) RETURNS VOID /* Result < (), ErrorReport > */
VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'ensure_check_wrapper';

-- auria_pg::lifecycle::ensure::ensure_foreign_key
-- requires:
--   prepare_install
CREATE  FUNCTION "ensure_foreign_key"(
	"p_table" TEXT, /* Option < & str > */
	"p_name" TEXT, /* Option < & str > */
	"p_column" TEXT, /* Option < & str > */
	"p_references" TEXT, /* Option < & str > */
	"p_referenced_column" TEXT, /* Option < & str > */
	"p_on_delete" TEXT /* Option < & str > */
) RETURNS VOID /* Result < (), ErrorReport > */
VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'ensure_foreign_key_wrapper';

-- auria_pg::lifecycle::ensure::ensure_index
-- requires:
--   prepare_install
CREATE  FUNCTION "ensure_index"(
	"p_table" TEXT, /* Option < & str > */
	"p_name" TEXT, /* Option < & str > */
	"p_definition" TEXT /* Option < & str > */
) RETURNS VOID /* Result < (), ErrorReport > */
VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'ensure_index_wrapper';

-- auria_pg::lifecycle::ensure::ensure_unique
-- requires:
--   prepare_install
CREATE  FUNCTION "ensure_unique"(
	"p_table" TEXT, /* Option < & str > */
	"p_name" TEXT, /* Option < & str > */
	"p_columns" TEXT[] /* :: std :: option :: Option < Vec < String > > */
) RETURNS VOID /* Result < (), ErrorReport > */
VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'ensure_unique_wrapper';

-- auria_pg::lifecycle::ensure::ensure_unique_index
-- requires:
--   prepare_install
CREATE  FUNCTION "ensure_unique_index"(
	"p_table" TEXT, /* Option < & str > */
	"p_name" TEXT, /* Option < & str > */
	"p_columns" TEXT, /* Option < & str > */
	"p_predicate" TEXT /* Option < & str > */
) RETURNS VOID /* Result < (), ErrorReport > */
VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'ensure_unique_index_wrapper';

-- auria_pg::lifecycle::install::finish_install
-- requires:
--   prepare_install
CREATE  FUNCTION "finish_install"() RETURNS VOID /* Result < (), ErrorReport > */
STRICT VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'finish_install_wrapper';

-- auria_pg::lifecycle::migrate::migrate
-- requires:
--   prepare_install
CREATE  FUNCTION "migrate"(
	"again" bool DEFAULT false /* Option < bool > */
) RETURNS TABLE (
	"number" INT,  /* i32 */
	"name" TEXT,  /* String */
	"findings" TEXT  /* String */
)
VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'migrate_wrapper';

-- auria_pg::lifecycle::schedule::schedule
-- requires:
--   prepare_install
CREATE  FUNCTION "schedule"() RETURNS TABLE (
	"job" TEXT,  /* String */
	"schedule" TEXT,  /* String */
	"command" TEXT,  /* String */
	"active" bool  /* bool */
)
STRICT VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'schedule_wrapper';

-- auria_pg::phi::backfill::phi_backfill

CREATE PROCEDURE auria.phi_backfill(batch_size integer DEFAULT 1000)
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'phi_backfill_wrapper';
COMMENT ON PROCEDURE auria.phi_backfill(integer) IS
    'Encrypts patient data that is not yet and rewrites what is outdated, in batches that it commits';

-- auria_pg::phi::status::phi_status
-- requires:
--   prepare_install
CREATE  FUNCTION "phi_status"() RETURNS TABLE (
	"table_name" TEXT,  /* String */
	"column_name" TEXT,  /* String */
	"rows" bigint,  /* i64 */
	"encrypted" bigint,  /* i64 */
	"not_encrypted" bigint,  /* i64 */
	"outdated" bigint,  /* i64 */
	"unreadable" bigint  /* i64 */
)
STRICT STABLE SECURITY DEFINER PARALLEL RESTRICTED
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'phi_status_wrapper';

-- auria_pg::rpc::cases::can_create_case
-- requires:
--   prepare_install
CREATE OR REPLACE FUNCTION public."can_create_case"(
	"p_user_id" uuid /* Option < SqlUuid > */
) RETURNS bool /* Result < bool, ErrorReport > */
STABLE SECURITY DEFINER PARALLEL RESTRICTED
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'can_create_case_wrapper';

-- auria_pg::rpc::cases::increment_case_usage
-- requires:
--   prepare_install
CREATE OR REPLACE FUNCTION public."increment_case_usage"(
	"p_user_id" uuid /* Option < SqlUuid > */
) RETURNS VOID /* Result < (), ErrorReport > */
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'increment_case_usage_wrapper';

-- auria_pg::rpc::cases::reset_monthly_usage
-- requires:
--   prepare_install
CREATE OR REPLACE FUNCTION public."reset_monthly_usage"() RETURNS INT /* Result < i32, ErrorReport > */
STRICT VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'reset_monthly_usage_wrapper';

-- auria_pg::rpc::credits::add_bonus_credits
-- requires:
--   prepare_install
CREATE OR REPLACE FUNCTION public."add_bonus_credits"(
	"p_user_id" uuid, /* Option < SqlUuid > */
	"p_credits" INT /* Option < i32 > */
) RETURNS VOID /* Result < (), ErrorReport > */
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'add_bonus_credits_wrapper';

-- auria_pg::rpc::credits::can_use_credits
-- requires:
--   prepare_install
CREATE OR REPLACE FUNCTION public."can_use_credits"(
	"p_user_id" uuid, /* Option < SqlUuid > */
	"p_operation" TEXT /* Option < & str > */
) RETURNS bool /* Result < bool, ErrorReport > */
STABLE SECURITY DEFINER PARALLEL RESTRICTED
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'can_use_credits_wrapper';

-- auria_pg::rpc::credits::get_credit_cost
-- requires:
--   prepare_install
CREATE OR REPLACE FUNCTION public."get_credit_cost"(
	"p_operation" TEXT /* Option < & str > */
) RETURNS INT /* Result < i32, ErrorReport > */
STABLE PARALLEL SAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'get_credit_cost_wrapper';

-- auria_pg::rpc::credits::refund_credits
-- requires:
--   prepare_install
CREATE OR REPLACE FUNCTION public."refund_credits"(
	"p_user_id" uuid, /* Option < SqlUuid > */
	"p_operation" TEXT /* Option < & str > */
) RETURNS bool /* Result < bool, ErrorReport > */
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'refund_credits_wrapper';

-- auria_pg::rpc::credits::refund_credits
-- requires:
--   prepare_install
CREATE OR REPLACE FUNCTION public."refund_credits"(
	"p_user_id" uuid, /* Option < SqlUuid > */
	"p_operation" TEXT, /* Option < & str > */
	"p_reference_id" uuid /* Option < SqlUuid > */
) RETURNS bool /* Result < bool, ErrorReport > */
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'refund_credits_once_wrapper';

-- auria_pg::rpc::credits::reset_monthly_usage_with_rollover
-- requires:
--   prepare_install
CREATE OR REPLACE FUNCTION public."reset_monthly_usage_with_rollover"() RETURNS INT /* Result < i32, ErrorReport > */
STRICT VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'reset_monthly_usage_with_rollover_wrapper';

-- auria_pg::rpc::credits::use_credits
-- requires:
--   prepare_install
CREATE OR REPLACE FUNCTION public."use_credits"(
	"p_user_id" uuid, /* Option < SqlUuid > */
	"p_operation" TEXT /* Option < & str > */
) RETURNS bool /* Result < bool, ErrorReport > */
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'use_credits_wrapper';

-- auria_pg::rpc::credits::use_credits
-- requires:
--   prepare_install
CREATE OR REPLACE FUNCTION public."use_credits"(
	"p_user_id" uuid, /* Option < SqlUuid > */
	"p_operation" TEXT, /* Option < & str > */
	"p_reference_id" uuid /* Option < SqlUuid > */
) RETURNS bool /* Result < bool, ErrorReport > */
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'use_credits_once_wrapper';

-- auria_pg::rpc::phi::phi_decrypt
-- requires:
--   prepare_install
CREATE OR REPLACE FUNCTION public."phi_decrypt"(
	"ciphertext" bytea /* Option < & [u8] > */
) RETURNS text /* Result < Text, ErrorReport > */
STABLE SECURITY DEFINER PARALLEL RESTRICTED
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'phi_decrypt_wrapper';

-- auria_pg::rpc::phi::phi_encrypt
-- requires:
--   prepare_install
CREATE OR REPLACE FUNCTION public."phi_encrypt"(
	"plaintext" TEXT /* Option < & str > */
) RETURNS bytea /* Result < Vec < u8 > , ErrorReport > */
VOLATILE SECURITY DEFINER PARALLEL RESTRICTED
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'phi_encrypt_wrapper';

-- auria_pg::rpc::rate_limit::cleanup_old_rate_limits
-- requires:
--   prepare_install
CREATE OR REPLACE FUNCTION public."cleanup_old_rate_limits"() RETURNS INT /* Result < i32, ErrorReport > */
STRICT VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'cleanup_old_rate_limits_wrapper';

-- auria_pg::rpc::rate_limit::count_request
-- requires:
--   prepare_install
CREATE  FUNCTION "count_request"(
	"p_user_id" uuid, /* Option < SqlUuid > */
	"p_function_name" TEXT, /* Option < & str > */
	"p_minute_window" timestamp with time zone, /* Option < TimestampWithTimeZone > */
	"p_hour_window" timestamp with time zone, /* Option < TimestampWithTimeZone > */
	"p_day_window" timestamp with time zone /* Option < TimestampWithTimeZone > */
) RETURNS TABLE (
	"minute_count" INT,  /* i32 */
	"hour_count" INT,  /* i32 */
	"day_count" INT  /* i32 */
)
VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'count_request_wrapper';

-- auria_pg::rpc::settlement::settled_bonus
-- requires:
--   prepare_install
CREATE  FUNCTION "settled_bonus"(
	"p_credits_per_month" INT, /* Option < i32 > */
	"p_used" INT, /* i32 */
	"p_rollover" INT, /* i32 */
	"p_bonus" INT /* i32 */
) RETURNS INT /* i32 */
IMMUTABLE PARALLEL SAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'settled_bonus_wrapper';

-- auria_pg::rpc::settlement::settled_rollover
-- requires:
--   prepare_install
CREATE  FUNCTION "settled_rollover"(
	"p_credits_per_month" INT, /* Option < i32 > */
	"p_allows_rollover" bool, /* Option < bool > */
	"p_rollover_max" INT, /* Option < i32 > */
	"p_used" INT, /* i32 */
	"p_rollover" INT /* i32 */
) RETURNS INT /* i32 */
IMMUTABLE PARALLEL SAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'settled_rollover_wrapper';

-- auria_pg::sharing::new_share_token
-- requires:
--   prepare_install
CREATE  FUNCTION "new_share_token"() RETURNS TEXT /* String */
STRICT VOLATILE PARALLEL SAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'new_share_token_wrapper';

-- auria_pg::triggers::encrypt_phi::encrypt_evaluation_phi

CREATE OR REPLACE FUNCTION public.encrypt_evaluation_phi() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'encrypt_evaluation_phi_wrapper';

-- auria_pg::triggers::encrypt_phi::encrypt_patient_phi

CREATE OR REPLACE FUNCTION public.encrypt_patient_phi() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'encrypt_patient_phi_wrapper';

-- auria_pg::triggers::new_user::handle_new_user

CREATE OR REPLACE FUNCTION public.handle_new_user() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'handle_new_user_wrapper';

-- auria_pg::triggers::updated_at::update_updated_at_column

CREATE OR REPLACE FUNCTION public.update_updated_at_column() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'update_updated_at_column_wrapper';

-- requires:
--   count_request


CREATE OR REPLACE FUNCTION public.check_and_increment_rate_limit(
    p_user_id uuid, p_function_name text,
    p_minute_window timestamptz, p_hour_window timestamptz, p_day_window timestamptz)
RETURNS TABLE (minute_count integer, hour_count integer, day_count integer)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$ SELECT * FROM auria.count_request($1, $2, $3, $4, $5) $$;

COMMENT ON FUNCTION public.check_and_increment_rate_limit(uuid, text, timestamptz, timestamptz, timestamptz) IS
    'Counts one request in the running minute, hour and day, and returns the counts after it';

-- requires:
--   prepare_install

-- The RPCs a visitor with a token calls, and the rate limiter's. Definers,
-- because a visitor has no right on the tables; the token is the right.
-- A malformed token is one that does not exist.
--
-- The tables are made by the last step of the installation, or by a restore.
SET LOCAL check_function_bodies = off;

CREATE OR REPLACE FUNCTION public.get_shared_evaluation(p_token text)
RETURNS TABLE (tooth text, treatment_type text, cavity_class text, status text,
               ai_treatment_indication text, created_at timestamptz, clinic_name text)
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path TO pg_catalog, pg_temp
AS $$
    SELECT e.tooth, e.treatment_type, e.cavity_class, e.status,
           e.ai_treatment_indication, e.created_at, p.clinic_name
      FROM public.shared_links l
      JOIN public.evaluations e ON e.session_id = l.session_id AND e.user_id = l.user_id
      LEFT JOIN public.profiles p ON p.user_id = l.user_id
     WHERE l.token = p_token AND l.expires_at > now()
     ORDER BY e.tooth, e.created_at, e.id
$$;

COMMENT ON FUNCTION public.get_shared_evaluation(text) IS
    'The evaluations that a share token opens, ordered by tooth; nothing for an expired or unknown token';

CREATE OR REPLACE FUNCTION public.get_shared_dsd(p_token text)
RETURNS TABLE (dsd_analysis jsonb, dsd_simulation_url text, dsd_simulation_layers jsonb,
               photo_frontal text)
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path TO pg_catalog, pg_temp
AS $$
    SELECT e.dsd_analysis, e.dsd_simulation_url, e.dsd_simulation_layers, e.photo_frontal
      FROM public.shared_links l
      JOIN public.evaluations e ON e.session_id = l.session_id AND e.user_id = l.user_id
     WHERE l.token = p_token AND l.expires_at > now() AND e.dsd_analysis IS NOT NULL
     ORDER BY e.created_at DESC, e.id
     LIMIT 1
$$;

COMMENT ON FUNCTION public.get_shared_dsd(text) IS
    'The latest smile design of the session that a share token opens; at most one row';

CREATE OR REPLACE FUNCTION public.check_shared_link_status(p_token text)
RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path TO pg_catalog, pg_temp
AS $$
    SELECT coalesce(
        (SELECT CASE WHEN l.expires_at > now() THEN 'valid' ELSE 'expired' END
           FROM public.shared_links l
          WHERE l.token = p_token),
        'not_found')
$$;

COMMENT ON FUNCTION public.check_shared_link_status(text) IS
    'valid, expired or not_found; a malformed token is not_found';

-- finalize
-- Who may execute what. First nobody may anything; then each right by name.
REVOKE ALL ON ALL ROUTINES IN SCHEMA auria FROM PUBLIC, anon, authenticated, service_role;

REVOKE ALL ON FUNCTION
    public.use_credits(uuid, text),
    public.use_credits(uuid, text, uuid),
    public.refund_credits(uuid, text),
    public.refund_credits(uuid, text, uuid),
    public.can_use_credits(uuid, text),
    public.get_credit_cost(text),
    public.add_bonus_credits(uuid, integer),
    public.reset_monthly_usage_with_rollover(),
    public.can_create_case(uuid),
    public.increment_case_usage(uuid),
    public.reset_monthly_usage(),
    public.cleanup_old_rate_limits(),
    public.check_and_increment_rate_limit(uuid, text, timestamptz, timestamptz, timestamptz),
    public.phi_encrypt(text),
    public.phi_decrypt(bytea),
    public.encrypt_patient_phi(),
    public.encrypt_evaluation_phi(),
    public.get_shared_evaluation(text),
    public.get_shared_dsd(text),
    public.check_shared_link_status(text),
    public.handle_new_user(),
    public.update_updated_at_column()
FROM PUBLIC, anon, authenticated, service_role;

-- Everyone: prices are public, and a share token is a right of its own.
GRANT EXECUTE ON FUNCTION public.get_credit_cost(text) TO anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION
    public.get_shared_evaluation(text),
    public.get_shared_dsd(text),
    public.check_shared_link_status(text)
TO anon, authenticated, service_role;

-- A signed-in user, about himself; the function compares with auth.uid().
GRANT EXECUTE ON FUNCTION
    public.can_use_credits(uuid, text),
    public.can_create_case(uuid)
TO authenticated, service_role;

-- The default of shared_links.token is evaluated as the user who shares.
GRANT EXECUTE ON FUNCTION auria.new_share_token() TO authenticated, service_role;

-- The backend: what spends, gives back, sells and resets.
GRANT EXECUTE ON FUNCTION
    public.use_credits(uuid, text),
    public.use_credits(uuid, text, uuid),
    public.refund_credits(uuid, text),
    public.refund_credits(uuid, text, uuid),
    public.add_bonus_credits(uuid, integer),
    public.reset_monthly_usage_with_rollover(),
    public.increment_case_usage(uuid),
    public.reset_monthly_usage(),
    public.cleanup_old_rate_limits(),
    public.check_and_increment_rate_limit(uuid, text, timestamptz, timestamptz, timestamptz),
    public.phi_encrypt(text),
    public.phi_decrypt(bytea)
TO service_role;

-- What each does, for psql's \df+ and for the documentation a front generates.
COMMENT ON FUNCTION public.use_credits(uuid, text) IS
    'Charges an operation: true, or false and nothing changed when neither credits nor free tier allow it. Atomic';
COMMENT ON FUNCTION public.use_credits(uuid, text, uuid) IS
    'Charges an operation once for a reference, however often and concurrently it is sent; true each time';
COMMENT ON FUNCTION public.refund_credits(uuid, text) IS
    'Gives back the latest use of 30 days not refunded, at what was charged then; false when there is none';
COMMENT ON FUNCTION public.refund_credits(uuid, text, uuid) IS
    'Gives back exactly the use with this reference, once; true each time after';
COMMENT ON FUNCTION public.can_use_credits(uuid, text) IS
    'What use_credits would answer now, without changing anything. Signed-in users: about themselves only';
COMMENT ON FUNCTION public.get_credit_cost(text) IS
    'What an operation costs, in credits; 1 if it is not configured';
COMMENT ON FUNCTION public.add_bonus_credits(uuid, integer) IS
    'Adds bought credits, which never expire; makes a subscription for a user who has none';
COMMENT ON FUNCTION public.reset_monthly_usage_with_rollover() IS
    'Settles every month that ended more than 30 days after the last reset; returns how many subscriptions';
COMMENT ON FUNCTION public.can_create_case(uuid) IS
    'Legacy: whether the case limit leaves room for one more. Signed-in users: about themselves only';
COMMENT ON FUNCTION public.increment_case_usage(uuid) IS
    'Legacy: counts one case of the running month';
COMMENT ON FUNCTION public.reset_monthly_usage() IS
    'Legacy: zeroes the case and DSD counters where a month ended; returns how many subscriptions';
COMMENT ON FUNCTION public.cleanup_old_rate_limits() IS
    'Deletes rate limits that nobody touched for 7 days; returns how many';
COMMENT ON FUNCTION public.phi_encrypt(text) IS
    'Encrypts patient data as an OpenPGP message under the PHI key';
COMMENT ON FUNCTION public.phi_decrypt(bytea) IS
    'Decrypts what phi_encrypt, pgcrypto or GnuPG wrote under the PHI key or the previous one';
COMMENT ON FUNCTION public.handle_new_user() IS
    'Trigger: makes the profile of a new user; never makes a sign-up fail';
COMMENT ON FUNCTION public.update_updated_at_column() IS
    'Trigger: sets updated_at to now()';
COMMENT ON FUNCTION public.encrypt_patient_phi() IS
    'Trigger: keeps the encrypted columns of patients in step; fails closed';
COMMENT ON FUNCTION public.encrypt_evaluation_phi() IS
    'Trigger: keeps patient_name_encrypted of evaluations in step; fails closed';
COMMENT ON FUNCTION auria.doctor() IS
    'Whether the database is as it should be: one row for each check. Changes nothing; for monitoring';
COMMENT ON FUNCTION auria.migrate(boolean) IS
    'Applies pending migrations, or all of them once more; one row for each. Superusers';
COMMENT ON FUNCTION auria.schedule() IS
    'Registers with pg_cron what has to run every hour and every day; a row for each job. Superusers';
COMMENT ON FUNCTION auria.new_share_token() IS
    'A new secret for a shared link: 64 hex characters from 32 random bytes';
COMMENT ON FUNCTION auria.settled_rollover(integer, boolean, integer, integer, integer) IS
    'What a settled month carries over, in credits; a step of reset_monthly_usage_with_rollover';
COMMENT ON FUNCTION auria.settled_bonus(integer, integer, integer, integer) IS
    'What a settled month leaves of the bought credits; a step of reset_monthly_usage_with_rollover';
COMMENT ON FUNCTION auria.count_request(uuid, text, timestamptz, timestamptz, timestamptz) IS
    'The counting behind check_and_increment_rate_limit';
COMMENT ON FUNCTION auria.prepare_install() IS 'First step of the install script';
COMMENT ON FUNCTION auria.finish_install() IS 'Last step of the install script';
COMMENT ON FUNCTION auria.ensure_check(text, text, text) IS
    'For migrations: adds a CHECK, not validated where rows break it';
COMMENT ON FUNCTION auria.ensure_foreign_key(text, text, text, text, text, text) IS
    'For migrations: adds or replaces a foreign key, not validated where rows break it';
COMMENT ON FUNCTION auria.ensure_unique(text, text, text[]) IS
    'For migrations: adds a UNIQUE constraint, unless rows are duplicates';
COMMENT ON FUNCTION auria.ensure_index(text, text, text) IS
    'For migrations: makes an index that is missing or invalid';
COMMENT ON FUNCTION auria.ensure_unique_index(text, text, text, text) IS
    'For migrations: makes a partial unique index; over duplicates, for newer rows only';

GRANT EXECUTE ON FUNCTION auria.phi_status() TO service_role;
GRANT EXECUTE ON FUNCTION auria.doctor() TO service_role;
GRANT EXECUTE ON PROCEDURE auria.phi_backfill(integer) TO service_role;
GRANT EXECUTE ON PROCEDURE auria.reset_monthly(integer) TO service_role;

SELECT auria.finish_install();
