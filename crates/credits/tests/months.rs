//! When months begin, by examples from a calendar and by random histories of what Stripe sends.

#![allow(clippy::unwrap_used)] // in a test a panic is a failure

use auria_credits::{Billing, Time};
use chrono::{Months, TimeDelta};
use proptest::prelude::*;

fn at(text: &str) -> Time {
    let text = if text.len() == 10 { format!("{text}T12:00:00Z") } else { text.to_owned() };
    text.parse().unwrap()
}

fn billing(start: &str, end: &str) -> Billing {
    Billing { start: Some(at(start)), end: Some(at(end)), is_canceled: false }
}

/// The beginnings that follow one another, each counted from the one before.
fn months(billing: &Billing, reset_at: &str, count: usize) -> Vec<String> {
    let mut reset_at = at(reset_at);
    let mut days = Vec::new();
    for _ in 0..count {
        let Some(beginning) = billing.month_ends_at(reset_at) else { break };
        days.push(beginning.date_naive().to_string());
        reset_at = beginning;
    }
    days
}

#[test]
fn a_month_begins_at_each_anniversary_of_the_start_and_on_the_last_day_of_a_shorter_month() {
    let monthly = billing("2027-01-31", "2027-02-28");
    assert_eq!(
        months(&monthly, "2027-01-31", 6),
        ["2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31", "2027-06-30", "2027-07-31"]
    );
    let leap = billing("2027-11-30", "2027-12-30");
    assert_eq!(months(&leap, "2027-11-30", 4), ["2027-12-30", "2028-01-30", "2028-02-29", "2028-03-30"]);
}

#[test]
fn a_yearly_plan_has_a_month_each_month() {
    let yearly = billing("2027-05-10", "2028-05-10");
    assert_eq!(months(&yearly, "2027-05-10", 12).last().unwrap(), "2028-05-10");
    assert_eq!(months(&yearly, "2027-05-10", 3), ["2027-06-10", "2027-07-10", "2027-08-10"]);
}

/// Stripe remembers the 31st; a start of 28 February does not.
#[test]
fn an_anniversary_just_before_the_periods_end_is_that_end() {
    let billing = billing("2027-02-28", "2027-03-31");
    assert_eq!(months(&billing, "2027-02-28", 2), ["2027-03-31", "2027-04-28"]);
}

#[test]
fn no_month_begins_at_the_end_of_what_was_canceled() {
    let canceled = Billing { is_canceled: true, ..billing("2027-05-10", "2027-07-10") };
    assert_eq!(months(&canceled, "2027-05-10", 9), ["2027-06-10"]);
    let without_start = Billing { start: None, end: Some(at("2027-06-01")), is_canceled: true };
    assert_eq!(without_start.month_ends_at(at("2027-05-10")), None);
}

#[test]
fn a_subscription_without_a_start_has_months_of_720_hours() {
    let monthly = Billing::default();
    assert_eq!(monthly.month_ends_at(at("2027-03-01")), Some(at("2027-03-31")));
    assert_eq!(monthly.paid_beginning(at("2027-03-01"), at("2027-03-31")), None);
}

/// The reset was by the clock, the start comes with the first webhook of 0.4.0.
#[test]
fn a_start_near_the_last_reset_is_the_same_month() {
    let billing = billing("2027-05-10", "2027-06-10");
    for reset_at in ["2027-05-01", "2027-05-10", "2027-05-25"] {
        assert_eq!(billing.month_ends_at(at(reset_at)), Some(at("2027-06-10")), "{reset_at}");
    }
    assert_eq!(billing.month_ends_at(at("2027-04-25")), Some(at("2027-05-10")));
    assert_eq!(billing.month_ends_at(at("2027-05-27")), Some(at("2027-07-10")));
}

