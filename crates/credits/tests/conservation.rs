//! Random months against a model that keeps credits as coins in three jars.
//!
//! The pool keeps one counter of what was used; the model moves every coin by
//! itself. After any sequence of uses, refunds, purchases, plan changes and
//! settlements both must agree, and no coin may come from or go to nowhere.

use auria_credits::{Allowance, CreditPool, Rollover, Settlement};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Use(i32),
    RefundLatest,
    RefundOldest,
    Purchase(i32),
    ChangePlan(Option<i32>, Rollover),
    EndOfMonth,
}

/// Jars of coins, each with how many were taken out this month.
#[derive(Clone, Copy, Default, Debug)]
struct Jar {
    inside: i64,
    taken: i64,
}

impl Jar {
    fn take(&mut self, wanted: i64) -> i64 {
        let coins = wanted.min(self.inside);
        self.inside -= coins;
        self.taken += coins;
        coins
    }

    fn put_back(&mut self, offered: i64) -> i64 {
        let coins = offered.min(self.taken);
        self.inside += coins;
        self.taken -= coins;
        coins
    }
}

struct Model {
    monthly: Jar,
    rollover: Jar,
    bonus: Jar,
    /// Coins that came into the jars, and left them for good.
    granted: i64,
    bought: i64,
    given_back_later: i64,
    spent: i64,
    expired: i64,
}

impl Model {
    fn new(monthly: i64) -> Self {
        Self {
            monthly: Jar {
                inside: monthly,
                taken: 0,
            },
            rollover: Jar::default(),
            bonus: Jar::default(),
            granted: monthly,
            bought: 0,
            given_back_later: 0,
            spent: 0,
            expired: 0,
        }
    }

    fn use_coins(&mut self, cost: i64) -> bool {
        if self.monthly.inside + self.rollover.inside + self.bonus.inside < cost {
            return false;
        }
        let mut wanted = cost;
        for jar in [&mut self.monthly, &mut self.rollover, &mut self.bonus] {
            wanted -= jar.take(wanted);
        }
        assert_eq!(wanted, 0);
        true
    }

    /// The coins taken last go back first; those of a settled month are new
    /// coins in the bonus jar.
    fn refund(&mut self, charged: i64) {
        let mut offered = charged;
        for jar in [&mut self.bonus, &mut self.rollover, &mut self.monthly] {
            offered -= jar.put_back(offered);
        }
        self.bonus.inside += offered;
        self.given_back_later += offered;
    }

    fn purchase(&mut self, coins: i64) {
        self.bonus.inside += coins;
        self.bought += coins;
    }

    fn end_of_month(&mut self, rule: Rollover, next_monthly: i64) {
        let left = self.monthly.inside + self.rollover.inside;
        let carried = match rule {
            Rollover::Expires => 0,
            Rollover::Kept => left,
            Rollover::UpTo(limit) => left.min(i64::from(limit)),
        };
        self.expired += left - carried;
        self.spent += self.monthly.taken + self.rollover.taken + self.bonus.taken;
        self.monthly = Jar {
            inside: next_monthly,
            taken: 0,
        };
        self.rollover = Jar {
            inside: carried,
            taken: 0,
        };
        self.bonus.taken = 0;
        self.granted += next_monthly;
    }

    fn used(&self) -> i64 {
        self.monthly.taken + self.rollover.taken + self.bonus.taken
    }

    fn inside(&self) -> i64 {
        self.monthly.inside + self.rollover.inside + self.bonus.inside
    }
}

fn rollover() -> impl Strategy<Value = Rollover> {
    prop_oneof![
        Just(Rollover::Expires),
        Just(Rollover::Kept),
        (0..40).prop_map(Rollover::UpTo),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..12).prop_map(Step::Use),
        2 => Just(Step::RefundLatest),
        1 => Just(Step::RefundOldest),
        2 => (1..50).prop_map(Step::Purchase),
        2 => Just(Step::EndOfMonth),
    ]
}

