//! The month's end.

use crate::{Allowance, CreditPool};

/// What a plan lets its subscribers carry into the next month.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rollover {
    /// Nothing.
    Expires,
    /// All that is left.
    Kept,
    /// At most this many credits.
    UpTo(i32),
}

impl Rollover {
    /// Reads `allows_rollover` and `rollover_max`.
    pub fn from_plan(allows_rollover: bool, rollover_max: Option<i32>) -> Self {
        match (allows_rollover, rollover_max) {
            (false, _) => Self::Expires,
            (true, None) => Self::Kept,
            (true, Some(limit)) => Self::UpTo(limit.max(0)),
        }
    }
}

/// What a plan grants, and what it lets its subscribers carry over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Its credits for a month.
    pub monthly: Allowance,
    /// What of them is carried over.
    pub rollover: Rollover,
}

/// What the next month starts with, and what the last one took from where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settlement {
    /// Spent of what the plan granted; all of it on an unlimited plan.
    pub from_monthly: i32,
    /// Spent of what was carried over.
    pub from_rollover: i32,
    /// Spent of what was bought. What was spent is spent.
    pub from_bonus: i32,
    /// Neither spent nor carried over.
    pub expired: i32,
    /// The next month's `credits_rollover`.
    pub rollover: i32,
    /// The next month's `credits_bonus`.
    pub bonus: i32,
}

impl Settlement {
    /// Settles a month. The next one starts with nothing used, hidden or settled.
    ///
    /// Only an active subscription carries what is left of its plan: a trial or an
    /// unpaid one never paid for it.
    pub fn of(pool: &CreditPool, rule: Rollover, is_active: bool) -> Self {
        let spent = pool.split(pool.used);
        let (monthly_left, expired_monthly) = match pool.monthly {
            // No end to what is left, so nothing of it can be carried.
            Allowance::Unlimited => (0, 0),
            Allowance::Limited(monthly) if is_active => (monthly - spent.monthly, 0),
            Allowance::Limited(monthly) => (0, monthly - spent.monthly),
        };
        let left = monthly_left.saturating_add(pool.rollover.max(0) - spent.rollover);
        let rollover = match rule {
            Rollover::Expires => 0,
            Rollover::Kept => left,
            Rollover::UpTo(limit) => left.min(limit),
        };
        Self {
            from_monthly: spent.monthly,
            from_rollover: spent.rollover,
            from_bonus: spent.bonus,
            expired: expired_monthly.saturating_add(left - rollover),
            rollover,
            bonus: pool.bonus.max(0) - spent.bonus,
        }
    }
}
