//! Many connections at once: what there is gets spent, exactly, and no more.

use auria_tests::{As, Database, Session, refused_with};
use uuid::Uuid;

fn spend_until_refused(session: &mut Session, user: Uuid, operation: &str) -> i64 {
    let mut granted = 0;
    let statement = session.prepare("SELECT public.use_credits($1, $2)").unwrap();
    while session.query_one(&statement, &[&user, &operation]).unwrap().get(0) {
        granted += 1;
    }
    granted
}

fn ledger(db: &Database, user: Uuid) -> i64 {
    db.superuser()
        .query_one("SELECT coalesce(sum(credits_used), 0) FROM public.credit_usage WHERE user_id = $1", &[&user])
        .unwrap()
        .get(0)
}

fn used(db: &Database, user: Uuid) -> i64 {
    db.superuser()
        .query_one("SELECT credits_used_this_month::bigint FROM public.subscriptions WHERE user_id = $1", &[&user])
        .unwrap()
        .get(0)
}

fn sixteen_connections_spend_a_thousand_credits_and_not_one_more(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    db.superuser().run("UPDATE public.subscriptions SET credits_bonus = 995");
    let granted: i64 =
        db.concurrently(16, As::Service, |_, session| spend_until_refused(session, user, "case_analysis")).iter().sum();
    assert_eq!(granted, 1000);
    assert_eq!(ledger(db, user), 1000);
    assert_eq!(used(db, user), 1000);
}

fn sixteen_connections_get_three_free_analyses_between_them(db: &Database<'_>) {
    for (email, canceled) in [("ana@clinica.test", false), ("bia@clinica.test", true)] {
        let user = if canceled { db.sign_up_on_plan(email, "starter") } else { db.sign_up(email) };
        db.superuser().run("UPDATE public.subscriptions SET status = 'canceled'");
        let granted: i64 = db
            .concurrently(16, As::Service, |_, session| spend_until_refused(session, user, "case_analysis"))
            .iter()
            .sum();
        assert_eq!(granted, 3);
        assert_eq!(ledger(db, user), 3);
    }
}

fn an_old_snapshot_does_not_give_away_a_fourth_free_analysis(db: &Database<'_>) {
    let user = db.sign_up("ana@clinica.test");
    let mut old = db.service();
    old.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    assert_eq!(spend_until_refused(&mut db.service(), user, "case_analysis"), 3);
    assert_eq!(spend_until_refused(&mut old, user, "case_analysis"), 0);
    old.run("COMMIT");
}

fn an_old_snapshot_does_not_spend_what_others_spent(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    let mut old = db.service();
    old.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    assert_eq!(spend_until_refused(&mut db.service(), user, "case_analysis"), 5);
    refused_with(old.query("SELECT public.use_credits($1, 'case_analysis')", &[&user]), "40001");
}

fn one_reference_sent_by_sixteen_connections_is_charged_once(db: &Database<'_>) {
    let paying = db.sign_up_on_plan("ana@clinica.test", "starter");
    let free = db.sign_up("bia@clinica.test");
    for user in [paying, free] {
        let reference = Uuid::new_v4();
        for (function, expected) in [("use_credits", 1_i64), ("refund_credits", 0)] {
            let answers = db.concurrently(16, As::Service, |_, session| {
                session
                    .query_one(&format!("SELECT public.{function}($1, 'case_analysis', $2)"), &[&user, &reference])
                    .unwrap()
                    .get::<_, bool>(0)
            });
            assert!(answers.iter().all(|answer| *answer), "{function}");
            assert_eq!(ledger(db, user), expected, "{function}");
        }
    }
    assert_eq!(used(db, paying), 0);
}

fn one_use_is_refunded_once_by_sixteen_connections(db: &Database<'_>) {
    let paying = db.sign_up_on_plan("ana@clinica.test", "starter");
    let free = db.sign_up("bia@clinica.test");
    for user in [paying, free] {
        db.service().execute("SELECT public.use_credits($1, 'dsd_simulation')", &[&user]).unwrap();
        let refunded = db
            .concurrently(16, As::Service, |_, session| {
                session
                    .query_one("SELECT public.refund_credits($1, 'dsd_simulation')", &[&user])
                    .unwrap()
                    .get::<_, bool>(0)
            })
            .into_iter()
            .filter(|refunded| *refunded)
            .count();
        assert_eq!(refunded, 1);
        assert_eq!(ledger(db, user), 0);
    }
}

