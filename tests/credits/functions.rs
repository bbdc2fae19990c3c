//! The credit functions, as an Edge Function calls them: as service_role, over
//! a connection.

use auria_tests::{Database, Session};
use postgres::Error;
use uuid::Uuid;

/// One user's subscription.
#[derive(Debug, PartialEq, Eq)]
pub struct Counters {
    pub used: i32,
    pub rollover: i32,
    pub bonus: i32,
    pub cases: i32,
    pub dsd: i32,
}

pub fn counters(db: &Database, user: Uuid) -> Counters {
    let row = db
        .superuser()
        .query_one(
            "SELECT credits_used_this_month, credits_rollover, credits_bonus, \
                    cases_used_this_month, dsd_used_this_month \
               FROM public.subscriptions WHERE user_id = $1",
            &[&user],
        )
        .unwrap();
    Counters { used: row.get(0), rollover: row.get(1), bonus: row.get(2), cases: row.get(3), dsd: row.get(4) }
}

pub fn entries(db: &Database, user: Uuid) -> Vec<(String, i32)> {
    db.superuser()
        .query(
            "SELECT operation, credits_used FROM public.credit_usage \
              WHERE user_id = $1 ORDER BY entry",
            &[&user],
        )
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect()
}

pub fn ask(session: &mut Session, function: &str, user: Uuid, operation: &str) -> bool {
    session
        .query_one(&format!("SELECT public.{function}(p_user_id => $1, p_operation => $2)"), &[&user, &operation])
        .unwrap()
        .get(0)
}

pub fn use_credits(session: &mut Session, user: Uuid, operation: &str) -> bool {
    ask(session, "use_credits", user, operation)
}

pub fn refund_credits(session: &mut Session, user: Uuid, operation: &str) -> bool {
    ask(session, "refund_credits", user, operation)
}

pub fn can_use_credits(session: &mut Session, user: Uuid, operation: &str) -> bool {
    ask(session, "can_use_credits", user, operation)
}

pub fn once(session: &mut Session, function: &str, user: Uuid, operation: &str, reference: Uuid) -> bool {
    session
        .query_one(
            &format!("SELECT public.{function}(p_user_id => $1, p_operation => $2, p_reference_id => $3)"),
            &[&user, &operation, &reference],
        )
        .unwrap()
        .get(0)
}

pub fn add_bonus(session: &mut Session, user: Uuid, credits: i32) -> Result<u64, Error> {
    session.execute("SELECT public.add_bonus_credits(p_user_id => $1, p_credits => $2)", &[&user, &credits])
}

/// The doctor's report of counters that do not agree with the ledger.
pub fn ledger_disagreements(db: &Database) -> String {
    db.superuser().value(r#"SELECT COALESCE(string_agg(detail, ''), '') FROM auria.doctor() WHERE "check" = 'ledger'"#)
}

/// Sets columns of the user's subscription, as a webhook or the passing of
/// time would.
pub fn set(db: &Database, user: Uuid, assignments: &str) {
    db.superuser()
        .execute(&format!("UPDATE public.subscriptions SET {assignments} WHERE user_id = $1"), &[&user])
        .unwrap();
}

fn an_operation_is_charged_at_its_cost_and_written_to_the_ledger(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "price_pro_monthly_v2");
    let mut service = db.service();
    assert!(use_credits(&mut service, user, "case_analysis"));
    assert!(use_credits(&mut service, user, "dsd_simulation"));
    assert!(use_credits(&mut service, user, "an_operation_without_a_price"));
    assert_eq!(counters(db, user), Counters { used: 4, rollover: 0, bonus: 0, cases: 1, dsd: 1 });
    assert_eq!(
        entries(db, user),
        [("case_analysis".into(), 1), ("dsd_simulation".into(), 2), ("an_operation_without_a_price".into(), 1)]
    );
    let linked: i64 = db
        .superuser()
        .value("SELECT count(*) FROM public.credit_usage u JOIN public.subscriptions s ON s.id = u.subscription_id");
    assert_eq!(linked, 3);
}

fn what_is_not_there_cannot_be_spent_and_nothing_changes(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    let mut service = db.service();
    for _ in 0..2 {
        assert!(use_credits(&mut service, user, "dsd_simulation"));
    }
    assert!(!can_use_credits(&mut service, user, "dsd_simulation"));
    assert!(!use_credits(&mut service, user, "dsd_simulation"));
    assert_eq!(counters(db, user).used, 4);
    assert_eq!(entries(db, user).len(), 2);
    assert!(use_credits(&mut service, user, "case_analysis"));
    assert!(!use_credits(&mut service, user, "case_analysis"));
}

