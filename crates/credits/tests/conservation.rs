//! Random months against a model that keeps credits as coins in three jars.
//!
//! The pool keeps counters of what was used and hidden; the model moves every
//! coin by itself. After any sequence of uses, refunds, purchases, plan changes
//! and resets both must agree, no coin may come from or go to nowhere, and
//! nobody may spend more in a month than the largest plan held in it grants,
//! plus what was carried over, plus what was bought.

use auria_credits::{Allowance, Charged, CreditPool, Rollover, Settlement, Sources};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Use(i32),
    RefundLatest,
    RefundOldest,
    /// Of this month.
    RefundEverything,
    Purchase(i32),
    ChangePlan(Option<i32>, Rollover),
    EndOfMonth {
        is_active: bool,
    },
}

/// A jar of coins, and how many were taken out under the present plan.
#[derive(Clone, Copy, Default, Debug)]
struct Jar {
    inside: i64,
    taken: i64,
    /// Taken out for good by plan changes of this month.
    settled: i64,
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

    fn settle(&mut self) {
        self.settled += std::mem::take(&mut self.taken);
    }

    /// Coins that a plan change took, back in the jar.
    fn unsettle(&mut self, offered: i64) -> i64 {
        let coins = offered.min(self.settled);
        self.inside += coins;
        self.settled -= coins;
        coins
    }
}

/// What a plan grants; `None` is no limit.
type Grant = Option<i64>;

struct Model {
    plan: Grant,
    /// Coins of this month's plans that are spent, whichever plan it was.
    plan_coins_spent: i64,
    rollover: Jar,
    bonus: Jar,
    /// The most that may be spent in this month.
    largest_plan: Grant,
    brought_in: i64,
    /// Uses of this month less refunds of them.
    net_spent: i64,
    /// What the month began with: rollover, and bonus with all that was bought since.
    rollover_at_first: i64,
    owned: i64,
}

impl Model {
    fn new(plan: Grant) -> Self {
        Self {
            plan,
            plan_coins_spent: 0,
            rollover: Jar::default(),
            bonus: Jar::default(),
            largest_plan: plan,
            brought_in: 0,
            net_spent: 0,
            rollover_at_first: 0,
            owned: 0,
        }
    }

    fn left_of_the_plan(&self) -> Grant {
        self.plan.map(|plan| (plan - self.plan_coins_spent).max(0))
    }

    fn available(&self) -> Grant {
        self.left_of_the_plan().map(|left| left + self.rollover.inside + self.bonus.inside)
    }

    fn use_coins(&mut self, cost: i64) -> bool {
        if self.available().is_some_and(|available| available < cost) {
            return false;
        }
        let of_the_plan = self.left_of_the_plan().unwrap_or(cost).min(cost);
        self.plan_coins_spent += of_the_plan;
        let mut wanted = cost - of_the_plan;
        for jar in [&mut self.rollover, &mut self.bonus] {
            wanted -= jar.take(wanted);
        }
        assert_eq!(wanted, 0);
        self.net_spent += cost;
        true
    }

    /// The coins taken last go back first. The counter has none left when uses from before a plan change gave them back
    /// already: then they come from what that change took.
    fn refund_under_this_plan(&mut self, charged: i64) {
        let mut offered = charged;
        for jar in [&mut self.bonus, &mut self.rollover] {
            offered -= jar.put_back(offered);
        }
        let of_the_plan = self.plan.map_or(i64::MAX, |plan| plan).min(self.plan_coins_spent).min(offered);
        self.plan_coins_spent -= of_the_plan;
        offered -= of_the_plan;
        offered -= self.rollover.unsettle(offered);
        offered -= self.bonus.unsettle(offered);
        self.bonus.inside += offered;
        self.net_spent -= charged;
        self.fill_up();
    }

    /// Plan and rollover may have room again: what was taken from a later jar since then came from there.
    fn fill_up(&mut self) {
        let mut room = self.left_of_the_plan().unwrap_or(i64::MAX);
        for jar in [&mut self.bonus, &mut self.rollover] {
            let coins = jar.put_back(room);
            self.plan_coins_spent += coins;
            room -= coins;
        }
        let coins = self.bonus.put_back(self.rollover.inside);
        self.rollover.take(coins);
    }

