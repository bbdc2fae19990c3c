//! The access matrix: who may do what with which table, and who may call which function.
//!
//! A new table and a new function are added here; `tables.rs`, `functions.rs` and `policies.rs` compare a database with it.

use std::sync::LazyLock;

use auria_tests::insert_evaluation;
use uuid::Uuid;

/// S I U D as in the specification. `T` is S for whoever presents a share token, and for nobody else.
pub struct Rights {
    pub table: &'static str,
    pub anon: &'static str,
    pub own: &'static str,
    pub others: &'static str,
    pub service: &'static str,
    /// Makes a row of the user `$user`, in one statement; without an owner in the table, any row. There are a session of
    /// evaluations and a patient with the user's own id, for what the row refers to.
    pub row: &'static str,
    pub key: &'static str,
}

const fn owned(table: &'static str, own: &'static str, row: &'static str) -> Rights {
    Rights { table, anon: "", own, others: "", service: "SIUD", row, key: "id" }
}

/// Readable by everyone; the rows belong to nobody.
const fn public(table: &'static str, key: &'static str, row: &'static str) -> Rights {
    Rights { table, anon: "S", own: "S", others: "S", service: "SIUD", row, key }
}

const fn backend_only(table: &'static str, key: &'static str, row: &'static str) -> Rights {
    Rights { table, anon: "", own: "", others: "", service: "SIUD", row, key }
}

/// Written by the extension alone.
const fn read_by_backend(table: &'static str, key: &'static str, row: &'static str) -> Rights {
    Rights { service: "S", ..backend_only(table, key, row) }
}

/// Makes an evaluation of the user `$user`, in the session of the same id.
pub static EVALUATION: LazyLock<String> =
    LazyLock::new(|| insert_evaluation("'$user'", &[("session_id", "'$user'"), ("patient_name", "'Paciente'")]));

/// Makes the patient that a row may refer to: a policy does not see a patient whom the same statement makes.
pub const PATIENT: &str = "INSERT INTO public.patients (id, user_id, name) VALUES ('$user', '$user', 'Paciente');";

/// Statements that make a row of this table for the user, and a patient for it to refer to.
pub fn row_of(table: &str, user: Uuid) -> String {
    let Some(rights) = MATRIX.iter().find(|rights| rights.table == table) else {
        panic!("{table} is not in MATRIX of tests/access/matrix.rs")
    };
    format!("{PATIENT} {}", rights.row).replace("$user", &user.to_string())
}

