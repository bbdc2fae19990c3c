//! What Stripe sends, in the orders it arrives in, against what was paid for: a month for each period, no more and no
//! fewer, whoever looks first.

#![allow(clippy::unwrap_used)] // in a test a panic is a failure

use auria_credits::{
    Allowance, Billing, Change, CreditPool, Plan, Rollover, Settled, Step, Time, is_paid_anew, settle, with_differences,
};
use chrono::{Datelike, Months, TimeDelta};
use proptest::prelude::*;

const PRO: Plan = Plan { monthly: Allowance::Limited(60), rollover: Rollover::UpTo(30) };
const ELITE: Plan = Plan { monthly: Allowance::Limited(200), rollover: Rollover::UpTo(100) };

/// A row of `subscriptions`, written as its triggers write it.
#[derive(Clone, Debug)]
struct Row {
    status: &'static str,
    stripe: u32,
    plan: Plan,
    billing: Billing,
    reset_at: Time,
    pool: CreditPool,
    begun: Vec<Time>,
}

/// What a webhook writes.
#[derive(Clone, Copy, Debug)]
struct Webhook {
    status: &'static str,
    stripe: u32,
    plan: Plan,
    start: Time,
    end: Time,
    is_canceled: bool,
}

impl Row {
    fn new(now: Time) -> Self {
        Self {
            status: "active",
            stripe: 0,
            plan: PRO,
            billing: Billing::default(),
            reset_at: now,
            pool: CreditPool { monthly: PRO.monthly, ..CreditPool::default() },
            begun: Vec::new(),
        }
    }

    /// A statement that writes nothing, as the hourly job's.
    fn touch(&mut self, now: Time) {
        self.write(self.status, self.stripe, self.plan, self.billing, now);
    }

    fn receive(&mut self, webhook: Webhook, now: Time) {
        let billing = Billing {
            start: Billing::start_after(self.billing.start, Some(webhook.start), now),
            end: Some(webhook.end),
            is_canceled: webhook.is_canceled,
        };
        self.write(webhook.status, webhook.stripe, webhook.plan, billing, now);
    }

    fn write(&mut self, status: &'static str, stripe: u32, plan: Plan, new_billing: Billing, now: Time) {
        let change = Change {
            reset_at: self.reset_at,
            billing: self.billing,
            is_active: self.status == "active",
            plan: self.plan,
            new_billing,
            is_paid: is_paid_anew(self.status, status, stripe != self.stripe),
            new_plan: (plan != self.plan).then_some(plan),
            by_hand: None,
        };
        for Settled { step, pool } in settle(self.pool, &change, now).unwrap() {
            if let Step::Month(month) = step {
                // What the month had is spent, carried over or expired, and nothing else.
                if let (Allowance::Limited(monthly), true) = (self.plan.monthly, self.pool.rollover >= 0) {
                    let spent = month.spent.monthly + month.spent.rollover;
                    assert_eq!(monthly + self.pool.rollover, spent + month.expired + pool.rollover);
                }
                assert!(month.begins_at <= now && month.begins_at > self.reset_at);
                self.reset_at = month.begins_at;
                self.begun.push(month.begins_at);
            }
            self.pool = pool;
        }
        (self.status, self.stripe, self.plan, self.billing) = (status, stripe, plan, new_billing);
        assert!(self.billing.month_ends_at(self.reset_at).is_none_or(|ends_at| ends_at > now));
    }
}

/// The beginnings of Stripe's periods: on this day of each month, or on its last.
fn periods(first: Time, count: u32) -> Vec<Time> {
    (0..count).map(|n| first.checked_add_months(Months::new(n)).unwrap()).collect()
}

fn first_day() -> impl Strategy<Value = Time> {
    // Every third start is late in its month, where the clamping happens.
    (0..800_i64, 0..86_400_i64, 0..3_u8).prop_map(|(day, second, late)| {
        let base: Time = "2027-01-01T00:00:00Z".parse().unwrap();
        let start = base + TimeDelta::days(day) + TimeDelta::seconds(second);
        if late > 0 { start } else { start.with_day(31).or_else(|| start.with_day(28)).unwrap() }
    })
}

