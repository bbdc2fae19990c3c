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
