//! The months of many subscriptions, settled in the database and by the rules
//! in plain Rust: both must say the same.

use auria_credits::{Allowance, Charged, CreditPool, Rollover, STATUSES, Settlement, Sources, with_differences};
use auria_tests::database;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use uuid::Uuid;

use crate::credits::functions::{add_bonus, ask, ledger_disagreements, set};

/// A plan's credits (NULL: no plan), its rollover rule, and a pool.
type Case = (Option<i32>, bool, Option<i32>, [i32; 3]);

fn case() -> impl Strategy<Value = Case> {
    (proptest::option::weighted(0.9, -1..100), any::<bool>(), proptest::option::of(0..60), [0..200, 0..80, 0..80])
}

#[test]
fn a_thousand_random_months_are_settled_as_the_rules_say() {
    let db = database();
    let mut session = db.superuser();
    let mut runner = TestRunner::default();
    let cases: Vec<(Uuid, Case)> =
        (0..1_000).map(|_| (Uuid::new_v4(), case().new_tree(&mut runner).unwrap().current())).collect();
    for (user, (monthly, allows, limit, [used, rollover, bonus])) in &cases {
        let plan = user.to_string();
        session.execute("INSERT INTO auth.users (id) VALUES ($1)", &[user]).unwrap();
        if let Some(monthly) = monthly {
            session
                .execute(
                    "INSERT INTO public.subscription_plans \
                            (id, name, price_monthly, credits_per_month, allows_rollover, rollover_max) \
                     VALUES ($1, 'a plan', 0, $2, $3, $4)",
                    &[&plan, monthly, allows, limit],
                )
                .unwrap();
        }
        session
            .execute(
                "INSERT INTO public.subscriptions \
                        (user_id, plan_id, status, credits_used_this_month, credits_rollover, \
                         credits_bonus, usage_reset_at) \
                 VALUES ($1, $2, 'active', $3, $4, $5, now() - INTERVAL '31 days')",
                &[user, &monthly.map(|_| plan), used, rollover, bonus],
            )
            .unwrap();
    }
    assert_eq!(session.value::<i32>("SELECT public.reset_monthly_usage_with_rollover()"), 1_000);
    for (user, (monthly, allows, limit, [used, rollover, bonus])) in cases {
        let pool =
            CreditPool { monthly: Allowance::from_plan(monthly), rollover, bonus, used, ..CreditPool::default() };
        let expected = Settlement::of(&pool, Rollover::from_plan(monthly.is_some() && allows, limit), true);
        let row = session
            .query_one(
                "SELECT credits_used_this_month, credits_rollover, credits_bonus, \
                        usage_reset_at BETWEEN now() - INTERVAL '25 hours' AND now() - INTERVAL '24 hours' \
                   FROM public.subscriptions WHERE user_id = $1",
                &[&user],
            )
            .unwrap();
        let settled: (i32, i32, i32, bool) = (row.get(0), row.get(1), row.get(2), row.get(3));
        assert_eq!(settled, (0, expected.rollover, expected.bonus, true), "{pool:?}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Use(&'static str),
    Refund(&'static str),
    Purchase(i32),
    /// As an administrator writes it.
    Plan(Option<&'static str>),
    /// As a webhook writes it.
    Upsert(Option<&'static str>),
    /// Plan, counter and bonus in one statement.
    Together(&'static str, i32, i32),
    EndOfMonth,
}

fn plan() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("starter"), Just("price_essencial_monthly"), Just("price_pro_monthly_v2"), Just("unlimited"),]
}

fn step() -> impl Strategy<Value = Step> {
    let operation = || prop_oneof![Just("case_analysis"), Just("dsd_simulation"), Just("letter")];
    prop_oneof![
        8 => operation().prop_map(Step::Use),
        4 => operation().prop_map(Step::Refund),
        1 => (1..30).prop_map(Step::Purchase),
        1 => proptest::option::weighted(0.8, plan()).prop_map(Step::Plan),
        1 => proptest::option::weighted(0.8, plan()).prop_map(Step::Upsert),
        1 => (plan(), 0..9, 0..9).prop_map(|(plan, used, bonus)| Step::Together(plan, used, bonus)),
        1 => Just(Step::EndOfMonth),
    ]
}

fn granted(plan: Option<&str>) -> (Allowance, Rollover) {
    match plan {
        None => (Allowance::Limited(0), Rollover::Expires),
        Some("starter") => (Allowance::Limited(5), Rollover::Expires),
        Some("price_essencial_monthly") => (Allowance::Limited(20), Rollover::Expires),
        Some("price_pro_monthly_v2") => (Allowance::Limited(60), Rollover::UpTo(30)),
        _ => (Allowance::Unlimited, Rollover::Expires),
    }
}

/// A use that can still be refunded, and the month and plan it was charged in.
struct Open {
    operation: &'static str,
    charged: Sources,
    month: i32,
    plan: i32,
}

/// Every answer and every counter of the database, over a random life of a
/// subscription, against the pool in plain Rust and a list of open uses.
#[test]
fn a_random_life_of_a_subscription_follows_the_rules_step_by_step() {
    let db = database();
    let mut session = db.superuser();
    session.run(
        "INSERT INTO public.subscription_plans (id, name, price_monthly, credits_per_month) \
         VALUES ('unlimited', 'Unlimited', 0, -1)",
    );
    let mut runner = TestRunner::default();
    for life in 0..20 {
        let steps = prop::collection::vec(step(), 120).new_tree(&mut runner).unwrap().current();
        let user = db.sign_up_on_plan(&format!("{life}@clinica.test"), "starter");
        let mut plan = Some("starter");
        let mut pool = CreditPool { monthly: Allowance::Limited(5), ..CreditPool::default() };
        let mut open: Vec<Open> = Vec::new();
        let (mut months, mut plans) = (0, 0);
        for (number, step) in steps.iter().enumerate() {
            let context = || format!("life {life}, step {number} of {steps:?}");
            match *step {
                Step::Use(operation) => {
                    let cost = if operation == "dsd_simulation" { 2 } else { 1 };
                    let charged = pool.charge(cost).unwrap();
                    for function in ["can_use_credits", "use_credits"] {
                        assert_eq!(ask(&mut session, function, user, operation), charged.is_some(), "{}", context());
                    }
                    open.extend(charged.map(|charged| Open { operation, charged, month: months, plan: plans }));
                }
                Step::Refund(operation) => {
                    let latest = open.iter().rposition(|open| open.operation == operation);
                    if let Some(latest) = latest {
                        let given = open.remove(latest);
                        let when = if given.month < months {
                            Charged::InAnEarlierMonth
                        } else if given.plan < plans {
                            Charged::UnderAnEarlierPlan
                        } else {
                            Charged::UnderThisPlan
                        };
                        pool.refund(given.charged, when).unwrap();
                    }
                    assert_eq!(ask(&mut session, "refund_credits", user, operation), latest.is_some(), "{}", context());
                }
                Step::Purchase(credits) => {
                    pool.purchase(credits).unwrap();
                    add_bonus(&mut session, user, credits).unwrap();
                }
                Step::Plan(next) | Step::Upsert(next) => {
                    if next != plan {
                        pool.change_plan(granted(next).0).unwrap();
                        plans += 1;
                    }
                    plan = next;
                    let statement = match step {
                        Step::Plan(_) => "UPDATE public.subscriptions SET plan_id = $2 WHERE user_id = $1",
                        _ => {
                            "INSERT INTO public.subscriptions (user_id, plan_id, status) \
                             VALUES ($1, $2, 'active') ON CONFLICT (user_id) DO UPDATE \
                                SET plan_id = excluded.plan_id, status = excluded.status"
                        }
                    };
                    session.execute(statement, &[&user, &next]).unwrap();
                }
                Step::Together(next, used, bonus) => {
                    if Some(next) == plan {
                        continue;
                    }
                    let shown = pool;
                    pool.change_plan(granted(Some(next)).0).unwrap();
                    plans += 1;
                    plan = Some(next);
                    pool = with_differences(pool, shown, CreditPool { used, bonus, ..shown }).unwrap();
                    session
                        .execute(
                            "UPDATE public.subscriptions SET plan_id = $2, \
                                    credits_used_this_month = $3, credits_bonus = $4 \
                              WHERE user_id = $1",
                            &[&user, &next, &used, &bonus],
                        )
                        .unwrap();
                }
                Step::EndOfMonth => {
                    let settled = Settlement::of(&pool, granted(plan).1, true);
                    pool = CreditPool {
                        monthly: pool.monthly,
                        rollover: settled.rollover,
                        bonus: settled.bonus,
                        ..CreditPool::default()
                    };
                    months += 1;
                    set(&db, user, "usage_reset_at = now() - INTERVAL '31 days'");
                    session.run("SELECT public.reset_monthly_usage_with_rollover()");
                }
            }
            let row = session
                .query_one(
                    "SELECT credits_used_this_month, credits_used_hidden, credits_rollover, credits_bonus \
                       FROM public.subscriptions WHERE user_id = $1",
                    &[&user],
                )
                .unwrap();
            let counters: [i32; 4] = [0, 1, 2, 3].map(|column| row.get(column));
            assert_eq!(counters, [pool.used, pool.hidden, pool.rollover, pool.bonus], "{}", context());
        }
        assert_eq!(ledger_disagreements(&db), "", "life {life} of {steps:?}");
    }
}

#[test]
fn a_month_ends_whatever_status_stripe_gives_the_subscription() {
    let db = database();
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    let mut session = db.superuser();
    for status in STATUSES {
        session
            .execute(
                "UPDATE public.subscriptions SET status = $2, usage_reset_at = now() - INTERVAL '31 days' \
                  WHERE user_id = $1",
                &[&user, &status],
            )
            .unwrap();
        assert_eq!(session.value::<i32>("SELECT public.reset_monthly_usage_with_rollover()"), 1, "{status}");
    }
}