fn a_free_operation_is_allowed_on_an_empty_pool_and_recorded(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    set(db, user, "credits_used_this_month = 5");
    db.superuser().run("INSERT INTO public.credit_costs (operation, credits) VALUES ('tooth_chart', 0)");
    assert!(use_credits(&mut db.service(), user, "tooth_chart"));
    assert_eq!(entries(db, user), [("tooth_chart".into(), 0)]);
}

fn an_unlimited_plan_always_allows_and_still_counts(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "price_elite_monthly");
    db.superuser().run("UPDATE public.subscription_plans SET credits_per_month = -1 WHERE id = 'price_elite_monthly'");
    set(db, user, "credits_used_this_month = 1000000");
    assert!(use_credits(&mut db.service(), user, "dsd_simulation"));
    assert_eq!(counters(db, user).used, 1_000_002);
}

fn only_active_and_trialing_subscriptions_count(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "price_pro_monthly_v2");
    let mut service = db.service();
    for status in ["inactive", "past_due", "canceled", "unpaid", "incomplete", "incomplete_expired", "paused"] {
        set(db, user, &format!("status = '{status}'"));
        assert!(!use_credits(&mut service, user, "letter"), "{status}");
    }
    for status in ["active", "trialing"] {
        set(db, user, &format!("status = '{status}'"));
        assert!(use_credits(&mut service, user, "letter"), "{status}");
    }
}

fn the_free_tier_is_three_analyses_and_two_simulations_in_thirty_days(db: &Database<'_>) {
    let user = db.sign_up("ana@clinica.test");
    let mut service = db.service();
    for expected in [true, true, true, false] {
        assert_eq!(can_use_credits(&mut service, user, "case_analysis"), expected);
        assert_eq!(use_credits(&mut service, user, "case_analysis"), expected);
    }
    for expected in [true, true, false] {
        assert_eq!(use_credits(&mut service, user, "dsd_simulation"), expected);
    }
    assert!(!use_credits(&mut service, user, "letter"));
    db.superuser().run("UPDATE public.credit_usage SET created_at = now() - INTERVAL '30 days 1 second'");
    assert!(use_credits(&mut service, user, "case_analysis"));
}

fn a_free_use_is_written_under_the_inactive_subscription_if_there_is_one(db: &Database<'_>) {
    let (with, without) = (db.sign_up_on_plan("ana@clinica.test", "starter"), db.sign_up("bia@clinica.test"));
    set(db, with, "status = 'canceled'");
    let mut service = db.service();
    assert!(use_credits(&mut service, with, "case_analysis"));
    assert!(use_credits(&mut service, without, "case_analysis"));
    let linked: i64 = db.superuser().value("SELECT count(subscription_id) FROM public.credit_usage");
    assert_eq!(linked, 1);
    assert_eq!(counters(db, with).used, 0);
}

fn a_refund_gives_back_what_was_charged_then_and_not_what_it_costs_now(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "price_pro_monthly_v2");
    let mut service = db.service();
    assert!(use_credits(&mut service, user, "dsd_simulation"));
    db.superuser().run("UPDATE public.credit_costs SET credits = 9 WHERE operation = 'dsd_simulation'");
    assert!(refund_credits(&mut service, user, "dsd_simulation"));
    assert_eq!(counters(db, user), Counters { used: 0, rollover: 0, bonus: 0, cases: 0, dsd: 0 });
    assert_eq!(entries(db, user)[1], ("dsd_simulation_refund".into(), -2));
    assert!(!refund_credits(&mut service, user, "dsd_simulation"));
    assert_eq!(entries(db, user).len(), 2);
}

fn refunds_go_back_from_the_latest_use_whatever_was_refunded_before(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "price_elite_monthly");
    let mut service = db.service();
    let reprice = |credits: i32| {
        db.superuser()
            .execute(
                "INSERT INTO public.credit_costs VALUES ('letter', $1) \
                 ON CONFLICT (operation) DO UPDATE SET credits = excluded.credits",
                &[&credits],
            )
            .unwrap()
    };
    for cost in [1, 2, 4] {
        reprice(cost);
        assert!(use_credits(&mut service, user, "letter"));
    }
    assert!(refund_credits(&mut service, user, "letter")); // 4
    reprice(8);
    assert!(once(&mut service, "use_credits", user, "letter", Uuid::new_v4()));
    assert_eq!(counters(db, user).used, 11);
    assert!(refund_credits(&mut service, user, "letter")); // 8
    assert_eq!(counters(db, user).used, 3);
    assert!(refund_credits(&mut service, user, "letter")); // 2
    assert_eq!(counters(db, user).used, 1);
    assert!(refund_credits(&mut service, user, "letter")); // 1
    assert!(!refund_credits(&mut service, user, "letter"));
    assert_eq!(counters(db, user).used, 0);
}

