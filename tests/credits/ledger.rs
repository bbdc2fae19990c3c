//! The ledger: its order, references, and what many users at once do to it.

use std::time::Duration;

use auria_tests::{Database, database};
use uuid::Uuid;

use crate::credits::functions::{
    add_bonus, can_use_credits, counters, entries, ledger_disagreements, once, refund_credits, set, use_credits,
};

fn a_reference_is_charged_again_after_its_refund(db: &Database<'_>) {
    let (paying, free) = (db.sign_up_on_plan("ana@clinica.test", "starter"), db.sign_up("bia@clinica.test"));
    let mut service = db.service();
    let reference = Uuid::new_v4();
    for user in [paying, free] {
        for _ in 0..3 {
            for function in ["use_credits", "use_credits", "refund_credits", "refund_credits"] {
                assert!(once(&mut service, function, user, "case_analysis", reference));
            }
        }
        let net: i32 = entries(db, user).iter().map(|(_, credits)| credits).sum();
        assert_eq!((entries(db, user).len(), net), (6, 0));
        // Charged once more, a late retry of a refund gives this one back.
        assert!(once(&mut service, "use_credits", user, "case_analysis", reference));
        assert!(once(&mut service, "refund_credits", user, "case_analysis", reference));
        assert_eq!(entries(db, user).len(), 8);
    }
    assert_eq!(counters(db, paying).used, 0);
    assert_eq!(ledger_disagreements(db), "");
}

fn a_clock_that_steps_back_changes_neither_what_is_refunded_nor_what_a_reset_divides(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "price_pro_monthly_v2");
    let mut service = db.service();
    // As if the uses had been written before the clock was set back.
    assert!(use_credits(&mut service, user, "dsd_simulation"));
    db.superuser().run("UPDATE public.credit_usage SET created_at = now() + INTERVAL '10 minutes'");
    assert!(refund_credits(&mut service, user, "dsd_simulation"));
    assert!(!refund_credits(&mut service, user, "dsd_simulation"));

    assert!(use_credits(&mut service, user, "dsd_simulation"));
    db.superuser()
        .run("UPDATE public.credit_usage SET created_at = now() + INTERVAL '10 minutes' WHERE counterpart = 0");
    set(db, user, "usage_reset_at = now() - INTERVAL '31 days'");
    service.run("SELECT public.reset_monthly_usage_with_rollover()");
    assert_eq!(ledger_disagreements(db), "");
    assert!(use_credits(&mut service, user, "dsd_simulation"));
    db.superuser().run(
        "UPDATE public.credit_usage SET created_at = now() - INTERVAL '10 minutes' \
          WHERE entry = (SELECT max(entry) FROM public.credit_usage)",
    );
    assert_eq!(ledger_disagreements(db), "");
    // The use of the new month, then that of the old one.
    assert!(refund_credits(&mut service, user, "dsd_simulation"));
    assert_eq!((counters(db, user).used, counters(db, user).bonus), (0, 0));
    assert!(refund_credits(&mut service, user, "dsd_simulation"));
    assert_eq!((counters(db, user).used, counters(db, user).bonus), (0, 2));
    assert!(!refund_credits(&mut service, user, "dsd_simulation"));
}

/// This many users with one analysis each, with a subscription or on the free tier.
fn uses(db: &Database, users: i32, subscribed: bool) {
    db.superuser().run(&format!(
        "SET session_replication_role = replica; \
         INSERT INTO auth.users (id) SELECT gen_random_uuid() FROM generate_series(1, {users}); \
         INSERT INTO public.subscriptions (user_id, plan_id, status, credits_used_this_month) \
         SELECT id, 'starter', 'active', 1 FROM auth.users WHERE {subscribed}; \
         INSERT INTO public.credit_usage (user_id, subscription_id, operation, credits_used, is_free) \
         SELECT u.id, s.id, 'case_analysis', 1, s.id IS NULL \
           FROM auth.users u LEFT JOIN public.subscriptions s ON s.user_id = u.id; \
         SET session_replication_role = origin; \
         SELECT auria.migrate(again => true); \
         ANALYZE"
    ));
}

#[test]
fn thirty_thousand_users_are_refunded_in_one_statement() {
    for subscribed in [true, false] {
        let db = database();
        uses(&db, 30_000, subscribed);
        assert_eq!(
            db.service().value::<i64>(
                "SELECT count(*) FROM (SELECT DISTINCT user_id FROM public.credit_usage) AS users \
                  WHERE public.refund_credits(user_id, 'case_analysis')"
            ),
            30_000
        );
        assert_eq!(ledger_disagreements(&db), "");
    }
}

fn thirty_thousand_users_use_the_free_tier_in_one_statement(db: &Database<'_>) {
    uses(db, 30_000, false);
    assert_eq!(
        db.service().value::<i64>(
            "SELECT count(*) FROM (SELECT DISTINCT user_id FROM public.credit_usage) AS users \
              WHERE public.use_credits(user_id, 'case_analysis')"
        ),
        30_000
    );
}

