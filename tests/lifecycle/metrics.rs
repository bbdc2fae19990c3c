//! The numbers for a monitoring system: `auria.metrics()`.

use std::time::{Duration, Instant};

use auria_tests::{As, ClusterOptions, Session, database, refused_with};

/// The value of the only metric with this name and these labels.
#[track_caller]
fn metric(session: &mut Session, name: &str, labels: &str) -> f64 {
    let rows = session
        .query("SELECT value FROM auria.metrics() WHERE metric = $1 AND labels = $2::text::jsonb", &[&name, &labels])
        .unwrap();
    assert_eq!(rows.len(), 1, "{name} {labels}");
    rows[0].get(0)
}

/// How many rows have this name.
fn count(session: &mut Session, name: &str) -> i64 {
    session.query_one("SELECT count(*) FROM auria.metrics() WHERE metric = $1", &[&name]).unwrap().get(0)
}

const GROUPS_NOT_COLLECTED: &str = "SELECT count(*) FROM auria.metrics() WHERE metric = 'collected' AND value <> 1";

#[test]
fn what_happens_is_counted_and_what_is_wrong_shows() {
    let db = database();
    let ana = db.sign_up_on_plan("ana@clinica.example", "price_pro_monthly_v2");
    let (mut service, mut admin) = (db.service(), db.superuser());
    service.run(&format!(
        "SELECT public.use_credits('{ana}', 'case_analysis');
         SELECT public.use_credits('{ana}', 'case_analysis');
         SELECT public.use_credits('{ana}', 'dsd_simulation');
         SELECT public.refund_credits('{ana}', 'dsd_simulation');
         SELECT public.use_credits('{ana}', 'an operation without a price')"
    ));
    admin.run(&format!("INSERT INTO public.patients (user_id, name) VALUES ('{ana}', 'Maria'), ('{ana}', 'José')"));
    for (name, labels, expected) in [
        ("ledger_entries_last_hour", r#"{"operation": "case_analysis", "kind": "charge"}"#, 2.0),
        ("ledger_entries_last_hour", r#"{"operation": "dsd_simulation", "kind": "charge"}"#, 1.0),
        ("ledger_entries_last_hour", r#"{"operation": "dsd_simulation", "kind": "refund"}"#, 1.0),
        ("ledger_entries_last_hour", r#"{"operation": "dsd_simulation", "kind": "free"}"#, 0.0),
        ("ledger_entries_last_hour", r#"{"operation": "other", "kind": "charge"}"#, 1.0),
        ("ledger_credits_last_hour", r#"{"operation": "dsd_simulation", "kind": "refund"}"#, -2.0),
        // One is the event that the subscription was first seen.
        ("ledger_entries_total", "{}", 6.0),
        ("ledger_entries_not_read", "{}", 0.0),
        ("charges_by_rows", "{}", 1.0),
        ("months_overdue", "{}", 0.0),
        ("months_sampled", "{}", 1.0),
        ("bonus_credits_resting", "{}", 0.0),
        ("phi_rows_sampled", r#"{"table": "patients"}"#, 2.0),
        ("phi_not_encrypted_sampled", r#"{"table": "patients", "column": "name"}"#, 0.0),
        ("oldest_pending_purchase_seconds", "{}", 0.0),
        ("doctor_failing", r#"{"check": "policies"}"#, 0.0),
    ] {
        assert_eq!(metric(&mut service, name, labels), expected, "{name} {labels}");
    }
    assert_eq!(service.value::<i64>(GROUPS_NOT_COLLECTED), 0);

    admin.run(&format!(
        "UPDATE public.subscriptions SET credits_bonus = credits_bonus + 3;
         UPDATE public.subscriptions SET usage_reset_at = now() - interval '32 days';
         ALTER TABLE public.patients DISABLE TRIGGER USER;
         UPDATE public.patients SET name_encrypted = NULL WHERE name = 'Maria';
         ALTER TABLE public.patients ENABLE TRIGGER USER;
         INSERT INTO public.credit_pack_purchases (user_id, pack_id, credits, amount, status, created_at)
         SELECT '{ana}', 'pack_10', 10, 2900, status, now() - age
           FROM (VALUES ('pending', interval '2 hours'), ('pending', interval '1 hour'), ('completed', interval '3 hours')) AS p (status, age);
         DROP POLICY patients_select_own ON public.patients;
         ANALYZE public.patients"
    ));
    let age = metric(&mut service, "oldest_pending_purchase_seconds", "{}");
    assert!((7200.0..7300.0).contains(&age), "{age}");
    for (name, labels, expected) in [
        // The event of the credits that somebody gave is no entry that was missed.
        ("ledger_entries_not_read", "{}", 0.0),
        ("months_overdue", "{}", 1.0),
        ("phi_not_encrypted_sampled", r#"{"table": "patients", "column": "name"}"#, 1.0),
        ("phi_not_encrypted_sampled", r#"{"table": "patients", "column": "email"}"#, 0.0),
        ("pending_purchases", "{}", 2.0),
        ("doctor_failing", r#"{"check": "policies"}"#, 1.0),
        ("doctor_failing", r#"{"check": "triggers"}"#, 0.0),
        ("rows_estimate", r#"{"table": "patients"}"#, 2.0),
    ] {
        assert_eq!(metric(&mut service, name, labels), expected, "{name} {labels}");
    }
}

#[test]
fn calls_are_counted_where_postgresql_counts_them() {
    let server = ClusterOptions::default().setting("track_functions", "all").start();
    let db = server.database();
    let ana = db.sign_up_on_plan("ana@clinica.example", "starter");
    db.superuser().run(
        "UPDATE public.subscriptions SET credits_used_this_month =
            (SELECT credits_per_month FROM public.subscription_plans WHERE id = plan_id) - 1",
    );
    // Of three charges one is allowed: what was refused is the difference between calls and entries.
    let mut service = db.service();
    let charged: Vec<bool> =
        (0..3).map(|_| service.value(&format!("SELECT public.use_credits('{ana}', 'case_analysis')"))).collect();
    assert_eq!(charged, [true, false, false]);
    drop(service);
    let mut monitor = db.service();
    let deadline = Instant::now() + Duration::from_secs(10);
    // A session reports its counters when it ends.
    while count(&mut monitor, "function_calls_total") == 0 {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(metric(&mut monitor, "function_calls_total", r#"{"function": "use_credits"}"#), 3.0);
    // Beside the charge there are two events: the subscription was first seen, and its counter was written by hand.
    assert_eq!(metric(&mut monitor, "ledger_entries_total", "{}"), 3.0);
}

#[test]
fn one_group_is_asked_alone_and_one_that_fails_leaves_the_others() {
    let db = database();
    let mut service = db.service();
    assert_eq!(
        service
            .value::<String>("SELECT string_agg(DISTINCT metric, ' ' ORDER BY metric) FROM auria.metrics('purchases')"),
        "collected oldest_pending_purchase_seconds pending_purchases"
    );
    refused_with(service.query("SELECT * FROM auria.metrics('none')", &[]), "22023");
    db.superuser().run("DROP TABLE public.credit_pack_purchases CASCADE");
    assert_eq!(metric(&mut service, "collected", r#"{"group": "purchases"}"#), 0.0);
    assert_eq!(service.value::<i64>(GROUPS_NOT_COLLECTED), 1);
    assert_eq!(count(&mut service, "ledger_entries_total"), 1);
    assert_eq!(metric(&mut service, "doctor_failing", r#"{"check": "tables"}"#), 1.0);
}

#[test]
fn metrics_are_for_the_backend_and_for_an_exporter_that_may_do_nothing_else() {
    let db = database();
    let ana = db.sign_up("ana@clinica.example");
    for role in [As::Anon, As::User(ana)] {
        refused_with(db.session(role).query("SELECT * FROM auria.metrics()", &[]), "42501");
    }
    db.superuser().run(
        "DO $$ BEGIN CREATE ROLE metrics_test_exporter LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
         GRANT USAGE ON SCHEMA auria TO metrics_test_exporter;
         GRANT EXECUTE ON FUNCTION auria.metrics(text) TO metrics_test_exporter",
    );
    let mut exporter = db.session(As::Role("metrics_test_exporter"));
    assert_eq!(exporter.value::<i64>(GROUPS_NOT_COLLECTED), 0);
    refused_with(exporter.query("SELECT FROM public.patients", &[]), "42501");
}

#[test]
fn a_replica_has_metrics_too() {
    let primary = ClusterOptions::default().start();
    let db = primary.database();
    let ana = db.sign_up_on_plan("ana@clinica.example", "starter");
    db.service().run(&format!("SELECT public.use_credits('{ana}', 'case_analysis')"));
    let standby = primary.standby();
    let mut monitor = standby.session(db.name(), As::Service);
    assert_eq!(monitor.value::<i64>(GROUPS_NOT_COLLECTED), 0);
    assert_eq!(
        metric(&mut monitor, "ledger_entries_last_hour", r#"{"operation": "case_analysis", "kind": "charge"}"#),
        1.0
    );
}