pub static MATRIX: LazyLock<Vec<Rights>> = LazyLock::new(|| {
    vec![
    owned("public.profiles", "SIU", "INSERT INTO public.profiles (user_id) VALUES ('$user')"),
    owned("public.patients", "SIUD", "INSERT INTO public.patients (user_id, name) VALUES ('$user', 'Outra paciente')"),
    Rights { anon: "T", ..owned("public.evaluations", "SIUD", &EVALUATION) },
    owned("public.evaluation_drafts", "SIUD",
        "INSERT INTO public.evaluation_drafts (user_id, draft_data) VALUES ('$user', '{}')"),
    owned("public.user_inventory", "SIUD",
        "INSERT INTO public.user_inventory (user_id, resin_id)
         VALUES ('$user', (SELECT id FROM public.resin_catalog ORDER BY brand, shade LIMIT 1))"),
    owned("public.session_detected_teeth", "SIUD",
        "INSERT INTO public.session_detected_teeth (session_id, user_id, tooth) VALUES ('$user', '$user', '11')"),
    Rights { anon: "T", ..owned("public.shared_links", "SIUD",
        "INSERT INTO public.shared_links (user_id, session_id, token) VALUES ('$user', '$user', repeat('c0ffee00', 8))") },
    owned("public.subscriptions", "S", "INSERT INTO public.subscriptions (user_id) VALUES ('$user')"),
    owned("public.rate_limits", "S",
        "INSERT INTO public.rate_limits (user_id, function_name) VALUES ('$user', 'analyze')"),
    owned("public.credit_usage", "S",
        "INSERT INTO public.credit_usage (user_id, operation, credits_used) VALUES ('$user', 'case_analysis', 1)"),
    owned("public.payment_history", "S",
        "INSERT INTO public.payment_history (user_id, amount, status) VALUES ('$user', 5900, 'succeeded')"),
    owned("public.credit_pack_purchases", "S",
        "INSERT INTO public.credit_pack_purchases (user_id, pack_id, credits, amount) VALUES ('$user', 'pack_10', 10, 2900)"),
    public("public.resins", "id",
        "INSERT INTO public.resins (name, manufacturer, type, opacity, resistance, polishing, aesthetics, price_range)
         VALUES ('Nova', 'Nova', 'Nova', 'a', 'a', 'a', 'a', 'a')"),
    public("public.resin_catalog", "id",
        "INSERT INTO public.resin_catalog (brand, product_line, shade, type, opacity) VALUES ('Nova', 'Nova', 'A1', 'Body', 'media')"),
    public("public.credit_costs", "operation", "INSERT INTO public.credit_costs (operation, credits) VALUES ('nova', 1)"),
    public("public.credit_packs", "id",
        "INSERT INTO public.credit_packs (id, name, credits, price) VALUES ('novo', 'Novo', 1, 1)"),
    public("public.subscription_plans", "id",
        "INSERT INTO public.subscription_plans (id, name, price_monthly) VALUES ('novo', 'Novo', 1)"),
    backend_only("public.prompt_executions", "id",
        "INSERT INTO public.prompt_executions (prompt_id, prompt_version, model, latency_ms, success)
         VALUES ('p', '1', 'm', 1, true)"),
    Rights { key: "entry", service: "S", ..owned("public.credit_events", "S",
        "INSERT INTO public.credit_events (entry, user_id, kind)
         VALUES (nextval('public.credit_usage_entry_seq'), '$user', 'adjustment')") },
    backend_only("public.credit_transactions", "id",
        "INSERT INTO public.credit_transactions (user_id, operation_id, operation, type)
         VALUES ('$user', 'op-1', 'case_analysis', 'consume')"),
    backend_only("public.webhook_events", "id",
        "INSERT INTO public.webhook_events (stripe_event_id, event_type) VALUES ('evt_1', 'invoice.paid')"),
    owned("public.referral_codes", "SI", "INSERT INTO public.referral_codes (user_id, code) VALUES ('$user', 'CONVITE')"),
    // The user who was referred is neither of the two who ask.
    owned("public.referral_conversions", "S",
        "WITH code AS (INSERT INTO public.referral_codes (user_id, code) VALUES ('$user', 'CONVITE') RETURNING id)
         INSERT INTO public.referral_conversions (referrer_id, referred_id, referral_code_id)
         SELECT '$user', (SELECT user_id FROM public.profiles ORDER BY created_at DESC LIMIT 1), id FROM code"),
    backend_only("auria.migrations", "number",
        "INSERT INTO auria.migrations (number, name, sha256) VALUES (999, 'x', 'x')"),
    read_by_backend("auria.installed_functions", "signature",
        "INSERT INTO auria.installed_functions (signature) VALUES ('x')"),
    read_by_backend("auria.erasures", "subject",
        "INSERT INTO auria.erasures (subject, login, role, removed, kept, not_reached, files)
         VALUES ('patient', 'x', 'x', '{}', '{}', '{}', 0)"),
    read_by_backend("auria.replaced_functions", "signature",
        "INSERT INTO auria.replaced_functions (signature, definition, owner) VALUES ('x', 'x', 'x')"),
]
});

/// Who may execute which function of the extension: anon, authenticated, service_role, in this order.
const FUNCTIONS: &str = "
    public.use_credits(uuid,text)                           - - s
    public.use_credits(uuid,text,uuid)                      - - s
    public.refund_credits(uuid,text)                        - - s
    public.refund_credits(uuid,text,uuid)                   - - s
    public.can_use_credits(uuid,text)                       - u s
    public.get_credit_cost(text)                            a u s
    public.add_bonus_credits(uuid,integer)                  - - s
    public.add_bonus_credits(uuid,integer,text)             - - s
    public.revoke_bonus_credits(uuid,integer,text)          - - s
    public.reset_monthly_usage_with_rollover()              - - s
    public.can_create_case(uuid)                            - u s
    public.increment_case_usage(uuid)                       - - s
    public.reset_monthly_usage()                            - - s
    public.cleanup_old_rate_limits()                        - - s
    public.cleanup_stale_drafts()                           - - s
    public.cleanup_expired_shared_links()                   - - s
    public.cleanup_stuck_evaluations()                      - - s
    public.get_dashboard_metrics(uuid)                      - u s
    public.verify_phi_encryption()                          - - s
    public.phi_encrypt(text)                                - - s
    public.phi_decrypt(bytea)                               - - s
    public.handle_new_user()                                - - -
    public.update_updated_at_column()                       - - -
    public.keep_created_at()                                - - -
    public.replace_draft()                                  - - -
    public.settle_plan_change()                             - - -
    public.record_plan_change()                             - - -
    public.check_subscription_status()                      - - -
    public.encrypt_patient_phi()                            - - -
    public.encrypt_evaluation_phi()                         - - -
    public.encrypt_evaluation_draft_phi()                   - - -
    public.get_shared_evaluation(text)                      a u s
    public.get_shared_dsd(text)                             a u s
    public.check_shared_link_status(text)                   a u s
    public.check_and_increment_rate_limit(uuid,text,timestamptz,timestamptz,timestamptz)  - - s
    auria.new_share_token()                                 - u s
    auria.phi_status()                                      - - s
    auria.doctor()                                          - - s
    auria.phi_backfill(integer,boolean)                     - - s
    auria.reset_monthly(integer)                            - - s
    auria.metrics(text)                                     - - s
    auria.export_user(uuid)                                 - - s
    auria.export_patient(uuid)                              - - s
    auria.erase_user(uuid,boolean)                          - - s
    auria.credit_statement(uuid,timestamptz,timestamptz)    - - s
    auria.erase_patient(uuid)                               - - s
    auria.erase_again(bytea[],boolean)                      - - s
    auria.open_text(bytea,boolean)                          - u s
    auria.bound_value(bytea,uuid)                           - - -
    auria.unbound_value(bytea,uuid)                         - - -
    auria.open_for_owner(bytea,uuid,boolean)                - - -
    auria.name_digest(uuid,bytea)                           - - -
    auria.old_row_support(internal)                         - - -
    auria.phi_seal()                                        - - -
    auria.phi_unseal()                                      - - -
    auria.refuse_direct_write()                             - - -
    auria.sealed_insert()                                   - - -
    auria.sealed_update()                                   - - -
    auria.sealed_delete()                                   - - -
    auria.restore_replaced()                                - - -
    auria.migrate(boolean)                                  - - -
    auria.schedule()                                        - - -
    auria.prepare_install()                                 - - -
    auria.finish_install()                                  - - -
    auria.restore_function(text)                            - - -
    auria.run_as_owner(text)                                - - -
    auria.refuse_row()                                      - - -
    auria.cleanup_credit_transactions()                     - - -
    auria.create_missing_profiles()                         - - -
    auria.ensure_check(text,text,text,text)                 - - -
    auria.ensure_foreign_key(text,text,text,text,text,text) - - -
    auria.ensure_index(text,text,text)                      - - -
    auria.ensure_unique(text,text,text[])                   - - -
    auria.ensure_unique_index(text,text,text,text)          - - -
    auria.number_ledger()                                   - - -
    auria.report_unknown_statuses()                         - - -
";

/// The functions of the list, each with its three rights.
pub fn functions() -> impl Iterator<Item = (&'static str, [bool; 3])> {
    FUNCTIONS.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| {
        let mut words = line.split_whitespace();
        let signature = words.next().unwrap();
        let rights: Vec<bool> = words.map(|word| word != "-").collect();
        (signature, rights.try_into().unwrap())
    })
}
