//! Tables that a DBA has partitioned by time.

use auria_tests::{Database, Session, database, refused_with};

use crate::lifecycle::doctor::complaints;
use crate::support::legacy::{ANA, LAST, database_at};

/// Replaces the ledger by one that is partitioned by time, as a DBA does by hand: the same rows, owner and grants.
pub fn partition_the_ledger(admin: &mut Session) {
    admin.run(
        "BEGIN;
         ALTER TABLE public.credit_usage RENAME TO credit_usage_whole;
         CREATE TABLE public.credit_usage (LIKE public.credit_usage_whole INCLUDING DEFAULTS INCLUDING COMMENTS)
             PARTITION BY RANGE (created_at);
         ALTER TABLE public.credit_usage ADD PRIMARY KEY (id, created_at);
         CREATE TABLE public.credit_usage_before PARTITION OF public.credit_usage FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
         CREATE TABLE public.credit_usage_after PARTITION OF public.credit_usage FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
         INSERT INTO public.credit_usage SELECT * FROM public.credit_usage_whole;
         DROP TABLE public.credit_usage_whole CASCADE;
         ALTER TABLE public.credit_usage_before ENABLE ROW LEVEL SECURITY;
         ALTER TABLE public.credit_usage_after ENABLE ROW LEVEL SECURITY;
         REVOKE ALL ON public.credit_usage_before, public.credit_usage_after FROM PUBLIC, anon, authenticated;
         COMMIT",
    );
}

/// Charges, refunds and the reset work, and what they write is in a partition.
fn assert_the_ledger_works(db: &Database<'_>, user: &str) {
    let (mut service, mut admin) = (db.service(), db.superuser());
    let uses = format!("SELECT count(*) FROM public.credit_usage WHERE user_id = '{user}'");
    let before: i64 = admin.value(&uses);
    let reference = "00000000-0000-4000-8000-00000000f00d";
    for _ in 0..2 {
        assert!(service.value::<bool>(&format!("SELECT public.use_credits('{user}', 'case_analysis', '{reference}')")));
    }
    assert!(service.value::<bool>(&format!("SELECT public.use_credits('{user}', 'dsd_simulation')")));
    assert!(service.value::<bool>(&format!("SELECT public.refund_credits('{user}', 'dsd_simulation')")));
    assert_eq!(admin.value::<i64>(&uses), before + 3);
    assert_eq!(
        admin.value::<i64>(&format!(
            "SELECT count(*) FROM public.credit_usage_after WHERE user_id = '{user}' AND reference_id = '{reference}'"
        )),
        1
    );
    admin.run("UPDATE public.subscriptions SET usage_reset_at = now() - interval '31 days'");
    service.run("CALL auria.reset_monthly()");
    assert_eq!(
        admin.value::<i32>(&format!(
            "SELECT credits_used_this_month FROM public.subscriptions WHERE user_id = '{user}'"
        )),
        0
    );
}

#[test]
fn a_ledger_that_was_partitioned_after_the_installation_is_migrated_again() {
    let db = database();
    let ana = db.sign_up_on_plan("ana@clinica.test", "price_pro_monthly_v2");
    db.service().run(&format!("SELECT public.use_credits('{ana}', 'case_analysis')"));
    let mut admin = db.superuser();
    // Entries keep their place between the events, and the next one comes after both.
    admin.run("UPDATE public.subscriptions SET credits_bonus = credits_bonus + 3");
    let entries = "SELECT string_agg(entry::text, ' ' ORDER BY entry) FROM public.credit_usage";
    let before: String = admin.value(entries);
    partition_the_ledger(&mut admin);
    admin.run("SELECT FROM auria.migrate(again => true)");
    assert_eq!(admin.value::<String>(entries), before);
    assert_eq!(complaints(&mut admin), []);
    assert_the_ledger_works(&db, &ana.to_string());
    assert_eq!(complaints(&mut admin), []);
}

#[test]
fn a_database_with_a_partitioned_ledger_is_adopted() {
    let db = database_at(LAST);
    let mut admin = db.superuser();
    partition_the_ledger(&mut admin);
    let rows: i64 = admin.value("SELECT count(*) FROM public.credit_usage");
    admin.run("SET auria.adopt_functions = 'all'; CREATE EXTENSION auria CASCADE");
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM public.credit_usage"), rows);
    assert_eq!(
        admin.value::<i64>("SELECT count(DISTINCT entry) FROM public.credit_usage"),
        rows,
        "every row has a number"
    );
    assert_eq!(
        admin.value::<i64>("SELECT count(DISTINCT tableowner) FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'credit\\_usage%'"),
        1
    );
    assert_the_ledger_works(&db, ANA);
    admin.run("SELECT FROM auria.migrate(again => true)");
    assert_the_ledger_works_no_more_than_once(&db);
}

/// A reference that was charged stays charged.
fn assert_the_ledger_works_no_more_than_once(db: &Database<'_>) {
    assert!(db.service().value::<bool>(&format!(
        "SELECT public.use_credits('{ANA}', 'case_analysis', '00000000-0000-4000-8000-00000000f00d')"
    )));
    assert_eq!(
        db.superuser().value::<i64>(
            "SELECT count(*) FROM public.credit_usage WHERE reference_id = '00000000-0000-4000-8000-00000000f00d'"
        ),
        1
    );
}

#[test]
fn a_partition_that_is_open_to_the_api_is_reported() {
    let db = database();
    let mut admin = db.superuser();
    partition_the_ledger(&mut admin);
    admin.run("SELECT FROM auria.migrate(again => true)");
    assert_eq!(complaints(&mut admin), []);
    for (statement, check, expected) in [
        (
            "ALTER TABLE public.credit_usage_after DISABLE ROW LEVEL SECURITY",
            "row security",
            "ALTER TABLE public.credit_usage_after ENABLE ROW LEVEL SECURITY",
        ),
        (
            "GRANT SELECT ON public.credit_usage_after TO authenticated",
            "grants",
            "REVOKE ALL ON TABLE public.credit_usage_after FROM authenticated",
        ),
    ] {
        admin.run(&format!("BEGIN; {statement}"));
        let found = complaints(&mut admin);
        admin.run("ROLLBACK");
        assert_eq!(found.len(), 1, "after {statement}: {found:?}");
        assert_eq!(found[0].0, check);
        assert!(found[0].1.contains(expected), "{found:?}");
    }
    refused_with(db.anon().query("SELECT * FROM public.credit_usage_after", &[]), "42501");
}