fn spending_refunding_buying_and_resetting_at_once_loses_nothing(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "price_elite_monthly");
    db.superuser().run("UPDATE public.subscriptions SET usage_reset_at = now() - INTERVAL '31 days'");
    db.concurrently(8, As::Service, |number, session| match number {
        0 => session.run("SELECT public.reset_monthly_usage_with_rollover()"),
        1 => {
            for _ in 0..20 {
                session.execute("SELECT public.add_bonus_credits($1, 1)", &[&user]).unwrap();
            }
        }
        _ => {
            for _ in 0..20 {
                session.execute("SELECT public.use_credits($1, 'case_analysis')", &[&user]).unwrap();
                session.execute("SELECT public.refund_credits($1, 'case_analysis')", &[&user]).unwrap();
            }
        }
    });
    // 240 uses and 240 refunds: the ledger is even. What a refund could not
    // take off the new month's counter is in the bonus, beside what was bought;
    // what the old month had charged is carried over as spent.
    assert_eq!(ledger(db, user), 0);
    let row = db
        .superuser()
        .query_one("SELECT credits_used_this_month, credits_bonus, credits_rollover FROM public.subscriptions", &[])
        .unwrap();
    let (used, bonus, rollover): (i32, i32, i32) = (row.get(0), row.get(1), row.get(2));
    assert_eq!(rollover, 100);
    assert!(bonus >= 20 && bonus - 20 + used <= 240, "{bonus} {used}");
    assert_eq!(used, 0, "every use of the new month was refunded");
}

/// Runs the second statement while the first is not committed, waits until it waits, commits the first, and returns what
/// the second answered.
fn after_a_wait(db: &Database<'_>, first: &str, second: &str) -> bool {
    let mut holder = db.service();
    holder.run(&format!("BEGIN; {first}"));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| db.service().value::<bool>(second));
        let mut admin = db.superuser();
        let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity
                      WHERE datname = current_database() AND wait_event_type = 'Lock')";
        while !waiting.is_finished() && !admin.value::<bool>(waits) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        holder.run("COMMIT");
        waiting.join().unwrap()
    })
}

fn a_charge_that_waited_for_a_first_purchase_is_charged_to_it(db: &Database<'_>) {
    let user = db.sign_up("ana@clinica.test");
    for _ in 0..3 {
        assert!(db.service().value::<bool>(&format!("SELECT public.use_credits('{user}', 'case_analysis')")));
    }
    let purchase = format!("SELECT public.add_bonus_credits('{user}', 50)");
    assert!(after_a_wait(db, &purchase, &format!("SELECT public.use_credits('{user}', 'case_analysis')")));
    assert_eq!(used(db, user), 1);
}

fn two_refunds_of_uses_whose_subscription_is_gone_both_succeed(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    let mut service = db.service();
    service.run(&format!(
        "SELECT public.use_credits('{user}', 'case_analysis'), public.use_credits('{user}', 'dsd_simulation')"
    ));
    service.run("DELETE FROM public.subscriptions");
    let refund = |operation: &str| format!("SELECT public.refund_credits('{user}', '{operation}')");
    assert!(after_a_wait(db, &refund("dsd_simulation"), &refund("case_analysis")));
    let bonus: i32 = db.superuser().value("SELECT credits_bonus FROM public.subscriptions");
    assert_eq!(bonus, 3);
    // One use, two refunds at once: one of them has nothing to give back.
    service.run(&format!("SELECT public.use_credits('{user}', 'case_analysis')"));
    service.run("DELETE FROM public.subscriptions");
    assert!(!after_a_wait(db, &refund("case_analysis"), &refund("case_analysis")));
}

fn a_refund_takes_the_latest_use_that_it_waited_for(db: &Database<'_>) {
    let user = db.sign_up("ana@clinica.test");
    let charge = format!("SELECT public.use_credits('{user}', 'case_analysis')");
    db.service().run(&charge);
    assert!(after_a_wait(db, &charge, &format!("SELECT public.refund_credits('{user}', 'case_analysis')")));
    let latest_is_given_back: bool = db
        .superuser()
        .value("SELECT counterpart <> 0 FROM public.credit_usage WHERE credits_used > 0 ORDER BY entry DESC LIMIT 1");
    assert!(latest_is_given_back);
}