    /// Coins of rollover and bonus go back as far as a plan change took some. The others were the plan's by then:
    /// those that it does not cover first, then those taken last, and what is left to the jars.
    fn refund_across_a_plan_change(&mut self, charged: Sources) {
        let mut offered = i64::from(charged.monthly);
        offered += i64::from(charged.bonus) - self.bonus.unsettle(i64::from(charged.bonus));
        offered += i64::from(charged.rollover) - self.rollover.unsettle(i64::from(charged.rollover));
        let not_covered = self.plan.map_or(0, |plan| (self.plan_coins_spent - plan).max(0)).min(offered);
        self.plan_coins_spent -= not_covered;
        offered -= not_covered;
        for jar in [&mut self.bonus, &mut self.rollover] {
            offered -= jar.put_back(offered);
        }
        let of_the_plan = self.plan_coins_spent.min(offered);
        self.plan_coins_spent -= of_the_plan;
        offered -= of_the_plan;
        offered -= self.rollover.unsettle(offered);
        offered -= self.bonus.unsettle(offered);
        self.bonus.inside += offered;
        self.net_spent -= i64::from(charged.monthly + charged.rollover + charged.bonus);
        self.fill_up();
    }

    fn buy(&mut self, coins: i64) {
        self.bonus.inside += coins;
        self.brought_in += coins;
        self.owned += coins;
    }

    /// What is out of the jars is out of them for good; the plan's spent coins
    /// stay spent under the next plan.
    fn change_plan(&mut self, plan: Grant) {
        self.rollover.settle();
        self.bonus.settle();
        self.plan = plan;
        self.largest_plan = self.largest_plan.zip(plan).map(|(one, other)| one.max(other));
    }

    fn end_of_month(&mut self, rule: Rollover, is_active: bool) {
        let of_the_plan = if is_active { self.left_of_the_plan().unwrap_or(0) } else { 0 };
        let left = of_the_plan + self.rollover.inside;
        let carried = match rule {
            Rollover::Expires => 0,
            Rollover::Kept => left,
            Rollover::UpTo(limit) => left.min(i64::from(limit)),
        };
        let bonus = self.bonus.inside;
        *self = Self::new(self.plan);
        self.rollover.inside = carried;
        self.bonus.inside = bonus;
        self.brought_in = carried + bonus;
        self.rollover_at_first = carried;
        self.owned = bonus;
    }
}

fn rollover() -> impl Strategy<Value = Rollover> {
    prop_oneof![Just(Rollover::Expires), Just(Rollover::Kept), (0..40).prop_map(Rollover::UpTo),]
}

/// A plan's credits; `Some(-1)` is unlimited, `None` no plan.
fn plan() -> impl Strategy<Value = Option<i32>> {
    prop_oneof![
        6 => (0..80).prop_map(Some),
        1 => Just(Some(-1)),
        1 => Just(None),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..12).prop_map(Step::Use),
        2 => Just(Step::RefundLatest),
        2 => Just(Step::RefundOldest),
        1 => (1..50).prop_map(Step::Purchase),
        3 => (plan(), rollover()).prop_map(|(plan, rule)| Step::ChangePlan(plan, rule)),
        1 => any::<bool>().prop_map(|is_active| Step::EndOfMonth { is_active }),
        1 => Just(Step::RefundEverything),
    ]
}

fn grant(allowance: Allowance) -> Grant {
    match allowance {
        Allowance::Unlimited => None,
        Allowance::Limited(credits) => Some(i64::from(credits)),
    }
}

