//! The months of many subscriptions, settled in the database and by the rules
//! in plain Rust: both must say the same.

use auria_credits::{Allowance, CreditPool, Rollover, Settlement};
use auria_tests::database;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use uuid::Uuid;

/// A plan's credits (NULL: no plan), its rollover rule, and a pool.
type Case = (Option<i32>, bool, Option<i32>, [i32; 3]);

fn case() -> impl Strategy<Value = Case> {
    (
        proptest::option::weighted(0.9, -1..100),
        any::<bool>(),
        proptest::option::of(0..60),
        [0..200, 0..80, 0..80],
    )
}

#[test]
fn a_thousand_random_months_are_settled_as_the_rules_say() {
    let db = database();
    let mut session = db.superuser();
    let mut runner = TestRunner::default();
    let cases: Vec<(Uuid, Case)> = (0..1_000)
        .map(|_| {
            (
                Uuid::new_v4(),
                case().new_tree(&mut runner).unwrap().current(),
            )
        })
        .collect();
    for (user, (monthly, allows, limit, [used, rollover, bonus])) in &cases {
        let plan = user.to_string();
        session
            .execute("INSERT INTO auth.users (id) VALUES ($1)", &[user])
            .unwrap();
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
    assert_eq!(
        session.value::<i32>("SELECT public.reset_monthly_usage_with_rollover()"),
        1_000
    );
    for (user, (monthly, allows, limit, [used, rollover, bonus])) in cases {
        let pool = CreditPool {
            monthly: Allowance::from_plan(monthly),
            rollover,
            bonus,
            used,
        };
        let expected = Settlement::of(
            &pool,
            Rollover::from_plan(monthly.is_some() && allows, limit),
        );
        let row = session
            .query_one(
                "SELECT credits_used_this_month, credits_rollover, credits_bonus, \
                        usage_reset_at > now() - INTERVAL '1 minute' \
                   FROM public.subscriptions WHERE user_id = $1",
                &[&user],
            )
            .unwrap();
        let settled: (i32, i32, i32, bool) = (row.get(0), row.get(1), row.get(2), row.get(3));
        assert_eq!(
            settled,
            (0, expected.rollover, expected.bonus, true),
            "{pool:?}"
        );
    }
}

#[derive(Clone, Debug)]
enum Step {
    Use(&'static str),
    Refund(&'static str),
    Purchase(i32),
    Plan(&'static str),
    EndOfMonth,
}

fn step() -> impl Strategy<Value = Step> {
    let operation = || {
        prop_oneof![
            Just("case_analysis"),
            Just("dsd_simulation"),
            Just("letter")
        ]
    };
    prop_oneof![
        6 => operation().prop_map(Step::Use),
        3 => operation().prop_map(Step::Refund),
        1 => (1..30).prop_map(Step::Purchase),
        1 => prop_oneof![
            Just("starter"), Just("price_essencial_monthly"), Just("price_pro_monthly_v2"),
        ].prop_map(Step::Plan),
        1 => Just(Step::EndOfMonth),
    ]
}

/// Every answer and every counter of the database, over a random life of a
/// subscription, against the pool in plain Rust and a list of open uses.
#[test]
fn a_random_life_of_a_subscription_follows_the_rules_step_by_step() {
    let db = database();
    let mut session = db.superuser();
    let mut runner = TestRunner::default();
    for life in 0..20 {
        let steps = prop::collection::vec(step(), 120)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let user = db.sign_up_on_plan(&format!("{life}@clinica.test"), "starter");
        let mut rule = Rollover::Expires;
        let mut pool = CreditPool {
            monthly: Allowance::Limited(5),
            rollover: 0,
            bonus: 0,
            used: 0,
        };
        let mut open: Vec<(&str, i32)> = Vec::new();
        for (number, step) in steps.iter().enumerate() {
            match *step {
                Step::Use(operation) => {
                    let cost = if operation == "dsd_simulation" { 2 } else { 1 };
                    let expected = pool.charge(cost).unwrap();
                    if expected {
                        open.push((operation, cost));
                    }
                    let row = session
                        .query_one(
                            "SELECT public.can_use_credits($1, $2)",
                            &[&user, &operation],
                        )
                        .unwrap();
                    assert_eq!(row.get::<_, bool>(0), expected, "{steps:?} {number}");
                    let row = session
                        .query_one("SELECT public.use_credits($1, $2)", &[&user, &operation])
                        .unwrap();
                    assert_eq!(row.get::<_, bool>(0), expected, "{steps:?} {number}");
                }
                Step::Refund(operation) => {
                    let latest = open.iter().rposition(|(name, _)| *name == operation);
                    if let Some(latest) = latest {
                        pool.refund(open.remove(latest).1).unwrap();
                    }
                    let row = session
                        .query_one("SELECT public.refund_credits($1, $2)", &[&user, &operation])
                        .unwrap();
                    assert_eq!(
                        row.get::<_, bool>(0),
                        latest.is_some(),
                        "{steps:?} {number}"
                    );
                }
                Step::Purchase(credits) => {
                    pool.purchase(credits).unwrap();
                    session
                        .query(
                            "SELECT public.add_bonus_credits($1, $2)",
                            &[&user, &credits],
                        )
                        .unwrap();
                }
                Step::Plan(plan) => {
                    (pool.monthly, rule) = match plan {
                        "starter" => (Allowance::Limited(5), Rollover::Expires),
                        "price_essencial_monthly" => (Allowance::Limited(20), Rollover::Expires),
                        _ => (Allowance::Limited(60), Rollover::UpTo(30)),
                    };
                    session
                        .execute(
                            "UPDATE public.subscriptions SET plan_id = $2 WHERE user_id = $1",
                            &[&user, &plan],
                        )
                        .unwrap();
                }
                Step::EndOfMonth => {
                    let settled = Settlement::of(&pool, rule);
                    pool = CreditPool {
                        rollover: settled.rollover,
                        bonus: settled.bonus,
                        used: 0,
                        ..pool
                    };
                    session
                        .execute(
                            "UPDATE public.subscriptions \
                                SET usage_reset_at = now() - INTERVAL '31 days' WHERE user_id = $1",
                            &[&user],
                        )
                        .unwrap();
                    session.run("SELECT public.reset_monthly_usage_with_rollover()");
                }
            }
            let row = session
                .query_one(
                    "SELECT credits_used_this_month, credits_rollover, credits_bonus \
                       FROM public.subscriptions WHERE user_id = $1",
                    &[&user],
                )
                .unwrap();
            let counters: (i32, i32, i32) = (row.get(0), row.get(1), row.get(2));
            assert_eq!(
                counters,
                (pool.used, pool.rollover, pool.bonus),
                "life {life}, step {number} of {steps:?}"
            );
        }
    }
}

#[test]
fn a_month_ends_whatever_status_stripe_gives_the_subscription() {
    let db = database();
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    let mut session = db.superuser();
    let allowed: String = session.value(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'subscriptions_status_not_unknown'",
    );
    let statuses: Vec<_> = allowed.split('\'').skip(1).step_by(2).collect();
    assert_eq!(statuses.len(), 9, "{allowed}");
    for status in statuses {
        session
            .execute(
                "UPDATE public.subscriptions SET status = $2, usage_reset_at = now() - INTERVAL '31 days' \
                  WHERE user_id = $1",
                &[&user, &status],
            )
            .unwrap();
        assert_eq!(
            session.value::<i32>("SELECT public.reset_monthly_usage_with_rollover()"),
            1,
            "{status}"
        );
    }
}