/// How many entries of the ledger's indexes and rows of it the session has read and not reported yet.
const READ: &str = "SELECT (pg_stat_get_xact_tuples_returned(r) + pg_stat_get_xact_tuples_fetched(r) + (
        SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid)) FROM pg_index WHERE indrelid = r))::bigint
    FROM (VALUES ('public.credit_usage'::regclass)) AS ledger (r)";

fn a_refund_reads_the_same_however_many_uses_and_refunds_there_were(db: &Database<'_>) {
    let (few, many) = (
        db.sign_up_on_plan("ana@clinica.test", "price_elite_monthly"),
        db.sign_up_on_plan("bia@clinica.test", "price_elite_monthly"),
    );
    let mut admin = db.superuser();
    admin
        .execute(
            "INSERT INTO public.credit_usage (user_id, subscription_id, operation, credits_used) \
             SELECT user_id, id, 'case_analysis', 1 \
               FROM public.subscriptions, generate_series(1, 60000) WHERE user_id = $1",
            &[&many],
        )
        .unwrap();
    // Half of them were refunded, the latest ones.
    admin.run(
        "UPDATE public.credit_usage SET counterpart = 100000 + entry WHERE entry > 30000; \
         ANALYZE public.credit_usage",
    );
    let mut service = db.service();
    let mut read = |user: Uuid| {
        for _ in 0..100 {
            assert!(use_credits(&mut service, user, "case_analysis"));
        }
        // PostgreSQL reports reads between transactions; here they are counted within one.
        service.run("BEGIN");
        let before: i64 = service.value(READ);
        for _ in 0..100 {
            assert!(refund_credits(&mut service, user, "case_analysis"));
        }
        let read = service.value::<i64>(READ) - before;
        service.run("COMMIT");
        read
    };
    let (few, many) = (read(few), read(many));
    assert!(few >= 100, "{few}: it reads a use for each refund");
    assert!(many <= few + 100, "{many} {few}");
}

fn a_first_subscription_beside_an_uncommitted_free_use_charges_its_reference_once(db: &Database<'_>) {
    let user = db.sign_up("ana@clinica.test");
    let reference = Uuid::new_v4();
    let mut free = db.service();
    free.run("BEGIN");
    assert!(once(&mut free, "use_credits", user, "case_analysis", reference));
    db.superuser()
        .execute(
            "INSERT INTO public.subscriptions (user_id, plan_id, status) VALUES ($1, 'starter', 'active')",
            &[&user],
        )
        .unwrap();
    std::thread::scope(|scope| {
        let paid = scope.spawn(|| once(&mut db.service(), "use_credits", user, "case_analysis", reference));
        std::thread::sleep(Duration::from_millis(500));
        let waited = !paid.is_finished();
        free.run("COMMIT");
        assert!(paid.join().unwrap());
        assert!(waited);
    });
    assert_eq!(entries(db, user).len(), 1);
    assert_eq!(counters(db, user).used, 0);
    assert_eq!(ledger_disagreements(db), "");
}

fn all_functions_mean_the_same_one_of_a_users_two_subscriptions(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "price_pro_monthly_v2");
    db.superuser().run("ALTER TABLE public.subscriptions DROP CONSTRAINT subscriptions_user_unique");
    // Newer, and it does not count.
    db.superuser()
        .execute(
            "INSERT INTO public.subscriptions (user_id, plan_id, status, created_at, usage_reset_at) \
             VALUES ($1, 'price_elite_monthly', 'canceled', now() + INTERVAL '1 hour', \
                     now() - INTERVAL '31 days')",
            &[&user],
        )
        .unwrap();
    let mut service = db.service();
    for _ in 0..3 {
        assert!(can_use_credits(&mut service, user, "case_analysis"));
        assert!(use_credits(&mut service, user, "case_analysis"));
    }
    assert!(refund_credits(&mut service, user, "case_analysis"));
    add_bonus(&mut service, user, 10).unwrap();
    service.execute("SELECT public.increment_case_usage($1)", &[&user]).unwrap();
    assert!(service.query_one("SELECT public.can_create_case($1)", &[&user]).unwrap().get::<_, bool>(0));
    assert_eq!(
        db.superuser().value::<String>(
            "SELECT string_agg(concat_ws(' ', status, credits_used_this_month, credits_bonus, \
                                         cases_used_this_month), ', ' ORDER BY created_at) \
               FROM public.subscriptions"
        ),
        "active 2 10 3, canceled 0 0 0"
    );
    assert_eq!(ledger_disagreements(db), "");
}

