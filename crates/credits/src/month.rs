//! When a month of credits begins.
//!
//! A subscription's month is its billing month: Stripe says when the running period began, and a month begins then and
//! at each monthly anniversary. What Stripe sends comes late, twice and out of order, so that a beginning near the last
//! one is the same month, unless somebody paid anew.

use chrono::{DateTime, Months, TimeDelta, Utc};

use crate::ACTIVE;

/// A moment, to the microsecond.
pub type Time = DateTime<Utc>;

/// What "30 days" is, whatever a session's time zone does to its clocks.
const THIRTY_DAYS: TimeDelta = TimeDelta::hours(720);

/// A beginning that is nearer to the last one is the same month.
const NEAR: TimeDelta = TimeDelta::days(15);

/// A beginning that is nearer than this is the same month, whoever paid.
pub(crate) const SAME: TimeDelta = TimeDelta::hours(1);

/// An anniversary that is so little before the period's end is that end: after 28 February Stripe writes 31 March.
const BEFORE_THE_END: TimeDelta = TimeDelta::days(4);

/// A start that is later than this from now is taken for an error.
const AHEAD: TimeDelta = TimeDelta::days(1);

/// 2020-01-01: months that are over and that nobody settled are settled one after another from here on, so that a row
/// that says it was reset in 1970 has no six hundred of them.
const EARLIEST: Time = match Time::from_timestamp_secs(1_577_836_800) {
    Some(time) => time,
    None => Time::UNIX_EPOCH,
};

/// Whether a statement shows a new payment: the status becomes active from one that is no unpaid renewal, or an
/// active row names another subscription of Stripe's.
pub fn is_paid_anew(from: &str, to: &str, names_another: bool) -> bool {
    to == ACTIVE && (names_another || !matches!(from, ACTIVE | "past_due" | "unpaid"))
}

/// What a subscription says of its months.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Billing {
    /// `billing_start`: the latest `current_period_start` that was ever written.
    pub start: Option<Time>,
    /// `current_period_end`.
    pub end: Option<Time>,
    /// `cancel_at_period_end`: no month begins at the end or after it.
    pub is_canceled: bool,
}

impl Billing {
    /// The start after `current_period_start` was written as this: the later of the two. One that lies more than a day
    /// ahead changes nothing.
    pub fn start_after(before: Option<Time>, written: Option<Time>, now: Time) -> Option<Time> {
        let written = written.filter(|start| now.checked_add_signed(AHEAD).is_none_or(|limit| *start <= limit));
        before.max(written)
    }

    /// The start before a statement: of a row whose months nobody has looked at yet, what it says itself.
    pub fn start_before(start: Option<Time>, written: Option<Time>, is_new: bool, now: Time) -> Option<Time> {
        if is_new { Self::start_after(start, written, now) } else { start }
    }

    /// When the month that began at `reset_at` ends: with the next beginning that is no repetition of it. `None` where
    /// no month follows.
    pub fn month_ends_at(&self, reset_at: Time) -> Option<Time> {
        let reset_at = reset_at.max(EARLIEST);
        match self.start {
            None => self.unless_canceled(reset_at.checked_add_signed(THIRTY_DAYS)?),
            Some(_) => self.beginning_from(reset_at.checked_add_signed(NEAR)?),
        }
    }

    /// The beginning that a payment makes count: the first one that is more than an hour after `reset_at`, if it is not
    /// in the future.
    pub fn paid_beginning(&self, reset_at: Time, now: Time) -> Option<Time> {
        let reset_at = reset_at.max(EARLIEST);
        let after = reset_at.checked_add_signed(SAME)?.checked_add_signed(TimeDelta::microseconds(1))?;
        self.beginning_from(after).filter(|beginning| *beginning <= now)
    }

    /// The first beginning of a month at this moment or later.
    fn beginning_from(&self, moment: Time) -> Option<Time> {
        let start = self.start?;
        // An average month is 30.44 days: two months less than their quotient are never too many.
        let passed = (moment - start).num_days() / 31 - 2;
        let mut months = u32::try_from(passed).unwrap_or(0);
        loop {
            let anniversary = start.checked_add_months(Months::new(months))?;
            let beginning = self.at_the_end(anniversary, months);
            if beginning >= moment {
                return self.unless_canceled(beginning);
            }
            months += 1;
        }
    }

    /// The anniversary, or the period's end that follows it closely.
    fn at_the_end(&self, anniversary: Time, months: u32) -> Time {
        match self.end {
            Some(end) if months > 0 && anniversary < end && end - anniversary <= BEFORE_THE_END => end,
            _ => anniversary,
        }
    }

    fn unless_canceled(&self, beginning: Time) -> Option<Time> {
        let is_over = self.is_canceled && self.end.is_some_and(|end| beginning >= end);
        (!is_over).then_some(beginning)
    }
}