/// A use that can still be refunded: what it took from where, and when it was.
struct Open {
    charged: Sources,
    month: usize,
    plan: usize,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6_000))]

    #[test]
    fn no_credit_is_created_or_lost_by_any_order_of_uses_refunds_plans_and_months(
        first in plan(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut pool = CreditPool {
            monthly: Allowance::from_plan(first), rollover: 0, bonus: 0, used: 0, hidden: 0,
            settled_rollover: 0, settled_bonus: 0,
        };
        let mut rule = Rollover::Expires;
        let mut model = Model::new(grant(pool.monthly));
        let mut open: Vec<Open> = Vec::new();
        let (mut months, mut plans) = (0, 0);
        for step in steps {
            match step {
                Step::Use(cost) => {
                    let charged = pool.charge(cost).expect("small numbers");
                    prop_assert_eq!(charged.is_some(), model.use_coins(i64::from(cost)));
                    if let Some(charged) = charged {
                        prop_assert_eq!(charged.monthly + charged.rollover + charged.bonus, cost);
                        prop_assert!(charged.monthly.min(charged.rollover).min(charged.bonus) >= 0);
                        open.push(Open { charged, month: months, plan: plans });
                    }
                }
                Step::RefundLatest | Step::RefundOldest | Step::RefundEverything => {
                    let given: Vec<Open> = match step {
                        Step::RefundLatest => open.pop().into_iter().collect(),
                        Step::RefundOldest => open.drain(..open.len().min(1)).collect(),
                        _ => {
                            let (earlier, of_this_month) = open.drain(..).partition(|one: &Open| one.month < months);
                            open = earlier;
                            of_this_month
                        }
                    };
                    for given in given {
                        let total = given.charged.monthly + given.charged.rollover + given.charged.bonus;
                        let when = if given.month < months {
                            model.buy(i64::from(total));
                            Charged::InAnEarlierMonth
                        } else if given.plan < plans {
                            model.refund_across_a_plan_change(given.charged);
                            Charged::UnderAnEarlierPlan
                        } else {
                            model.refund_under_this_plan(i64::from(total));
                            Charged::UnderThisPlan
                        };
                        let reversal = pool.refund(given.charged, when).expect("small numbers");
                        prop_assert_eq!(
                            reversal.off_used + reversal.off_hidden + reversal.to_rollover + reversal.to_bonus,
                            total
                        );
                    }
                    if open.iter().all(|one| one.month < months) {
                        prop_assert_eq!((pool.used, pool.hidden), (0, 0));
                        prop_assert_eq!(i64::from(pool.rollover), model.rollover_at_first);
                        prop_assert_eq!(i64::from(pool.bonus), model.owned);
                    }
                }
                Step::Purchase(credits) => {
                    pool.purchase(credits).expect("small numbers");
                    model.buy(i64::from(credits));
                }
                Step::ChangePlan(plan, new_rule) => {
                    let allowance = Allowance::from_plan(plan);
                    // An upsert that writes the plan it already has changes nothing.
                    if allowance != pool.monthly {
                        pool.change_plan(allowance).expect("small numbers");
                        model.change_plan(grant(allowance));
                        plans += 1;
                    }
                    rule = new_rule;
                }
                Step::EndOfMonth { is_active } => {
                    let settled = Settlement::of(&pool, rule, is_active);
                    prop_assert_eq!(
                        settled.from_monthly + settled.from_rollover + settled.from_bonus,
                        pool.used
                    );
                    pool = CreditPool {
                        rollover: settled.rollover, bonus: settled.bonus, used: 0, hidden: 0,
                        settled_rollover: 0, settled_bonus: 0, ..pool
                    };
                    model.end_of_month(rule, is_active);
                    months += 1;
                }
            }
            prop_assert_eq!(pool.available(), model.available());
            prop_assert_eq!(
                i64::from(pool.used) + i64::from(pool.hidden),
                model.plan_coins_spent + model.rollover.taken + model.bonus.taken
            );
            prop_assert_eq!(i64::from(pool.rollover), model.rollover.inside + model.rollover.taken);
            prop_assert_eq!(i64::from(pool.bonus), model.bonus.inside + model.bonus.taken);
            prop_assert!(pool.used >= 0 && pool.hidden >= 0 && pool.rollover >= 0 && pool.bonus >= 0);
            if let Some(largest) = model.largest_plan {
                prop_assert!(model.net_spent <= largest + model.brought_in);
            }
        }
    }

    /// Rows from before the rules may hold anything.
    #[test]
    fn no_number_wraps_whatever_the_columns_hold(
        plan in proptest::option::of(any::<i32>()),
        next in proptest::option::of(any::<i32>()),
        numbers in prop::array::uniform9(prop_oneof![
            any::<i32>(), Just(i32::MIN), Just(i32::MAX), Just(0), -9..9,
        ]),
        when in 0..3usize,
    ) {
        let [rollover, bonus, used, hidden, charged, from_rollover, from_bonus, settled_rollover, settled_bonus] = numbers;
        let pool = CreditPool {
            monthly: Allowance::from_plan(plan), rollover, bonus, used, hidden, settled_rollover, settled_bonus,
        };
        for rule in [Rollover::Expires, Rollover::Kept, Rollover::UpTo(from_bonus.max(0))] {
            let settled = Settlement::of(&pool, rule, when == 0);
            prop_assert!(settled.rollover >= 0 && settled.bonus >= 0);
            prop_assert!(settled.bonus <= bonus.max(0));
        }
        let mut changed = pool;
        if changed.change_plan(Allowance::from_plan(next)).is_ok() {
            prop_assert!(changed.rollover >= 0 && changed.rollover <= rollover.max(0));
            prop_assert!(changed.bonus >= 0 && changed.bonus <= bonus.max(0));
            prop_assert!(changed.used >= 0 && changed.hidden >= 0);
        } else {
            prop_assert_eq!(changed, pool);
        }
        let mut spent = pool;
        match spent.charge(charged) {
            Ok(Some(_)) => prop_assert!(spent.used >= used),
            _ => prop_assert_eq!(spent, pool),
        }
        let mut given = pool;
        let when = [Charged::UnderThisPlan, Charged::UnderAnEarlierPlan, Charged::InAnEarlierMonth][when];
        match given.refund(Sources::of_use(charged, from_rollover, from_bonus), when) {
            Ok(_) => prop_assert!(given.used <= used && given.bonus >= bonus && given.rollover >= rollover),
            Err(_) => prop_assert_eq!(given, pool),
        }
    }
}