fn step_with_plan_changes() -> impl Strategy<Value = Step> {
    prop_oneof![
        9 => step(),
        1 => (proptest::option::of(-1..80), rollover())
            .prop_map(|(monthly, rule)| Step::ChangePlan(monthly, rule)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// On one plan, over many months, the pool and the jars agree coin by coin.
    #[test]
    fn no_credit_is_created_or_lost_over_simulated_months(
        monthly in 0..80i32,
        rule in rollover(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut pool = CreditPool {
            monthly: Allowance::Limited(monthly), rollover: 0, bonus: 0, used: 0,
        };
        let mut model = Model::new(i64::from(monthly));
        let mut charges: Vec<i32> = Vec::new();
        for step in steps {
            match step {
                Step::Use(cost) => {
                    let charged = pool.charge(cost).expect("small numbers");
                    prop_assert_eq!(charged, model.use_coins(i64::from(cost)));
                    if charged {
                        charges.push(cost);
                    }
                }
                Step::RefundLatest | Step::RefundOldest => {
                    let charge = match step {
                        Step::RefundLatest => charges.pop(),
                        _ if charges.is_empty() => None,
                        _ => Some(charges.remove(0)),
                    };
                    if let Some(charge) = charge {
                        let before = pool.available().expect("limited");
                        let reversal = pool.refund(charge).expect("small numbers");
                        model.refund(i64::from(charge));
                        prop_assert_eq!(reversal.off_used + reversal.to_bonus, charge);
                        prop_assert_eq!(pool.available(), Some(before + i64::from(charge)));
                    }
                }
                Step::Purchase(credits) => {
                    pool.purchase(credits).expect("small numbers");
                    model.purchase(i64::from(credits));
                }
                Step::EndOfMonth => {
                    let settled = Settlement::of(&pool, rule);
                    prop_assert_eq!(
                        settled.from_monthly + settled.from_rollover + settled.from_bonus,
                        pool.used
                    );
                    pool.rollover = settled.rollover;
                    pool.bonus = settled.bonus;
                    pool.used = 0;
                    model.end_of_month(rule, i64::from(monthly));
                }
                Step::ChangePlan(..) => unreachable!("not in this strategy"),
            }
            prop_assert_eq!(i64::from(pool.used), model.used());
            prop_assert_eq!(pool.available(), Some(model.inside()));
            prop_assert_eq!(
                model.granted + model.bought + model.given_back_later,
                model.spent + model.expired + model.used() + model.inside()
            );
        }
    }

    /// Whatever plans come and go, bought credits leave only by being spent,
    /// nothing goes below zero, and a settled month cannot be settled twice.
    #[test]
    fn bought_credits_survive_any_change_of_plan(
        steps in prop::collection::vec(step_with_plan_changes(), 1..120),
    ) {
        let mut pool = CreditPool {
            monthly: Allowance::Limited(20), rollover: 0, bonus: 0, used: 0,
        };
        let mut rule = Rollover::Expires;
        let mut charges: Vec<i32> = Vec::new();
        for step in steps {
            let before = pool;
            match step {
                Step::Use(cost) => {
                    if pool.charge(cost).expect("small numbers") {
                        prop_assert!(before.affords(cost));
                        prop_assert_eq!(pool.used, before.used + cost);
                        charges.push(cost);
                    } else {
                        prop_assert_eq!(pool, before);
                    }
                }
                Step::RefundLatest | Step::RefundOldest => {
                    if let Some(charge) = charges.pop() {
                        let reversal = pool.refund(charge).expect("small numbers");
                        prop_assert_eq!(before.used - pool.used, reversal.off_used);
                        prop_assert_eq!(pool.bonus - before.bonus, reversal.to_bonus);
                        prop_assert_eq!(reversal.off_used + reversal.to_bonus, charge);
                    }
                }
                Step::Purchase(credits) => {
                    pool.purchase(credits).expect("small numbers");
                    prop_assert_eq!(pool.bonus, before.bonus + credits);
                }
                Step::ChangePlan(monthly, new_rule) => {
                    pool.monthly = Allowance::from_plan(monthly);
                    rule = new_rule;
                }
                Step::EndOfMonth => {
                    let settled = Settlement::of(&pool, rule);
                    prop_assert_eq!(pool.bonus - settled.bonus, settled.from_bonus);
                    if pool.available().is_none_or(|available| available >= 0) {
                        prop_assert_eq!(
                            settled.from_monthly + settled.from_rollover + settled.from_bonus,
                            pool.used
                        );
                    }
                    pool = CreditPool {
                        rollover: settled.rollover, bonus: settled.bonus, used: 0, ..pool
                    };
                }
            }
            prop_assert!(pool.used >= 0 && pool.rollover >= 0 && pool.bonus >= 0);
        }
    }
}

#[test]
fn an_unlimited_plan_allows_everything_and_carries_nothing() {
    let mut pool = CreditPool {
        monthly: Allowance::Unlimited,
        rollover: 7,
        bonus: 5,
        used: 1_000_000,
    };
    assert_eq!(pool.charge(500), Ok(true));
    let settled = Settlement::of(&pool, Rollover::Kept);
    assert_eq!((settled.rollover, settled.bonus), (7, 5));
}

#[test]
fn a_counter_that_would_overflow_is_refused_and_nothing_changes() {
    let full = CreditPool {
        monthly: Allowance::Unlimited,
        rollover: 0,
        bonus: i32::MAX,
        used: i32::MAX,
    };
    let mut pool = full;
    assert!(pool.charge(1).is_err());
    assert!(pool.purchase(1).is_err());
    assert_eq!(pool, full);
}

#[test]
fn a_month_spends_monthly_then_rollover_then_bonus() {
    let pool = CreditPool {
        monthly: Allowance::Limited(60),
        rollover: 30,
        bonus: 10,
        used: 95,
    };
    let settled = Settlement::of(&pool, Rollover::UpTo(30));
    assert_eq!(
        (
            settled.from_monthly,
            settled.from_rollover,
            settled.from_bonus
        ),
        (60, 30, 5)
    );
    assert_eq!((settled.rollover, settled.bonus), (0, 5));
}

#[test]
fn a_refund_after_the_settlement_comes_back_as_bonus() {
    let mut pool = CreditPool {
        monthly: Allowance::Limited(5),
        rollover: 0,
        bonus: 0,
        used: 1,
    };
    let reversal = pool.refund(2).expect("small numbers");
    assert_eq!((reversal.off_used, reversal.to_bonus), (1, 1));
    assert_eq!(pool.available(), Some(6));
}