fn a_use_older_than_thirty_days_is_not_refunded(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    let mut service = db.service();
    assert!(use_credits(&mut service, user, "case_analysis"));
    db.superuser().run("UPDATE public.credit_usage SET created_at = now() - INTERVAL '30 days 1 second'");
    assert!(!refund_credits(&mut service, user, "case_analysis"));
}

fn a_refund_after_the_reset_comes_back_as_bonus(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    let mut service = db.service();
    assert!(use_credits(&mut service, user, "dsd_simulation"));
    set(db, user, "usage_reset_at = now() - INTERVAL '31 days'");
    assert_eq!(service.value::<i32>("SELECT public.reset_monthly_usage_with_rollover()"), 1);
    assert!(refund_credits(&mut service, user, "dsd_simulation"));
    assert_eq!(counters(db, user), Counters { used: 0, rollover: 0, bonus: 2, cases: 0, dsd: 0 });
}

fn a_free_use_refunded_after_subscribing_pays_nothing_into_the_pool(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    set(db, user, "status = 'canceled'");
    let mut service = db.service();
    assert!(use_credits(&mut service, user, "case_analysis"));
    set(db, user, "status = 'active'");
    assert!(refund_credits(&mut service, user, "case_analysis"));
    assert_eq!(counters(db, user), Counters { used: 0, rollover: 0, bonus: 0, cases: 0, dsd: 0 });
}

fn a_refund_on_the_free_tier_gives_the_free_use_back(db: &Database<'_>) {
    let user = db.sign_up("ana@clinica.test");
    let mut service = db.service();
    for _ in 0..3 {
        assert!(use_credits(&mut service, user, "case_analysis"));
    }
    assert!(refund_credits(&mut service, user, "case_analysis"));
    assert!(use_credits(&mut service, user, "case_analysis"));
    assert!(!use_credits(&mut service, user, "case_analysis"));
}

fn a_reference_is_charged_and_refunded_once_however_often_it_is_sent(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    let mut service = db.service();
    let reference = Uuid::new_v4();
    assert!(!once(&mut service, "refund_credits", user, "dsd_simulation", reference));
    for _ in 0..3 {
        assert!(once(&mut service, "use_credits", user, "dsd_simulation", reference));
    }
    assert_eq!(counters(db, user).used, 2);
    for _ in 0..3 {
        assert!(once(&mut service, "refund_credits", user, "dsd_simulation", reference));
    }
    assert_eq!(counters(db, user).used, 0);
    assert_eq!(entries(db, user).len(), 2);
    let kept: i64 = db.superuser().value("SELECT count(reference_id) FROM public.credit_usage");
    assert_eq!(kept, 2);
    // The same reference for another operation is another charge.
    assert!(once(&mut service, "use_credits", user, "case_analysis", reference));
    assert_eq!(counters(db, user).used, 1);
}

fn a_reference_that_could_not_be_paid_can_be_paid_later(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    set(db, user, "credits_used_this_month = 5");
    let mut service = db.service();
    let reference = Uuid::new_v4();
    assert!(!once(&mut service, "use_credits", user, "case_analysis", reference));
    add_bonus(&mut service, user, 10).unwrap();
    assert!(once(&mut service, "use_credits", user, "case_analysis", reference));
}

fn a_purchase_adds_bonus_credits_also_for_a_user_without_a_subscription(db: &Database<'_>) {
    let (subscriber, newcomer) = (db.sign_up_on_plan("ana@clinica.test", "starter"), db.sign_up("bia@clinica.test"));
    let mut service = db.service();
    for user in [subscriber, newcomer] {
        add_bonus(&mut service, user, 10).unwrap();
        add_bonus(&mut service, user, 25).unwrap();
        assert_eq!(counters(db, user).bonus, 35);
    }
    let made = db
        .superuser()
        .query_one("SELECT plan_id, status FROM public.subscriptions WHERE user_id = $1", &[&newcomer])
        .unwrap();
    assert_eq!((made.get(0), made.get(1)), ("starter", "active"));
}

fn a_removed_starter_plan_does_not_drop_a_purchase(db: &Database<'_>) {
    let user = db.sign_up("ana@clinica.test");
    db.superuser().run("DELETE FROM public.subscription_plans WHERE id = 'starter'");
    add_bonus(&mut db.service(), user, 10).unwrap();
    assert_eq!(counters(db, user).bonus, 10);
}