fn a_refund_of_a_use_that_cost_nothing_changes_and_makes_no_subscription(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    let mut admin = db.superuser();
    admin.run("UPDATE public.credit_costs SET credits = 0 WHERE operation = 'case_analysis'");
    let mut service = db.service();
    let charge = format!("SELECT public.use_credits('{user}', 'case_analysis')");
    let refund = format!("SELECT public.refund_credits('{user}', 'case_analysis')");
    let row = "SELECT s::text FROM public.subscriptions s";
    service.run(&charge);
    let before: String = admin.value(row);
    assert!(service.value::<bool>(&refund));
    assert_eq!(admin.value::<String>(row), before);
    service.run(&charge);
    service.run("DELETE FROM public.subscriptions");
    assert!(service.value::<bool>(&refund));
    assert!(!service.value::<bool>(&refund));
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM public.subscriptions"), 0);
    assert!(admin.value::<bool>("SELECT bool_and(NOT is_free) FROM public.credit_usage"));
}

fn requests_are_counted_one_by_one_however_many_come_at_once(db: &Database<'_>) {
    let user = db.sign_up("ana@clinica.test");
    let statement = "SELECT minute_count, hour_count, day_count \
         FROM public.check_and_increment_rate_limit( \
              p_user_id => $1, p_function_name => 'recommend', \
              p_minute_window => date_trunc('hour', now()), \
              p_hour_window => date_trunc('hour', now()), \
              p_day_window => date_trunc('hour', now()))";
    let mut counts: Vec<i32> = db
        .concurrently(16, As::Service, |_, session| {
            (0..10).map(|_| session.query_one(statement, &[&user]).unwrap().get::<_, i32>(0)).collect::<Vec<_>>()
        })
        .concat();
    counts.sort_unstable();
    assert_eq!(counts, (1..=160).collect::<Vec<_>>());
}

fn a_newer_window_starts_again_and_an_older_one_counts_into_the_stored_one(db: &Database<'_>) {
    let user = db.sign_up("ana@clinica.test");
    let mut service = db.service();
    let mut count = |minute: &str| -> (i32, i32) {
        let row = service
            .query_one(
                &format!(
                    "SELECT minute_count, day_count FROM public.check_and_increment_rate_limit( \
                     $1, 'recommend', '2026-01-01 {minute}Z', '2026-01-01 10:00Z', '2026-01-01Z')"
                ),
                &[&user],
            )
            .unwrap();
        (row.get(0), row.get(1))
    };
    assert_eq!(count("10:00"), (1, 1));
    assert_eq!(count("10:00"), (2, 2));
    assert_eq!(count("10:01"), (1, 3));
    assert_eq!(count("10:00"), (2, 4));
    db.superuser().run(
        "ALTER TABLE public.rate_limits DISABLE TRIGGER USER; \
         UPDATE public.rate_limits SET updated_at = now() - INTERVAL '8 days'",
    );
    assert_eq!(service.value::<i32>("SELECT public.cleanup_old_rate_limits()"), 1);
    assert_eq!(service.value::<i32>("SELECT public.cleanup_old_rate_limits()"), 0);
}

all_ways! {
    sixteen_connections_spend_a_thousand_credits_and_not_one_more,
    sixteen_connections_get_three_free_analyses_between_them,
    an_old_snapshot_does_not_give_away_a_fourth_free_analysis,
    an_old_snapshot_does_not_spend_what_others_spent,
    one_reference_sent_by_sixteen_connections_is_charged_once,
    one_use_is_refunded_once_by_sixteen_connections,
    spending_refunding_buying_and_resetting_at_once_loses_nothing,
    a_charge_that_waited_for_a_first_purchase_is_charged_to_it,
    two_refunds_of_uses_whose_subscription_is_gone_both_succeed,
    a_refund_takes_the_latest_use_that_it_waited_for,
    a_refund_of_a_use_that_cost_nothing_changes_and_makes_no_subscription,
    requests_are_counted_one_by_one_however_many_come_at_once,
    a_newer_window_starts_again_and_an_older_one_counts_into_the_stored_one,
}
