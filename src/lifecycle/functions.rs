//! How the functions of schema `public` are declared: by these names callers
//! call them, and by these declarations one that exists can be replaced.

/// A function of schema `public`.
#[derive(Clone, Copy)]
pub struct Function {
    /// Name and argument types, as `regprocedure` reads them.
    pub signature: &'static str,
    /// The names of its arguments, separated by blanks.
    pub arguments: &'static str,
    /// What it returns, as `pg_get_function_result` writes it.
    pub returns: &'static str,
}

const fn function(
    signature: &'static str,
    arguments: &'static str,
    returns: &'static str,
) -> Function {
    Function {
        signature,
        arguments,
        returns,
    }
}

/// Every function of schema `public` that a database may have had before it
/// had this extension.
#[rustfmt::skip]
pub const FUNCTIONS: [Function; 22] = [
    function("public.use_credits(uuid,text)", "p_user_id p_operation", "boolean"),
    function("public.use_credits(uuid,text,uuid)", "p_user_id p_operation p_reference_id", "boolean"),
    function("public.refund_credits(uuid,text)", "p_user_id p_operation", "boolean"),
    function("public.refund_credits(uuid,text,uuid)", "p_user_id p_operation p_reference_id", "boolean"),
    function("public.can_use_credits(uuid,text)", "p_user_id p_operation", "boolean"),
    function("public.get_credit_cost(text)", "p_operation", "integer"),
    function("public.add_bonus_credits(uuid,integer)", "p_user_id p_credits", "void"),
    function("public.reset_monthly_usage_with_rollover()", "", "integer"),
    function("public.can_create_case(uuid)", "p_user_id", "boolean"),
    function("public.increment_case_usage(uuid)", "p_user_id", "void"),
    function("public.reset_monthly_usage()", "", "integer"),
    function("public.cleanup_old_rate_limits()", "", "integer"),
    function("public.phi_encrypt(text)", "plaintext", "bytea"),
    function("public.phi_decrypt(bytea)", "ciphertext", "text"),
    function("public.handle_new_user()", "", "trigger"),
    function("public.update_updated_at_column()", "", "trigger"),
    function("public.encrypt_patient_phi()", "", "trigger"),
    function("public.encrypt_evaluation_phi()", "", "trigger"),
    function(
        "public.get_shared_evaluation(text)",
        "p_token",
        "TABLE(tooth text, treatment_type text, cavity_class text, status text, \
         ai_treatment_indication text, created_at timestamp with time zone, clinic_name text)",
    ),
    function(
        "public.get_shared_dsd(text)",
        "p_token",
        "TABLE(dsd_analysis jsonb, dsd_simulation_url text, dsd_simulation_layers jsonb, photo_frontal text)",
    ),
    function("public.check_shared_link_status(text)", "p_token", "text"),
    function(
        "public.check_and_increment_rate_limit(uuid,text,timestamptz,timestamptz,timestamptz)",
        "p_user_id p_function_name p_minute_window p_hour_window p_day_window",
        "TABLE(minute_count integer, hour_count integer, day_count integer)",
    ),
];

/// The signatures of all of them, separated by blanks.
pub fn signatures() -> String {
    FUNCTIONS.map(|function| function.signature).join(" ")
}