#[derive(Clone, Debug)]
struct Delivery {
    period: usize,
    delay_minutes: i64,
    jitter_seconds: i64,
}

fn deliveries(count: usize) -> impl Strategy<Value = Vec<Delivery>> {
    // Each period's webhook comes once for certain, within three days; others come again, at any time.
    let certain = prop::collection::vec((0..3 * 1440_i64, -2..3_i64), count).prop_map(|all| {
        all.into_iter()
            .enumerate()
            .map(|(period, (delay_minutes, jitter_seconds))| Delivery { period, delay_minutes, jitter_seconds })
            .collect::<Vec<_>>()
    });
    let again = prop::collection::vec(
        (0..count, 0..60 * 1440_i64, -2..3_i64).prop_map(|(period, delay_minutes, jitter_seconds)| Delivery {
            period,
            delay_minutes,
            jitter_seconds,
        }),
        0..20,
    );
    (certain, again).prop_map(|(mut all, again)| {
        all.extend(again);
        all
    })
}

proptest! {
    /// Late, repeated, out of order and with jitter: each paid period is one month.
    #[test]
    fn each_period_is_one_month_whatever_comes_when(
        first in first_day(),
        deliveries in deliveries(14),
        looks in prop::collection::vec(0..13 * 30 * 1440_i64, 0..60),
    ) {
        let starts = periods(first, 15);
        let mut row = Row::new(first - TimeDelta::hours(2));
        let mut happenings: Vec<(Time, Option<Webhook>)> =
            looks.into_iter().map(|minutes| (first + TimeDelta::minutes(minutes), None)).collect();
        for Delivery { period, delay_minutes, jitter_seconds } in deliveries {
            let webhook = Webhook {
                status: "active",
                stripe: 1,
                plan: PRO,
                start: starts[period] + TimeDelta::seconds(jitter_seconds),
                end: starts[period + 1],
                is_canceled: false,
            };
            happenings.push((starts[period] + TimeDelta::minutes(delay_minutes) + TimeDelta::seconds(3), Some(webhook)));
        }
        let end = starts[13] + TimeDelta::days(14);
        happenings.retain(|(at, _)| *at <= end);
        happenings.sort_by_key(|(at, _)| *at);
        happenings.push((end, None));
        for (at, webhook) in happenings {
            match webhook {
                Some(webhook) => row.receive(webhook, at),
                None => row.touch(at),
            }
        }
        // The first one, too: the subscription was bought two hours after the account was made.
        prop_assert_eq!(row.begun.len(), 14, "{:?} of {:?}", row.begun, starts);
        for (begun, start) in row.begun.iter().zip(&starts) {
            prop_assert!((*begun - *start).abs() <= TimeDelta::days(4), "{} for {}", begun, start);
        }
    }

    /// Plans changed at any time, with new cycles, by one subscription: no more than a month in 15 days.
    #[test]
    fn a_new_cycle_is_no_month_however_often_plans_change(
        first in first_day(),
        changes in prop::collection::vec((0..120 * 24_i64, any::<bool>(), any::<bool>()), 1..150),
    ) {
        let mut row = Row::new(first - TimeDelta::days(1));
        let mut changes = changes;
        changes.sort_by_key(|change| change.0);
        for (hour, is_elite, is_new_cycle) in changes {
            let now = first + TimeDelta::hours(hour);
            let start = if is_new_cycle { now } else { row.billing.start.unwrap_or(now) };
            row.receive(
                Webhook {
                    status: "active",
                    stripe: 1,
                    plan: if is_elite { ELITE } else { PRO },
                    start,
                    end: start.checked_add_months(Months::new(1)).unwrap(),
                    is_canceled: false,
                },
                now,
            );
        }
        // One is paid for: that in which the subscription was bought.
        let near = row.begun.windows(2).filter(|pair| pair[1] - pair[0] < TimeDelta::days(15)).count();
        prop_assert!(near <= 1, "{:?}", row.begun);
        prop_assert!(row.begun.len() <= 1 + 120 / 15 + 1);
        prop_assert!(row.pool.rollover <= 100);
    }

    /// A trial, a payment that fails at first, a pause.
    #[test]
    fn a_subscription_that_was_never_paid_carries_nothing_of_its_plan(
        first in first_day(), status in prop::sample::select(vec!["trialing", "incomplete", "past_due", "unpaid", "paused"]),
        looks in prop::collection::vec(0..100 * 1440_i64, 1..20),
    ) {
        let mut row = Row::new(first - TimeDelta::days(20));
        row.receive(
            Webhook {
                status, stripe: 1, plan: ELITE, start: first, end: first + TimeDelta::days(365), is_canceled: false,
            },
            first,
        );
        let carried = row.pool.rollover;
        let mut looks = looks;
        looks.sort_unstable();
        for minutes in looks {
            row.touch(first + TimeDelta::minutes(minutes));
            prop_assert!(row.pool.rollover <= carried);
        }
    }

    #[test]
    fn differences_neither_lose_nor_make_what_a_statement_adds(
        settled in prop::array::uniform4(0..1000_i32), shown in prop::array::uniform4(0..1000_i32),
        written in prop::array::uniform4(0..1000_i32),
    ) {
        let pool = |[used, hidden, rollover, bonus]: [i32; 4]| {
            CreditPool { used, hidden, rollover, bonus, ..CreditPool::default() }
        };
        let result = with_differences(pool(settled), pool(shown), pool(written)).unwrap();
        prop_assert_eq!(result.bonus, (settled[3] + written[3] - shown[3]).max(0));
        prop_assert_eq!(result.rollover, (settled[2] + written[2] - shown[2]).max(0));
        // What does not fit of the counter comes off what is hidden.
        let spent = i64::from(settled[0] + settled[1]) + i64::from(written[0] - shown[0] + written[1] - shown[1]);
        if result.used > 0 || result.hidden > 0 {
            prop_assert!(i64::from(result.used) + i64::from(result.hidden) >= spent.min(0));
        }
    }
}