#[test]
fn a_payment_begins_a_month_that_is_over_an_hour_after_the_last_one() {
    let billing = billing("2027-05-10T12:00:00Z", "2027-06-10T12:00:00Z");
    let now = at("2027-05-10T12:00:05Z");
    // A trial of seven days that ends.
    assert_eq!(billing.paid_beginning(at("2027-05-03T12:00:00Z"), now), Some(at("2027-05-10T12:00:00Z")));
    assert_eq!(billing.paid_beginning(at("2027-05-10T11:00:00Z"), now), None);
    assert_eq!(billing.paid_beginning(at("2027-05-10T12:00:00Z"), now), None);
    assert_eq!(billing.paid_beginning(at("2027-05-10T10:59:59Z"), now), Some(at("2027-05-10T12:00:00Z")));
    // One in the future does not count.
    assert_eq!(billing.paid_beginning(at("2027-05-03T12:00:00Z"), at("2027-05-10T11:59:59Z")), None);
}

#[test]
fn the_latest_start_ever_written_stays_and_one_far_ahead_changes_nothing() {
    let now = at("2027-05-10");
    let (earlier, later) = (Some(at("2027-04-10")), Some(at("2027-05-10")));
    assert_eq!(Billing::start_after(None, earlier, now), earlier);
    assert_eq!(Billing::start_after(earlier, later, now), later);
    assert_eq!(Billing::start_after(later, earlier, now), later);
    assert_eq!(Billing::start_after(later, None, now), later);
    assert_eq!(Billing::start_after(earlier, Some(at("2027-05-11T11:00:00Z")), now), Some(at("2027-05-11T11:00:00Z")));
    assert_eq!(Billing::start_after(earlier, Some(at("2027-05-11T13:00:00Z")), now), earlier);
}

fn moment() -> impl Strategy<Value = Time> {
    // From 2022 to 2100: months before 2020 are not settled one after another.
    (52 * 366_i64..130 * 365, 0..86_400_000_000_i64)
        .prop_map(|(day, microsecond)| Time::from_timestamp_micros(day * 86_400_000_000 + microsecond).unwrap())
}

proptest! {
    #[test]
    fn months_are_never_shorter_than_15_days_and_begin_at_an_anniversary_or_the_end(
        start in moment(), length in 1..400_i64, offset in -4000..4000_i64, canceled: bool,
    ) {
        let billing = Billing {
            start: Some(start), end: Some(start + TimeDelta::days(length)), is_canceled: canceled,
        };
        let mut reset_at = start + TimeDelta::hours(offset * 3);
        for _ in 0..20 {
            let Some(beginning) = billing.month_ends_at(reset_at) else {
                prop_assert!(canceled);
                break;
            };
            prop_assert!(beginning - reset_at >= TimeDelta::days(15));
            let is_anniversary = (0..2000).any(|n| start.checked_add_months(Months::new(n)) == Some(beginning));
            prop_assert!(is_anniversary || Some(beginning) == billing.end);
            // None between the two would have counted.
            let skipped = (0..2000).filter_map(|n| start.checked_add_months(Months::new(n)));
            for anniversary in skipped {
                let far = anniversary - reset_at >= TimeDelta::days(15) && anniversary < beginning;
                prop_assert!(!far || billing.end.is_some_and(|end| end > anniversary && end - anniversary <= TimeDelta::days(4)));
            }
            reset_at = beginning;
        }
    }

    #[test]
    fn whatever_order_webhooks_come_in_the_months_are_the_same(
        start in moment(), mut order in Just((0..6_usize).collect::<Vec<_>>()).prop_shuffle(), repeats in 0..6_usize,
    ) {
        let starts: Vec<_> = (0..6_u32).map(|n| start.checked_add_months(Months::new(n)).unwrap()).collect();
        let now = starts[5] + TimeDelta::hours(1);
        order.push(repeats);
        let mut kept = None;
        for place in order {
            kept = Billing::start_after(kept, Some(starts[place]), now);
        }
        prop_assert_eq!(kept, Some(starts[5]));
    }
}
