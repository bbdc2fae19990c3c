//! `auria.doctor()`: each test breaks one thing, and the check of that thing,
//! and no other, says so.

use auria_tests::{ClusterOptions, Database, Session, database, empty_database, refused_with};
use uuid::Uuid;

/// The checks that fail, with what they say.
pub fn complaints(session: &mut Session) -> Vec<(String, String)> {
    session
        .query(r#"SELECT "check", detail FROM auria.doctor() WHERE NOT ok"#, &[])
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect()
}

/// Breaks a healthy database and expects one check to name what was broken.
#[track_caller]
pub fn breaks(db: &Database, statements: &str, check: &str, named: &str) {
    let mut admin = db.superuser();
    assert_eq!(complaints(&mut admin), [], "before {statements}");
    // A transaction of its own, taken back: the next thing is broken in a healthy database.
    admin.run(&format!("BEGIN; {statements}"));
    let complaints = complaints(&mut admin);
    admin.run("ROLLBACK");
    assert_eq!(complaints.len(), 1, "after {statements}: {complaints:?}");
    assert_eq!(complaints[0].0, check, "after {statements}");
    assert!(complaints[0].1.contains(named), "after {statements}: {complaints:?}");
}

#[test]
fn a_fresh_database_is_well_and_the_backend_may_ask() {
    let db = database();
    let rows = db.service().query(r#"SELECT "check", ok, detail FROM auria.doctor()"#, &[]).unwrap();
    let checks: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    for check in ["versions", "functions", "API roles", "PHI key", "ledger", "subscriptions", "plans", "jobs"] {
        assert!(checks.contains(&check), "{check} in {checks:?}");
    }
    for row in &rows {
        assert!(row.get::<_, bool>(1), "{row:?}");
        let note = if row.get::<_, &str>(0) == "charges" { "note: charges go by rows" } else { "" };
        assert_eq!(row.get::<_, &str>(2), note);
    }
    let user = db.sign_up("curious@clinica.example");
    refused_with(db.anon().query("SELECT auria.doctor()", &[]), "42501");
    refused_with(db.authenticated(user).query("SELECT auria.doctor()", &[]), "42501");
}

#[test]
fn it_answers_in_a_transaction_that_may_not_write() {
    let db = database();
    let mut service = db.service();
    service.run("BEGIN READ ONLY");
    assert_eq!(complaints(&mut service), []);
    assert_eq!(service.value::<Option<String>>("SELECT pg_current_xact_id_if_assigned()::text"), None);
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
fn a_version_other_than_the_librarys_is_reported() {
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
fn migrations_pending_changed_or_unrecorded_are_reported() {
    let db = database();
    for (statements, named) in [
        ("DELETE FROM auria.migrations WHERE number = 7", "007_stripe_mapping is pending"),
        ("UPDATE auria.migrations SET sha256 = repeat('0', 64) WHERE number = 3", "003_rate_limiting has changed"),
        ("DELETE FROM auria.migrations", " more"),
    ] {
        breaks(&db, statements, "migrations", named);
    }
}

#[test]
fn row_security_that_was_turned_off_is_reported() {
    let db = database();
    for table in ["public.patients", "auria.migrations", "storage.objects"] {
        breaks(&db, &format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"), "row security", table);
    }
}

#[test]
fn a_policy_that_is_gone_or_says_something_else_is_reported() {
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
        breaks(&db, statements, "policies", "public.patients patients_select_own");
    }
    breaks(
        &db,
        "ALTER POLICY patients_update_own ON public.patients WITH CHECK (true)",
        "policies",
        "public.patients patients_update_own",
    );
}

#[test]
fn a_policy_beside_the_managed_ones_is_reported_only_if_it_is_over_permissive() {
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
fn an_excess_or_missing_right_is_reported() {
    let db = database();
    for (statements, named) in [
        ("GRANT SELECT ON public.patients TO anon", "anon may select from public.patients"),
        ("GRANT TRUNCATE ON public.patients TO authenticated", "authenticated may truncate public.patients"),
        (
            "GRANT SELECT (patient_name) ON public.evaluations TO anon",
            "anon may select column patient_name of public.evaluations",
        ),
        ("REVOKE SELECT (tooth) ON public.evaluations FROM anon", "missing or changed: public.evaluations anon"),
        ("GRANT SELECT ON public.subscriptions TO PUBLIC", "PUBLIC may select from public.subscriptions"),
        (
            "REVOKE INSERT ON public.credit_usage FROM service_role",
            "missing or changed: public.credit_usage service_role",
        ),
        (
            "GRANT EXECUTE ON FUNCTION public.phi_decrypt(bytea) TO authenticated",
            "authenticated may execute public.phi_decrypt(bytea)",
        ),
        ("GRANT EXECUTE ON FUNCTION auria.migrate(boolean) TO PUBLIC", "PUBLIC may execute auria.migrate(boolean)"),
    ] {
        breaks(&db, statements, "grants", named);
    }
}

#[test]
fn an_owner_who_is_not_trusted_is_reported_unless_the_setting_names_him() {
    let db = database();
    db.superuser()
        .run("DO $$ BEGIN CREATE ROLE agency; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$");
    for object in [
        "TABLE public.payment_history",
        "FUNCTION public.use_credits(uuid, text)",
        "FUNCTION auria.phi_status()",
        "SCHEMA auria",
    ] {
        breaks(&db, &format!("ALTER {object} OWNER TO agency"), "owners", "agency");
    }
    let mut admin = db.superuser();
    admin.run("ALTER TABLE public.payment_history OWNER TO agency; SET auria.trusted_owners = 'agency'");
    assert_eq!(complaints(&mut admin), []);
}

/// The detail of a check, whether it fails or not.
pub fn detail(session: &mut Session, check: &str) -> String {
    session.value(&format!(r#"SELECT detail FROM auria.doctor() WHERE "check" = '{check}'"#))
}

#[test]
fn a_function_that_a_team_replaced_is_a_note_and_no_failure() {
    let db = database();
    let mut admin = db.superuser();
    admin.run(
        "CREATE OR REPLACE FUNCTION public.use_credits(p_user_id uuid, p_operation text) RETURNS boolean \
         LANGUAGE sql SECURITY DEFINER AS 'SELECT true'",
    );
    assert_eq!(complaints(&mut admin), []);
    assert_eq!(
        detail(&mut admin, "functions"),
        "note: public.use_credits(uuid,text) is not the compiled function; to restore that, \
         run SELECT auria.restore_function('public.use_credits(uuid,text)')"
    );
}

#[test]
fn a_function_that_is_missing_or_that_everybody_may_execute_is_reported() {
    let db = database();
    breaks(
        &db,
        "DROP FUNCTION public.use_credits(uuid, text)",
        "functions",
        "public.use_credits(uuid,text) is missing",
    );
    breaks(
        &db,
        "DROP FUNCTION public.use_credits(uuid, text); \
         CREATE FUNCTION public.use_credits(p_user_id uuid, p_operation text) RETURNS boolean \
             LANGUAGE sql AS 'SELECT true'",
        "functions",
        "PUBLIC may execute public.use_credits(uuid,text)",
    );
}

#[test]
fn an_overload_is_a_note() {
    let db = database();
    let mut admin = db.superuser();
    admin.run(
        "CREATE FUNCTION public.use_credits(p_user_id uuid, p_operation text, p_amount integer) RETURNS boolean \
         LANGUAGE sql AS 'SELECT true'",
    );
    assert_eq!(complaints(&mut admin), []);
    assert!(detail(&mut admin, "functions").contains("use_credits(uuid,text,integer) is an overload"));
}

#[test]
fn api_roles_with_attributes_that_open_the_tables_are_reported() {
    let db = database();
    for (statement, expected) in [
        ("ALTER ROLE service_role NOBYPASSRLS", "run ALTER ROLE service_role BYPASSRLS"),
        ("ALTER ROLE anon BYPASSRLS", "run ALTER ROLE anon NOBYPASSRLS"),
        ("ALTER ROLE authenticated SUPERUSER", "run ALTER ROLE authenticated NOSUPERUSER"),
        ("ALTER ROLE authenticated CREATEROLE", "run ALTER ROLE authenticated NOCREATEROLE"),
        ("GRANT service_role TO authenticated", "run REVOKE service_role FROM authenticated"),
    ] {
        breaks(&db, statement, "API roles", expected);
    }
}

#[test]
fn row_security_that_holds_for_the_owner_is_reported() {
    breaks(
        &database(),
        "ALTER TABLE public.rate_limits FORCE ROW LEVEL SECURITY",
        "row security",
        "ALTER TABLE public.rate_limits NO FORCE ROW LEVEL SECURITY",
    );
}

#[test]
fn what_runs_with_a_superusers_rights_is_reported() {
    let db = database();
    for (statements, expected) in [
        (
            "CREATE FUNCTION public.own() RETURNS integer LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
            "public.own() runs with the rights of superuser",
        ),
        (
            "ALTER FUNCTION public.use_credits(uuid, text) OWNER TO CURRENT_USER",
            "run ALTER FUNCTION public.use_credits(uuid,text) OWNER TO auria_owner",
        ),
        ("ALTER TABLE public.resins OWNER TO CURRENT_USER", "run ALTER TABLE public.resins OWNER TO auria_owner"),
    ] {
        breaks(&db, statements, "owners", expected);
    }
}

#[test]
fn a_trigger_function_of_an_untrusted_role_is_reported() {
    let db = database();
    db.superuser()
        .run("DO $$ BEGIN CREATE ROLE agency; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$");
    breaks(
        &db,
        "CREATE FUNCTION public.spy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; \
         ALTER FUNCTION public.spy() OWNER TO agency; \
         CREATE TRIGGER spy BEFORE INSERT ON public.patients FOR EACH ROW EXECUTE FUNCTION public.spy()",
        "owners",
        "trigger function public.spy() on table public.patients, which belongs to role \"agency\"",
    );
}

#[test]
fn a_plan_that_is_sold_or_subscribed_to_and_grants_nothing_is_reported() {
    let db = database();
    breaks(
        &db,
        "UPDATE public.subscription_plans SET credits_per_month = 0 WHERE id = 'price_pro_monthly_v2'",
        "plans",
        "plan price_pro_monthly_v2 grants no credits",
    );
    let user = db.sign_up("plan@clinica.example");
    breaks(
        &db,
        &format!(
            "INSERT INTO public.subscription_plans (id, name, price_monthly, is_active) VALUES ('old', 'Old', 0, false); \
             INSERT INTO public.subscriptions (user_id, plan_id, status) VALUES ('{user}', 'old', 'active')"
        ),
        "plans",
        "plan old grants no credits",
    );
}

#[test]
fn a_second_subscription_of_a_user_is_reported() {
    let db = database();
    let user = db.sign_up_on_plan("twice@clinica.example", "starter");
    let mut admin = db.superuser();
    admin.run(&format!(
        "ALTER TABLE public.subscriptions DROP CONSTRAINT subscriptions_user_unique; \
         INSERT INTO public.subscriptions (user_id, plan_id, status) VALUES ('{user}', 'starter', 'active')"
    ));
    let said = complaints(&mut admin);
    assert_eq!(said.iter().map(|(check, _)| check.as_str()).collect::<Vec<_>>(), ["constraints", "subscriptions"]);
    assert!(said[0].1.contains("subscriptions_user_unique") && said[1].1.contains(&user.to_string()), "{said:?}");
}

#[test]
fn a_check_that_fails_with_an_error_is_reported_and_the_others_answer() {
    let db = database();
    let mut admin = db.superuser();
    let all = "SELECT count(*) FROM auria.doctor()";
    let before: i64 = admin.value(all);
    admin.run("BEGIN; ALTER TABLE public.subscription_plans DROP COLUMN price_monthly");
    assert_eq!(admin.value::<i64>(all), before);
    let complaints = complaints(&mut admin);
    admin.run("ROLLBACK");
    let checks: Vec<&str> = complaints.iter().map(|(check, _)| check.as_str()).collect();
    assert_eq!(checks, ["columns", "constraints", "plans"], "{complaints:?}");
    assert!(complaints[2].1.contains("42703"), "{complaints:?}");
}

/// The statements that a detail advises to run.
fn advice(detail: &str) -> Vec<String> {
    detail
        .split("; ")
        .filter_map(|part| part.rsplit_once("run "))
        .map(|(_, statement)| {
            let mut statement = statement.to_owned();
            while statement.matches(')').count() > statement.matches('(').count() {
                statement.pop();
            }
            statement
        })
        .collect()
}

#[test]
fn the_advice_of_every_check_works() {
    let user = "00000000-0000-4000-8000-0000000000d0";
    for broken in [
        "DELETE FROM auria.migrations WHERE number = 7",
        "UPDATE auria.migrations SET sha256 = repeat('0', 64) WHERE number = 3",
        "DROP TABLE public.prompt_executions",
        "ALTER TABLE public.patients DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE public.patients FORCE ROW LEVEL SECURITY",
        "DROP POLICY patients_select_own ON public.patients",
        "ALTER POLICY patients_select_own ON public.patients USING (true)",
        "CREATE POLICY debugging ON public.patients FOR SELECT TO PUBLIC USING (true)",
        "REVOKE SELECT (tooth) ON public.evaluations FROM anon",
        "REVOKE EXECUTE ON FUNCTION public.use_credits(uuid, text) FROM service_role",
        "GRANT TRUNCATE ON public.patients TO authenticated",
        "ALTER FUNCTION public.use_credits(uuid, text) OWNER TO CURRENT_USER",
        "ALTER TABLE public.resins OWNER TO CURRENT_USER",
        "DROP FUNCTION public.use_credits(uuid, text)",
        "CREATE OR REPLACE FUNCTION public.use_credits(p_user_id uuid, p_operation text) RETURNS boolean \
             LANGUAGE sql SECURITY DEFINER AS 'SELECT true'",
        "DROP FUNCTION public.get_credit_cost(text); \
         CREATE FUNCTION public.get_credit_cost(p_operation text) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "DROP TRIGGER encrypt_patients_phi_trigger ON public.patients",
        "ALTER TABLE public.patients DISABLE TRIGGER encrypt_patients_phi_trigger",
        &format!(
            "INSERT INTO auth.users (id) VALUES ('{user}'); SET LOCAL session_replication_role = replica; \
             INSERT INTO public.patients (user_id, name) VALUES ('{user}', 'Ana'); \
             SET LOCAL session_replication_role = origin"
        ),
    ] {
        let db = database();
        let mut admin = db.superuser();
        admin.run(&format!("BEGIN; {broken}; COMMIT"));
        // Each round of advice may uncover the next, but not for ever.
        for round in 0..3 {
            let open: Vec<String> = admin
                .query("SELECT detail FROM auria.doctor() WHERE detail NOT IN ('', 'note: charges go by rows')", &[])
                .unwrap()
                .iter()
                .map(|row| row.get(0))
                .collect();
            let statements: Vec<String> = open.iter().flat_map(|detail| advice(detail)).collect();
            if open.is_empty() {
                assert_ne!(round, 0, "nothing was reported after {broken}");
                break;
            }
            assert!(!statements.is_empty(), "no advice after {broken}: {open:?}");
            for statement in statements {
                admin
                    .batch_execute(&statement)
                    .unwrap_or_else(|error| panic!("after {broken}: {statement}: {error:?}"));
            }
        }
        assert_eq!(complaints(&mut admin), [], "after {broken}");
        let notes = "SELECT string_agg(detail, ' ') FROM auria.doctor() WHERE detail <> ''";
        assert_eq!(admin.value::<String>(notes), "note: charges go by rows", "after {broken}");
    }
}

#[test]
fn a_trigger_that_is_gone_or_disabled_is_reported() {
    let db = database();
    for statements in [
        "ALTER TABLE public.patients DISABLE TRIGGER encrypt_patients_phi_trigger",
        "DROP TRIGGER encrypt_patients_phi_trigger ON public.patients",
    ] {
        breaks(&db, statements, "triggers", "encrypt_patients_phi_trigger");
    }
}

#[test]
fn a_key_that_is_missing_or_refused_is_reported_and_a_good_one_never_shown() {
    let cluster = ClusterOptions::default().start();
    let db = cluster.database();
    breaks(&db, "SET LOCAL auria.phi_key_file = ''", "PHI key", "no key");
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
    service.query_one("SELECT public.use_credits($1, $2)", &[&user, &operation]).unwrap().get(0)
}

fn give_back(service: &mut Session, user: Uuid, operation: &str) -> bool {
    service.query_one("SELECT public.refund_credits($1, $2)", &[&user, &operation]).unwrap().get(0)
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
fn a_counter_that_the_ledger_does_not_explain_is_reported() {
    let db = database();
    let user = db.sign_up_on_plan("wrong@clinica.example", "starter");
    assert!(spend(&mut db.service(), user, "case_analysis"));
    let id: Uuid = db.superuser().value("SELECT id FROM public.subscriptions");
    let unseen =
        "SET LOCAL session_replication_role = replica; UPDATE public.subscriptions SET credits_used_this_month = 0";
    for statements in [unseen, "DELETE FROM public.credit_usage", "DELETE FROM public.credit_events"] {
        breaks(&db, statements, "ledger", &id.to_string());
    }
}

#[test]
fn what_an_incomplete_restore_left_out_is_reported_instead_of_an_error() {
    let db = empty_database();
    let mut admin = db.superuser();
    admin.run("SET row_security = off; CREATE EXTENSION auria CASCADE; SET row_security = on");
    let reported = complaints(&mut admin);
    for check in ["migrations", "tables", "policies", "grants", "triggers", "PHI encrypted", "ledger"] {
        assert!(reported.iter().any(|(name, _)| name == check), "{check}: {reported:?}");
    }
    admin.run("SELECT auria.migrate()");
    assert_eq!(complaints(&mut admin), []);
}

#[test]
fn a_missing_pg_trgm_is_reported() {
    let db = database();
    // The extension requires it, so only a hand in the catalogue can remove it.
    breaks(
        &db,
        "UPDATE pg_extension SET extname = 'pg_trgm_gone' WHERE extname = 'pg_trgm'",
        "pg_trgm",
        "CREATE EXTENSION pg_trgm",
    );
}