/// A webhook that resets the counter at the renewal says what the rule does; a hand at any other time is an order.
#[test]
fn a_hand_at_the_renewal_is_the_renewals_month_and_any_other_is_an_order() {
    let start: Time = "2027-03-10T10:00:00Z".parse().unwrap();
    let billing = Billing { start: Some(start), end: None, is_canceled: false };
    let renewal: Time = "2027-04-10T10:00:00Z".parse().unwrap();
    let begun = |reset_at: Time, by_hand: Time, now: Time| {
        let change = Change {
            reset_at,
            billing,
            is_active: true,
            plan: PRO,
            new_billing: billing,
            is_paid: false,
            new_plan: None,
            by_hand: Some(by_hand),
        };
        settle(CreditPool::default(), &change, now).unwrap().len()
    };
    let five_seconds = TimeDelta::seconds(5);
    assert_eq!(begun(start, renewal + five_seconds, renewal + five_seconds), 1);
    assert_eq!(begun(start, renewal + TimeDelta::days(1), renewal + TimeDelta::days(1)), 2);
    assert_eq!(begun(renewal, renewal + five_seconds, renewal + five_seconds), 1);
}

#[test]
fn a_year_of_a_yearly_plan_has_twelve_months_and_one_renewal() {
    let first: Time = "2027-01-31T10:00:00Z".parse().unwrap();
    let mut row = Row::new(first - TimeDelta::hours(2));
    let yearly = |start: Time| Webhook {
        status: "active",
        stripe: 1,
        plan: ELITE,
        start,
        end: start.checked_add_months(Months::new(12)).unwrap(),
        is_canceled: false,
    };
    row.receive(yearly(first), first);
    for day in 0..380 {
        row.touch(first + TimeDelta::days(day));
        if day == 366 {
            row.receive(yearly(first.checked_add_months(Months::new(12)).unwrap()), first + TimeDelta::days(day));
        }
    }
    assert_eq!(row.begun.len(), 13, "{:?}", row.begun);
}
