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

/// What the next month starts with, and what the last one took from where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settlement {
    /// Spent of what the plan granted; all of it on an unlimited plan.
    pub from_monthly: i32,
    /// Spent of what was carried over.
    pub from_rollover: i32,
    /// Spent of what was bought. What was spent is spent.
    pub from_bonus: i32,
    /// The next month's `credits_rollover`.
    pub rollover: i32,
    /// The next month's `credits_bonus`.
    pub bonus: i32,
}

impl Settlement {
    /// Settles a month. The next one starts with nothing used.
    pub fn of(pool: &CreditPool, rule: Rollover) -> Self {
        let (from_monthly, monthly_left) = match pool.monthly {
            // No end to what is left, so nothing of it can be carried.
            Allowance::Unlimited => (pool.used, 0),
            Allowance::Limited(monthly) => {
                let spent = pool.used.min(monthly);
                (spent, monthly - spent)
            }
        };
        let from_rollover = (pool.used - from_monthly).min(pool.rollover);
        let from_bonus = (pool.used - from_monthly - from_rollover).min(pool.bonus);
        let left = monthly_left.saturating_add(pool.rollover - from_rollover);
        let rollover = match rule {
            Rollover::Expires => 0,
            Rollover::Kept => left,
            Rollover::UpTo(limit) => left.min(limit),
        };
        Self {
            from_monthly,
            from_rollover,
            from_bonus,
            rollover,
            bonus: pool.bonus - from_bonus,
        }
    }
}