fn numbers_that_no_rule_allows_end_in_an_error_or_in_zero_and_never_wrap(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "price_pro_monthly_v2");
    let mut admin = db.superuser();
    // As they may stand in a database that was taken over.
    admin.run("ALTER TABLE public.subscriptions DROP CONSTRAINT subscriptions_counters_not_negative");
    for (column, value) in ["credits_rollover", "credits_bonus", "credits_used_this_month", "credits_used_hidden"]
        .iter()
        .flat_map(|column| [(column, i32::MIN), (column, i32::MAX)])
    {
        for plan in ["'starter'", "'price_pro_monthly_v2'", "NULL"] {
            set(
                db,
                user,
                "credits_rollover = 0, credits_bonus = 0, credits_used_this_month = 0, credits_used_hidden = 0",
            );
            set(db, user, "plan_id = 'price_elite_monthly'");
            set(db, user, &format!("{column} = {value}"));
            let changed = admin.execute(&format!("UPDATE public.subscriptions SET plan_id = {plan}"), &[]);
            if let Err(error) = changed {
                assert_eq!(error.code().unwrap().code(), "22003");
            }
            set(db, user, &format!("{column} = {value}, usage_reset_at = now() - INTERVAL '31 days'"));
            admin.run("SELECT public.reset_monthly_usage_with_rollover()");
            let left = counters(db, user);
            assert_eq!(left.used, 0);
            assert!(left.rollover >= 0 && left.bonus >= 0, "{column} {value}: {left:?}");
            assert!(left.rollover <= 100, "{left:?}");
        }
    }
}

fn a_ledger_from_before_the_numbers_is_numbered_and_its_refunds_matched(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "price_elite_monthly");
    let mut admin = db.superuser();
    let (one, other) = (Uuid::new_v4(), Uuid::new_v4());
    // In the order of time: two uses, the second refunded; one use, refunded; a use with a reference, refunded, and
    // one that is not.
    for (minutes, operation, credits, reference, id) in [
        (50, "letter", 1, None, 9),
        (40, "letter", 2, None, 8),
        (30, "letter_refund", -2, None, 7),
        (20, "letter", 4, None, 6),
        (10, "letter_refund", -4, None, 5),
        (25, "letter", 8, Some(one), 4),
        (5, "letter_refund", -8, Some(one), 3),
        (3, "letter", 16, Some(other), 2),
    ] {
        admin
            .execute(
                "INSERT INTO public.credit_usage \
                        (id, user_id, subscription_id, operation, credits_used, reference_id, created_at) \
                 SELECT lpad($5::int::text, 32, '0')::uuid, $1, id, $2, $3, $4, now() - make_interval(mins => $6) \
                   FROM public.subscriptions",
                &[&user, &operation, &credits, &reference, &id, &minutes],
            )
            .unwrap();
    }
    admin.run(
        "UPDATE public.subscriptions \
            SET credits_used_this_month = 17, usage_reset_at = now() - INTERVAL '1 hour'; \
         DROP TABLE public.credit_events; \
         ALTER TABLE public.credit_usage DROP COLUMN entry, DROP COLUMN is_free, DROP COLUMN from_rollover, \
             DROP COLUMN from_bonus, DROP COLUMN from_hidden, DROP COLUMN counterpart; \
         ALTER TABLE public.subscriptions DROP COLUMN usage_reset_entry, DROP COLUMN plan_change_entry, \
             DROP COLUMN credits_used_hidden",
    );
    for _ in 0..2 {
        admin.run("SELECT * FROM auria.migrate(again => true)");
        assert_eq!(
            admin.value::<String>(
                "SELECT string_agg(concat_ws(' ', right(id::text, 1), entry, counterpart, is_free), ', ' \
                                   ORDER BY entry) FROM public.credit_usage"
            ),
            "9 1 0 f, 8 2 3 f, 7 3 2 f, 4 4 7 f, 6 5 6 f, 5 6 5 f, 3 7 4 f, 2 8 0 f"
        );
    }
    assert_eq!(ledger_disagreements(db), "");
    let mut service = db.service();
    for left in [1, 0] {
        assert!(refund_credits(&mut service, user, "letter"));
        assert_eq!(counters(db, user).used, left);
    }
    assert!(!refund_credits(&mut service, user, "letter"));
    assert!(use_credits(&mut service, user, "letter"));
    assert_eq!(ledger_disagreements(db), "");
}

all_ways! {
    a_reference_is_charged_again_after_its_refund,
    a_clock_that_steps_back_changes_neither_what_is_refunded_nor_what_a_reset_divides,
    thirty_thousand_users_use_the_free_tier_in_one_statement,
    a_refund_reads_the_same_however_many_uses_and_refunds_there_were,
    a_first_subscription_beside_an_uncommitted_free_use_charges_its_reference_once,
    all_functions_mean_the_same_one_of_a_users_two_subscriptions,
    numbers_that_no_rule_allows_end_in_an_error_or_in_zero_and_never_wrap,
    a_ledger_from_before_the_numbers_is_numbered_and_its_refunds_matched,
}
