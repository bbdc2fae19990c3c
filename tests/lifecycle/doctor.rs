//! `auria.doctor()`: each test breaks one thing, and the check of that thing,
//! and no other, says so.

use auria_tests::{ClusterOptions, Database, Session, database, empty_database, refused_with};
use uuid::Uuid;

/// The checks that fail, with what they say.
pub fn complaints(session: &mut Session) -> Vec<(String, String)> {
    session
        .query(
            r#"SELECT "check", detail FROM auria.doctor() WHERE NOT ok"#,
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect()
}

/// Breaks a healthy database and expects one check to name what was broken.
#[track_caller]
fn breaks(db: &Database, statements: &str, check: &str, named: &str) {
    let mut admin = db.superuser();
    assert_eq!(complaints(&mut admin), [], "before {statements}");
    // A transaction of its own, taken back: the next thing is broken in a healthy database.
    admin.run(&format!("BEGIN; {statements}"));
    let complaints = complaints(&mut admin);
    admin.run("ROLLBACK");
    assert_eq!(complaints.len(), 1, "after {statements}: {complaints:?}");
    assert_eq!(complaints[0].0, check, "after {statements}");
    assert!(
        complaints[0].1.contains(named),
        "after {statements}: {complaints:?}"
    );
}

#[test]
fn a_fresh_database_is_well_and_the_backend_may_ask() {
    let db = database();
    let rows = db
        .service()
        .query(r#"SELECT "check", ok, detail FROM auria.doctor()"#, &[])
        .unwrap();
    assert_eq!(rows.len(), 14);
    for row in &rows {
        assert!(row.get::<_, bool>(1), "{row:?}");
        assert_eq!(row.get::<_, &str>(2), "");
    }
    let user = db.sign_up("curious@clinica.example");
    refused_with(db.anon().query("SELECT auria.doctor()", &[]), "42501");
    refused_with(
        db.authenticated(user).query("SELECT auria.doctor()", &[]),
        "42501",
    );
}

#[test]
fn it_answers_in_a_transaction_that_may_not_write() {
    let db = database();
    let mut service = db.service();
    service.run("BEGIN READ ONLY");
    assert_eq!(complaints(&mut service), []);
    assert_eq!(
        service.value::<Option<String>>("SELECT pg_current_xact_id_if_assigned()::text"),
        None
    );
}

#[test]
fn it_answers_on_a_standby() {
    let primary = ClusterOptions::default().start();
    let db = primary.database();
    let standby = primary.standby();
    let name = db.name().to_owned();
    // The key file of the primary is named in the settings that were copied.
    assert_eq!(complaints(&mut standby.superuser(&name)), []);
    drop(standby);
}

#[test]
fn a_version_that_is_not_the_librarys_is_told() {
    breaks(
        &database(),
        "UPDATE pg_extension SET extversion = '0.0.9' WHERE extname = 'auria'",
        "versions",
        "ALTER EXTENSION auria UPDATE",
    );
    breaks(
        &database(),
        "UPDATE pg_extension SET extversion = '0.10.0' WHERE extname = 'auria'",
        "versions",
        "connect again",
    );
}

#[test]
fn migrations_pending_changed_or_unrecorded_are_told() {
    let db = database();
    for (statements, named) in [
        (
            "DELETE FROM auria.migrations WHERE number = 7",
            "007_stripe_mapping is pending",
        ),
        (
            "UPDATE auria.migrations SET sha256 = repeat('0', 64) WHERE number = 3",
            "003_rate_limiting has changed",
        ),
        ("DELETE FROM auria.migrations", "and 13 more"),
    ] {
        breaks(&db, statements, "migrations", named);
    }
}

#[test]
fn row_security_that_was_turned_off_is_told() {
    let db = database();
    for table in ["public.patients", "auria.migrations", "storage.objects"] {
        breaks(
            &db,
            &format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"),
            "row security",
            table,
        );
    }
}

#[test]
fn a_policy_that_is_gone_or_says_something_else_is_told() {
    let db = database();
    for statements in [
        "DROP POLICY patients_select_own ON public.patients",
        "ALTER POLICY patients_select_own ON public.patients USING (true)",
        "ALTER POLICY patients_select_own ON public.patients TO authenticated, anon",
        "DROP POLICY patients_select_own ON public.patients;
         CREATE POLICY patients_select_own ON public.patients AS RESTRICTIVE
             FOR SELECT TO authenticated USING (user_id = (SELECT auth.uid()))",
        "DROP POLICY patients_select_own ON public.patients;
         CREATE POLICY patients_select_own ON public.patients
             FOR DELETE TO authenticated USING (user_id = (SELECT auth.uid()))",
    ] {
        breaks(
            &db,
            statements,
            "policies",
            "public.patients patients_select_own",
        );
    }
    breaks(
        &db,
        "ALTER POLICY patients_update_own ON public.patients WITH CHECK (true)",
        "policies",
        "public.patients patients_update_own",
    );
}

#[test]
fn a_policy_beside_ours_is_told_if_it_widens_access_and_only_then() {
    let db = database();
    breaks(
        &db,
        "CREATE POLICY debugging ON public.patients FOR SELECT TO PUBLIC USING (true)",
        "other policies",
        "debugging on public.patients",
    );
    let mut admin = db.superuser();
    admin.run(
        "CREATE POLICY narrower ON public.patients AS RESTRICTIVE FOR SELECT TO authenticated USING (true);
         CREATE POLICY for_an_own_role ON public.patients FOR SELECT TO pg_monitor USING (true)",
    );
    assert_eq!(complaints(&mut admin), []);
}

#[test]
fn a_right_too_many_or_too_few_is_told() {
    let db = database();
    for (statements, named) in [
        (
            "GRANT SELECT ON public.patients TO anon",
            "public.patients anon select",
        ),
        (
            "GRANT TRUNCATE ON public.patients TO authenticated",
            "public.patients authenticated",
        ),
        (
            "GRANT SELECT (patient_name) ON public.evaluations TO anon",
            "select(patient_name)",
        ),
        (
            "REVOKE SELECT (tooth) ON public.evaluations FROM anon",
            "missing or changed: public.evaluations anon",
        ),
        (
            "GRANT SELECT ON public.subscriptions TO PUBLIC",
            "public.subscriptions PUBLIC select",
        ),
        (
            "REVOKE INSERT ON public.credit_usage FROM service_role",
            "missing or changed: public.credit_usage service_role",
        ),
        (
            "GRANT EXECUTE ON FUNCTION public.phi_decrypt(bytea) TO authenticated",
            "public.phi_decrypt(bytea) authenticated execute",
        ),
        (
            "GRANT EXECUTE ON FUNCTION auria.migrate(boolean) TO PUBLIC",
            "auria.migrate(boolean) PUBLIC",
        ),
    ] {
        breaks(&db, statements, "grants", named);
    }
}

#[test]
fn an_owner_who_is_not_trusted_is_told_unless_the_setting_names_him() {
    let db = database();
    db.superuser()
        .run("DO $$ BEGIN CREATE ROLE agency; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
    for object in [
        "TABLE public.payment_history",
        "FUNCTION public.use_credits(uuid, text)",
        "FUNCTION auria.phi_status()",
        "SCHEMA auria",
    ] {
        breaks(
            &db,
            &format!("ALTER {object} OWNER TO agency"),
            "owners",
            "agency",
        );
    }
    let mut admin = db.superuser();
    admin.run(
        "ALTER TABLE public.payment_history OWNER TO agency; SET auria.trusted_owners = 'agency'",
    );
    assert_eq!(complaints(&mut admin), []);
}

#[test]
fn a_function_that_somebody_replaced_is_told() {
    breaks(
        &database(),
        "CREATE OR REPLACE FUNCTION public.use_credits(p_user_id uuid, p_operation text) RETURNS boolean \
         LANGUAGE sql SECURITY DEFINER AS 'SELECT true'",
        "functions",
        "public.use_credits(uuid,text)",
    );
}

#[test]
fn a_trigger_that_is_gone_or_disabled_is_told() {
    let db = database();
    for statements in [
        "ALTER TABLE public.patients DISABLE TRIGGER encrypt_patients_phi_trigger",
        "DROP TRIGGER encrypt_patients_phi_trigger ON public.patients",
    ] {
        breaks(&db, statements, "triggers", "encrypt_patients_phi_trigger");
    }
}

#[test]
fn a_key_that_is_missing_or_refused_is_told_and_a_good_one_never_shown() {
    let cluster = ClusterOptions::default().start();
    let db = cluster.database();
    breaks(
        &db,
        "SET LOCAL auria.phi_key_file = ''",
        "PHI key",
        "no key",
    );
    let short = cluster.secret_file("short.key", "hunter2");
    let mut admin = db.superuser();
    admin.run(&format!("SET auria.phi_key_file = '{}'", short.display()));
    let complaints = complaints(&mut admin);
    assert_eq!(complaints[0].0, "PHI key");
    assert!(complaints[0].1.contains("too short"), "{complaints:?}");
    assert!(!complaints[0].1.contains("hunter2"), "{complaints:?}");
}

#[test]
fn patient_data_that_lies_in_the_clear_is_counted() {
    let db = database();
    let user = db.sign_up("clear@clinica.example");
    breaks(
        &db,
        &format!(
            "SET LOCAL session_replication_role = replica;
             INSERT INTO public.patients (user_id, name, phone) VALUES ('{user}', 'Ana', NULL), ('{user}', 'Bia', NULL)"
        ),
        "PHI encrypted",
        "2 rows of patients.name",
    );
}

fn spend(service: &mut Session, user: Uuid, operation: &str) -> bool {
    service
        .query_one("SELECT public.use_credits($1, $2)", &[&user, &operation])
        .unwrap()
        .get(0)
}

fn give_back(service: &mut Session, user: Uuid, operation: &str) -> bool {
    service
        .query_one("SELECT public.refund_credits($1, $2)", &[&user, &operation])
        .unwrap()
        .get(0)
}

#[test]
fn a_ledger_in_use_agrees_over_refunds_resets_and_free_uses() {
    let db = database();
    let user = db.sign_up("ledger@clinica.example");
    let (mut service, mut admin) = (db.service(), db.superuser());
    // Free first, then subscribed: the refund of the free use moves no counter.
    assert!(spend(&mut service, user, "case_analysis"));
    admin
        .execute(
            "INSERT INTO public.subscriptions (user_id, plan_id, status) \
             SELECT $1, id, 'active' FROM public.subscription_plans WHERE credits_per_month > 8 LIMIT 1",
            &[&user],
        )
        .unwrap();
    assert!(spend(&mut service, user, "dsd_simulation"));
    assert!(give_back(&mut service, user, "case_analysis"));
    assert_eq!(complaints(&mut admin), []);
    // A refund of the last month pays bonus below a counter of 1, and the counter goes on from 0.
    for _ in 0..2 {
        assert!(spend(&mut service, user, "dsd_simulation"));
    }
    admin.run("UPDATE public.subscriptions SET usage_reset_at = now() - INTERVAL '31 days'");
    service.run("SELECT public.reset_monthly_usage_with_rollover()");
    assert_eq!(complaints(&mut admin), []);
    assert!(spend(&mut service, user, "case_analysis"));
    assert!(give_back(&mut service, user, "dsd_simulation"));
    assert!(spend(&mut service, user, "dsd_simulation"));
    let counter: i32 = admin.value("SELECT credits_used_this_month FROM public.subscriptions");
    let sum: i64 = admin.value(
        "SELECT sum(u.credits_used) FROM public.credit_usage u JOIN public.subscriptions s \
             ON s.id = u.subscription_id AND u.created_at > s.usage_reset_at",
    );
    assert_ne!(i64::from(counter), sum, "the plain sum must not do here");
    assert_eq!(complaints(&mut admin), []);
}

#[test]
fn a_counter_that_the_ledger_does_not_explain_is_told() {
    let db = database();
    let user = db.sign_up_on_plan("wrong@clinica.example", "starter");
    assert!(spend(&mut db.service(), user, "case_analysis"));
    let id: Uuid = db.superuser().value("SELECT id FROM public.subscriptions");
    for statements in [
        "UPDATE public.subscriptions SET credits_used_this_month = 0",
        "DELETE FROM public.credit_usage",
    ] {
        breaks(&db, statements, "ledger", &id.to_string());
    }
}

#[test]
fn what_a_restore_half_way_left_out_is_told_instead_of_an_error() {
    let db = empty_database();
    let mut admin = db.superuser();
    admin.run("SET row_security = off; CREATE EXTENSION auria CASCADE; SET row_security = on");
    let told = complaints(&mut admin);
    for check in [
        "migrations",
        "tables",
        "policies",
        "grants",
        "triggers",
        "PHI encrypted",
        "ledger",
    ] {
        assert!(
            told.iter().any(|(name, _)| name == check),
            "{check}: {told:?}"
        );
    }
    admin.run("SELECT auria.migrate()");
    assert_eq!(complaints(&mut admin), []);
}

#[test]
fn a_missing_pg_trgm_is_told() {
    let db = database();
    // The extension requires it, so only a hand in the catalogue can remove it.
    breaks(
        &db,
        "UPDATE pg_extension SET extname = 'pg_trgm_gone' WHERE extname = 'pg_trgm'",
        "pg_trgm",
        "CREATE EXTENSION pg_trgm",
    );
}
