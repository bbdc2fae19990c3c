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

SELECT auria.finish_install();
