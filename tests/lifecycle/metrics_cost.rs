//! What `auria.metrics()` reads does not grow with the ledger, nor with the last hour.

use auria_tests::{Database, Session, database};
use uuid::Uuid;

use crate::support::legacy::{ANA, LAST, database_at};

/// Entries of the ledger as if charged one after the other, the last one at this time before now, without its indexes:
/// the metrics use none of them.
fn charged(admin: &mut Session, user: Uuid, entries: i64, seconds_between: f64, until: &str) {
    admin.run(&format!(
        "SET session_replication_role = replica;
         INSERT INTO public.credit_usage (user_id, operation, credits_used, is_free, created_at)
         SELECT '{user}', CASE n % 4 WHEN 0 THEN 'dsd_simulation' ELSE 'case_analysis' END, 1, false,
                now() - interval '{until}' - ({entries} - n) * interval '{seconds_between} seconds'
           FROM generate_series(1, {entries}) AS n;
         RESET session_replication_role"
    ));
}

fn without_indexes(db: &Database<'_>) -> Session {
    let mut admin = db.superuser();
    admin.run(
        "DROP INDEX public.idx_credit_usage_user_entry, public.idx_credit_usage_free, public.idx_credit_usage_created_at;
         ALTER TABLE public.credit_usage DROP CONSTRAINT credit_usage_pkey CASCADE, SET (autovacuum_enabled = off)",
    );
    admin
}

/// Blocks that a call reads, cached or not. Measured at the second call of a session, which finds the catalogue cached.
fn blocks(session: &mut Session, group: &str) -> i64 {
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM auria.metrics({group})");
    session.run(&explain);
    let plan: serde_json::Value = session.query_one(&explain, &[]).unwrap().get(0);
    let plan = &plan[0]["Plan"];
    ["Shared Hit Blocks", "Shared Read Blocks"].iter().map(|name| plan[name].as_i64().unwrap()).sum()
}

#[track_caller]
fn metric(session: &mut Session, name: &str, operation: Option<&str>) -> f64 {
    session
        .query_one(
            "SELECT value FROM auria.metrics('ledger') WHERE metric = $1
                AND labels ->> 'operation' IS NOT DISTINCT FROM $2 AND COALESCE(labels ->> 'kind', 'charge') = 'charge'",
            &[&name, &operation],
        )
        .unwrap()
        .get(0)
}

#[test]
fn a_million_entries_in_the_last_hour_cost_what_fifty_thousand_do() {
    let db = database();
    let ana = db.sign_up("ana@clinica.example");
    let mut admin = without_indexes(&db);
    charged(&mut admin, ana, 50_000, 0.003, "0 seconds");
    let mut service = db.service();
    let few = blocks(&mut service, "'ledger'");
    // All of the table's end is new, not vacuumed, and of the last hour.
    charged(&mut admin, ana, 950_000, 0.003, "0 seconds");
    let many = blocks(&mut service, "'ledger'");
    assert!(few > 400, "it reads the ledger: {few}");
    assert!(many < few + few / 10 && many < 1_500, "{few} blocks at 50,000 entries, {many} at a million");
    let all = blocks(&mut service, "");
    assert!(all < 20_000, "all groups read {all} blocks");

    // 333 a second, of which a quarter are simulations: extrapolated from what is read.
    let cases = metric(&mut service, "ledger_entries_last_hour", Some("case_analysis"));
    let simulations = metric(&mut service, "ledger_entries_last_hour", Some("dsd_simulation"));
    assert!((2.0..4.0).contains(&(cases / simulations)), "{cases} {simulations}");
    let total = cases + simulations;
    assert!((600_000.0..1_800_000.0).contains(&total), "{total}");
    let seconds = metric(&mut service, "ledger_seconds_read", None);
    assert!((10.0..600.0).contains(&seconds), "{seconds}");
    assert_eq!(metric(&mut service, "ledger_entries_not_read", None), 0.0);
}

#[test]
fn the_last_hour_is_exact_behind_a_long_ledger_and_beside_what_was_written_anew() {
    let db = database();
    let ana = db.sign_up_on_plan("ana@clinica.example", "price_elite_monthly");
    let mut admin = without_indexes(&db);
    charged(&mut admin, ana, 60_000, 1.0, "2 hours");
    let mut service = db.service();
    for _ in 0..5 {
        service.run(&format!("SELECT public.use_credits('{ana}', 'case_analysis')"));
    }
    // Old entries written anew lie among the newest ones.
    admin.run(
        "SET session_replication_role = replica;
         UPDATE public.credit_usage SET counterpart = 1 WHERE entry % 6 = 0 AND entry <= 60000",
    );
    service.run(&format!("SELECT public.use_credits('{ana}', 'case_analysis')"));
    let read = metric(&mut service, "ledger_entries_last_hour", Some("case_analysis"));
    assert_eq!(read, 6.0);
    assert_eq!(metric(&mut service, "ledger_seconds_read", None), 3600.0);

    // New entries that go elsewhere are not counted, and that shows.
    admin.run("DELETE FROM public.credit_usage WHERE entry < 30000");
    admin.run("VACUUM public.credit_usage");
    for _ in 0..3 {
        service.run(&format!("SELECT public.use_credits('{ana}', 'case_analysis')"));
    }
    assert_eq!(metric(&mut service, "ledger_entries_not_read", None), 3.0);
}

#[test]
fn the_partitions_of_the_month_are_read() {
    let db = database();
    let ana = db.sign_up_on_plan("ana@clinica.example", "price_elite_monthly");
    let mut admin = db.superuser();
    crate::lifecycle::partitions::partition_the_ledger(&mut admin);
    admin.run("SELECT FROM auria.migrate(again => true)");
    admin.run(&format!(
        "INSERT INTO public.credit_usage (user_id, operation, credits_used, created_at)
         SELECT '{ana}', 'case_analysis', 1, '2024-05-01' FROM generate_series(1, 100)"
    ));
    let mut service = db.service();
    let entries = |service: &mut Session| metric(service, "ledger_entries_last_hour", Some("case_analysis"));
    assert_eq!(entries(&mut service), 0.0);
    service.run(&format!("SELECT public.use_credits('{ana}', 'case_analysis')"));
    assert_eq!(entries(&mut service), 1.0);
    let refused: i64 =
        service.value("SELECT count(*) FROM auria.metrics('ledger') WHERE metric = 'collected' AND value = 0");
    assert_eq!(refused, 0);
}

#[test]
fn the_entries_of_an_adopted_ledger_are_followed_by_new_ones_not_mixed_with_them() {
    let db = database_at(LAST);
    let mut admin = db.superuser();
    admin.run(&format!(
        "INSERT INTO public.credit_usage (user_id, operation, credits_used, created_at)
         SELECT '{ANA}', 'case_analysis', 1, now() - interval '3 months' + n * interval '1 second'
           FROM generate_series(1, 5000) AS n;
         LOAD 'auria_pg'; SET auria.adopt_functions = 'all'; CREATE EXTENSION auria CASCADE"
    ));
    admin.run("VACUUM public.credit_usage");
    let mut service = db.service();
    for _ in 0..2 {
        assert!(service.value::<bool>(&format!("SELECT public.use_credits('{ANA}', 'case_analysis')")));
    }
    assert_eq!(metric(&mut service, "ledger_entries_not_read", None), 0.0);
    assert!(admin.value::<bool>(
        "SELECT (SELECT ctid FROM public.credit_usage ORDER BY entry DESC LIMIT 1) = max(ctid) FROM public.credit_usage"
    ));
}
