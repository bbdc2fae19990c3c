//! Charges that were refused, as `auria.metrics()` counts them: without a row, a lock or a name that a caller chose.

use auria_tests::{As, ClusterOptions, Database, Session, database};
use uuid::Uuid;

/// The counters, by operation.
fn refused(monitor: &mut Session) -> Vec<(String, f64)> {
    monitor
        .query(
            "SELECT labels ->> 'operation', value FROM auria.metrics('refusals')
              WHERE metric = 'charges_refused_total' ORDER BY 1",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect()
}

fn expected(case_analysis: f64, dsd_simulation: f64, other: f64) -> Vec<(String, f64)> {
    vec![
        ("case_analysis".to_owned(), case_analysis),
        ("dsd_simulation".to_owned(), dsd_simulation),
        ("other".to_owned(), other),
    ]
}

fn charge(session: &mut Session, user: Uuid, operation: &str) -> bool {
    session.query_one("SELECT public.use_credits($1, $2)", &[&user, &operation]).unwrap().get(0)
}

/// A dentist with this many credits left.
fn dentist(db: &Database<'_>, email: &str, left: i32) -> Uuid {
    let user = db.sign_up_on_plan(email, "price_essencial_monthly");
    db.superuser().run(&format!(
        "UPDATE public.subscriptions SET credits_used_this_month =
            (SELECT credits_per_month FROM public.subscription_plans WHERE id = plan_id) - {left} WHERE user_id = '{user}'"
    ));
    user
}

#[test]
fn refused_charges_are_counted_by_operation_and_allowed_ones_are_not() {
    let db = database();
    let (ana, free) = (dentist(&db, "ana@clinica.example", 2), db.sign_up("bia@clinica.example"));
    let mut service = db.service();
    assert_eq!(refused(&mut service), expected(0.0, 0.0, 0.0));
    assert!(charge(&mut service, ana, "case_analysis"));
    assert!(!charge(&mut service, ana, "dsd_simulation"));
    assert!(charge(&mut service, ana, "case_analysis"));
    assert!(!charge(&mut service, ana, "case_analysis"));
    assert!(!charge(&mut service, ana, "case_analysis"));
    // With a reference, without a subscription, and of an operation without a counter.
    let reference = Uuid::new_v4();
    for _ in 0..2 {
        let charged: bool = service
            .query_one("SELECT public.use_credits($1, 'case_analysis', $2)", &[&ana, &reference])
            .unwrap()
            .get(0);
        assert!(!charged);
    }
    assert!(!charge(&mut service, free, "weekly_digest"));
    assert_eq!(refused(&mut service), expected(4.0, 1.0, 1.0));

    // A question, and a refund that finds nothing, are no charges.
    service.run(&format!(
        "SELECT public.can_use_credits('{ana}', 'case_analysis');
         SELECT public.refund_credits('{ana}', 'dsd_simulation');
         BEGIN; SELECT public.use_credits('{ana}', 'dsd_simulation'); ROLLBACK"
    ));
    // Rolled back or not: it was refused.
    assert_eq!(refused(&mut service), expected(4.0, 2.0, 1.0));
    assert_eq!(db.superuser().value::<i64>("SELECT count(*) FROM public.credit_usage"), 2);
}

#[test]
fn a_caller_who_invents_operations_makes_neither_a_series_nor_a_table_grow() {
    let db = database();
    let free = db.sign_up("ana@clinica.example");
    let (mut service, mut admin) = (db.service(), db.superuser());
    let size = "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class
                 WHERE relnamespace IN ('public'::regnamespace, 'auria'::regnamespace) AND relkind IN ('r', 'S')";
    let before: i64 = admin.value(size);
    service.run(&format!(
        "SELECT public.use_credits('{free}', 'invented ' || n) FROM generate_series(1, 3000) AS n;
         SELECT public.use_credits('{free}', repeat('ã', 100));
         SELECT public.use_credits('{free}', 'other')"
    ));
    assert_eq!(admin.value::<i64>(size), before);
    assert_eq!(refused(&mut service), expected(0.0, 0.0, 3002.0));
}

#[test]
fn a_refused_charge_in_an_open_transaction_lets_others_be_refused() {
    let db = database();
    let (ana, bia) = (dentist(&db, "ana@clinica.example", 0), dentist(&db, "bia@clinica.example", 0));
    let mut open = db.service();
    open.run(&format!("BEGIN; SELECT public.use_credits('{ana}', 'case_analysis')"));
    let mut other = db.service();
    other.run("SET lock_timeout = '1s'");
    for _ in 0..40 {
        assert!(!charge(&mut other, bia, "case_analysis"));
    }
    assert_eq!(refused(&mut other), expected(41.0, 0.0, 0.0));
    open.run("ROLLBACK");
    assert_eq!(refused(&mut other), expected(41.0, 0.0, 0.0));
}

#[test]
fn a_team_counts_its_own_operation_and_a_counter_that_is_gone_stops_nobody() {
    let db = database();
    let ana = dentist(&db, "ana@clinica.example", 0);
    let (mut service, mut admin) = (db.service(), db.superuser());
    let page = include_str!("../../docs/monitoring/README.md");
    let statements = page
        .split_once("auria.refused_weekly_digest")
        .and_then(|(before, after)| {
            let start = before.rfind("```sql\n")? + "```sql\n".len();
            let end = after.find("```")?;
            Some(format!("{}auria.refused_weekly_digest{}", &before[start..], &after[..end]))
        })
        .unwrap();
    admin.run(&statements);
    assert!(!charge(&mut service, ana, "weekly_digest"));
    let mut counted = expected(0.0, 0.0, 0.0);
    counted.push(("weekly_digest".to_owned(), 1.0));
    assert_eq!(refused(&mut service), counted);

    // One that the functions may not use counts nothing; nor do those that are gone.
    admin.run("ALTER SEQUENCE auria.refused_weekly_digest OWNER TO CURRENT_USER");
    assert!(!charge(&mut service, ana, "weekly_digest"));
    assert_eq!(refused(&mut service), expected(0.0, 0.0, 1.0));
    admin.run("DROP SEQUENCE auria.refused_other, auria.refused_case_analysis");
    assert!(!charge(&mut service, ana, "weekly_digest"));
    assert!(!charge(&mut service, ana, "case_analysis"));
    assert_eq!(refused(&mut service), [("dsd_simulation".to_owned(), 0.0)]);
    // The next migration makes them again, and gives the team's to the owner of the schema.
    admin.run("SELECT auria.migrate()");
    assert!(!charge(&mut service, ana, "case_analysis"));
    counted[0].1 = 1.0;
    assert_eq!(refused(&mut service), counted);
}

#[test]
fn a_standby_shows_refusals_and_goes_on_counting_when_it_leads() {
    let primary = ClusterOptions::default().start();
    let db = primary.database();
    let ana = dentist(&db, "ana@clinica.example", 0);
    assert!(!charge(&mut db.service(), ana, "case_analysis"));
    let standby = primary.standby();
    let mut monitor = standby.session(db.name(), As::Service);
    // WAL has a sequence's number in steps of 32.
    let seen = refused(&mut monitor)[0].1;
    assert!((1.0..=33.0).contains(&seen), "{seen}");
    primary.stop_immediately();
    standby.superuser(db.name()).run("SELECT pg_promote()");
    assert!(!charge(&mut monitor, ana, "case_analysis"));
    assert_eq!(refused(&mut monitor)[0].1, seen + 1.0);
}

#[test]
fn api_roles_can_neither_read_nor_move_the_counters() {
    let db = database();
    let mut admin = db.superuser();
    let counters = "SELECT count(*) FROM pg_class WHERE relnamespace = 'auria'::regnamespace AND relkind = 'S'
                       AND relname LIKE 'refused\\_%'";
    assert_eq!(admin.value::<i64>(counters), 3);
    for role in ["anon", "authenticated", "service_role"] {
        for right in ["SELECT", "USAGE", "UPDATE"] {
            assert_eq!(
                admin.value::<i64>(&format!("{counters} AND has_sequence_privilege('{role}', oid, '{right}')")),
                0,
                "{role} {right}"
            );
        }
    }
}

#[test]
fn the_counters_are_in_a_dump() {
    let db = database();
    let ana = dentist(&db, "ana@clinica.example", 0);
    for _ in 0..3 {
        assert!(!charge(&mut db.service(), ana, "dsd_simulation"));
    }
    let restored = db.cluster().empty_database();
    db.dump_into(db.cluster(), restored.name());
    let mut service = restored.service();
    assert_eq!(refused(&mut service), expected(0.0, 3.0, 0.0));
    assert!(!charge(&mut service, ana, "dsd_simulation"));
    assert_eq!(refused(&mut service), expected(0.0, 4.0, 0.0));
}