fn limited(monthly: i32, rollover: i32, bonus: i32, used: i32) -> CreditPool {
    CreditPool {
        monthly: Allowance::Limited(monthly),
        rollover,
        bonus,
        used,
        hidden: 0,
        settled_rollover: 0,
        settled_bonus: 0,
    }
}

#[test]
fn an_unlimited_plan_allows_everything_and_carries_nothing() {
    let mut pool = CreditPool { monthly: Allowance::Unlimited, ..limited(0, 7, 5, 1_000_000) };
    assert_eq!(pool.charge(500), Ok(Some(Sources { monthly: 500, ..Sources::default() })));
    let settled = Settlement::of(&pool, Rollover::Kept, true);
    assert_eq!((settled.rollover, settled.bonus), (7, 5));
}

#[test]
fn a_counter_that_would_overflow_is_refused_and_nothing_changes() {
    let full = CreditPool { monthly: Allowance::Unlimited, ..limited(0, 0, i32::MAX, i32::MAX) };
    let mut pool = full;
    assert!(pool.charge(1).is_err());
    assert!(pool.purchase(1).is_err());
    assert!(pool.refund(Sources::of_use(1, 0, 0), Charged::InAnEarlierMonth).is_err());
    pool.hidden = 1;
    assert!(pool.change_plan(Allowance::Limited(1)).is_err());
    pool.hidden = 0;
    assert_eq!(pool, full);
}

#[test]
fn a_month_spends_monthly_then_rollover_then_bonus() {
    let mut pool = limited(60, 30, 10, 50);
    let charged = pool.charge(45).expect("small numbers").expect("affordable");
    assert_eq!((charged.monthly, charged.rollover, charged.bonus), (10, 30, 5));
    let settled = Settlement::of(&pool, Rollover::UpTo(30), true);
    assert_eq!((settled.from_monthly, settled.from_rollover, settled.from_bonus), (60, 30, 5));
    assert_eq!((settled.rollover, settled.bonus), (0, 5));
}

#[test]
fn a_refund_after_the_reset_comes_back_as_bonus() {
    let mut pool = limited(5, 0, 0, 1);
    let reversal = pool.refund(Sources::of_use(2, 0, 0), Charged::InAnEarlierMonth).expect("small numbers");
    assert_eq!((reversal.off_used, reversal.to_bonus), (0, 2));
    assert_eq!(pool.available(), Some(6));
}

#[test]
fn a_downgrade_does_not_eat_bought_credits() {
    let mut pool = limited(200, 0, 50, 70);
    pool.change_plan(Allowance::Limited(5)).expect("small");
    assert_eq!((pool.used, pool.hidden, pool.bonus), (5, 65, 50));
    assert_eq!(pool.available(), Some(50));
    assert_eq!(Settlement::of(&pool, Rollover::Expires, true).bonus, 50);
}

#[test]
fn an_upgrade_does_not_return_bought_credits_that_were_spent() {
    let mut pool = limited(20, 0, 50, 70);
    pool.change_plan(Allowance::Limited(200)).expect("small");
    assert_eq!((pool.used, pool.hidden, pool.bonus), (20, 0, 0));
    let settled = Settlement::of(&pool, Rollover::UpTo(100), true);
    assert_eq!((settled.rollover, settled.bonus), (100, 0));
}

#[test]
fn down_and_up_again_gains_nothing() {
    let mut pool = limited(200, 0, 0, 120);
    for monthly in [5, 0, 60, 200] {
        pool.change_plan(Allowance::Limited(monthly)).expect("small");
    }
    assert_eq!(pool, limited(200, 0, 0, 120));
}

#[test]
fn a_checkout_that_was_never_paid_carries_nothing_of_its_plan() {
    let pool = limited(200, 30, 10, 210);
    let settled = Settlement::of(&pool, Rollover::UpTo(100), false);
    assert_eq!((settled.rollover, settled.bonus), (20, 10));
    let untouched = Settlement::of(&limited(200, 0, 0, 0), Rollover::UpTo(100), false);
    assert_eq!(untouched.rollover, 0);
}

/// Four uses, two refunds, an upgrade, two refunds: nothing of the plan becomes bonus.
#[test]
fn refunds_around_an_upgrade_turn_no_monthly_credit_into_bonus() {
    let mut pool = limited(3, 0, 3, 0);
    let uses: Vec<_> = (0..4).map(|_| pool.charge(1).expect("small").expect("affordable")).collect();
    for charged in &uses[2..] {
        pool.refund(*charged, Charged::UnderThisPlan).expect("small");
    }
    pool.change_plan(Allowance::Limited(60)).expect("small");
    for charged in &uses[..2] {
        pool.refund(*charged, Charged::UnderAnEarlierPlan).expect("small");
    }
    assert_eq!((pool.used, pool.hidden, pool.rollover, pool.bonus), (0, 0, 0, 3));
}