fn the_reset_settles_each_plan_by_its_own_rule_and_only_once(db: &Database<'_>) {
    let pro = db.sign_up_on_plan("ana@clinica.test", "price_pro_monthly_v2");
    let starter = db.sign_up_on_plan("bia@clinica.test", "starter");
    let recent = db.sign_up_on_plan("caio@clinica.test", "price_pro_monthly_v2");
    set(
        db,
        pro,
        "credits_used_this_month = 20, credits_rollover = 5, credits_bonus = 7, \
         cases_used_this_month = 9, dsd_used_this_month = 3, \
         usage_reset_at = now() - INTERVAL '31 days'",
    );
    set(db, starter, "credits_used_this_month = 9, credits_bonus = 10, usage_reset_at = now() - INTERVAL '31 days'");
    set(db, recent, "credits_used_this_month = 3, usage_reset_at = now() - INTERVAL '29 days'");
    let mut service = db.service();
    let reset = "SELECT public.reset_monthly_usage_with_rollover()";
    assert_eq!(service.value::<i32>(reset), 2);
    // 40 of 60 monthly and 5 of rollover were left; the plan carries 30.
    assert_eq!(counters(db, pro), Counters { used: 0, rollover: 30, bonus: 7, cases: 0, dsd: 0 });
    // 5 monthly and 4 of the bonus were spent; the plan carries nothing.
    assert_eq!(counters(db, starter), Counters { used: 0, rollover: 0, bonus: 6, cases: 0, dsd: 0 });
    assert_eq!(counters(db, recent).used, 3);
    assert_eq!(service.value::<i32>(reset), 0);
}

fn the_legacy_case_limit_counts_evaluations_or_the_plans_cases(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    let mut service = db.service();
    let can_create = |service: &mut Session| -> bool {
        service.query_one("SELECT public.can_create_case(p_user_id => $1)", &[&user]).unwrap().get(0)
    };
    for _ in 0..3 {
        assert!(can_create(&mut service));
        service.execute("SELECT public.increment_case_usage(p_user_id => $1)", &[&user]).unwrap();
    }
    assert!(!can_create(&mut service));
    db.superuser().run("UPDATE public.subscription_plans SET cases_per_month = -1");
    assert!(can_create(&mut service));
    set(db, user, "status = 'canceled'");
    assert!(can_create(&mut service));
}

fn the_legacy_reset_settles_the_month_and_postpones_nobodys_credits(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "price_pro_monthly_v2");
    set(
        db,
        user,
        "credits_used_this_month = 50, credits_bonus = 7, cases_used_this_month = 9, \
         dsd_used_this_month = 3, usage_reset_at = now() - INTERVAL '31 days'",
    );
    let mut service = db.service();
    let reset = "SELECT public.reset_monthly_usage()";
    assert_eq!(service.value::<i32>(reset), 1);
    assert_eq!(service.value::<i32>(reset), 0);
    assert_eq!(counters(db, user), Counters { used: 0, rollover: 10, bonus: 7, cases: 0, dsd: 0 });
}

all_ways! {
    an_operation_is_charged_at_its_cost_and_written_to_the_ledger,
    what_is_not_there_cannot_be_spent_and_nothing_changes,
    a_free_operation_is_allowed_on_an_empty_pool_and_recorded,
    an_unlimited_plan_always_allows_and_still_counts,
    only_active_and_trialing_subscriptions_count,
    the_free_tier_is_three_analyses_and_two_simulations_in_thirty_days,
    a_free_use_is_written_under_the_inactive_subscription_if_there_is_one,
    a_refund_gives_back_what_was_charged_then_and_not_what_it_costs_now,
    refunds_go_back_from_the_latest_use_whatever_was_refunded_before,
    a_use_older_than_thirty_days_is_not_refunded,
    a_refund_after_the_reset_comes_back_as_bonus,
    a_free_use_refunded_after_subscribing_pays_nothing_into_the_pool,
    a_refund_on_the_free_tier_gives_the_free_use_back,
    a_reference_is_charged_and_refunded_once_however_often_it_is_sent,
    a_reference_that_could_not_be_paid_can_be_paid_later,
    a_purchase_adds_bonus_credits_also_for_a_user_without_a_subscription,
    a_removed_starter_plan_does_not_drop_a_purchase,
    the_reset_settles_each_plan_by_its_own_rule_and_only_once,
    the_legacy_case_limit_counts_evaluations_or_the_plans_cases,
    the_legacy_reset_settles_the_month_and_postpones_nobodys_credits,
}
