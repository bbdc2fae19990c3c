//! What a subscription has left in the running month.

use std::fmt;

/// What a plan grants each month.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Allowance {
    /// This many credits.
    Limited(i32),
    /// As many as the user wants.
    Unlimited,
}

impl Allowance {
    /// Reads `subscription_plans.credits_per_month`: -1 means unlimited, and a
    /// subscription without a plan has nothing.
    pub fn from_plan(credits_per_month: Option<i32>) -> Self {
        match credits_per_month {
            Some(-1) => Self::Unlimited,
            Some(credits) => Self::Limited(credits.max(0)),
            None => Self::Limited(0),
        }
    }
}

/// The credits of one subscription. They are spent in this order: monthly,
/// then rollover, then bonus; `used` counts all three until the month is
/// settled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CreditPool {
    /// What the plan grants each month.
    pub monthly: Allowance,
    /// `credits_rollover`: carried over from the month before.
    pub rollover: i32,
    /// `credits_bonus`: bought or given, never expires.
    pub bonus: i32,
    /// `credits_used_this_month`.
    pub used: i32,
}

/// What a refund changes: `off_used` leaves the month's counter, and what was
/// charged before the last settlement comes back as `to_bonus`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reversal {
    /// Credits taken off `credits_used_this_month`.
    pub off_used: i32,
    /// Credits added to `credits_bonus`.
    pub to_bonus: i32,
}

/// A counter would leave the range of a 32-bit integer; nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfRange;

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("credit counter out of range")
    }
}

impl std::error::Error for OutOfRange {}

impl CreditPool {
    /// Credits that can still be spent; `None` when there is no limit. Below
    /// zero after a change to a smaller plan.
    pub fn available(&self) -> Option<i64> {
        match self.monthly {
            Allowance::Unlimited => None,
            Allowance::Limited(monthly) => Some(
                i64::from(monthly) + i64::from(self.rollover) + i64::from(self.bonus)
                    - i64::from(self.used),
            ),
        }
    }

    /// Whether an operation of this cost can be charged now.
    pub fn affords(&self, cost: i32) -> bool {
        self.available()
            .is_none_or(|available| available >= i64::from(cost))
    }

    /// Charges an operation: true, or false and unchanged when the pool does
    /// not afford it. An unlimited plan affords all, and still counts.
    pub fn charge(&mut self, cost: i32) -> Result<bool, OutOfRange> {
        if !self.affords(cost) {
            return Ok(false);
        }
        self.used = self.used.checked_add(cost).ok_or(OutOfRange)?;
        Ok(true)
    }

    /// Gives back what one operation was charged.
    pub fn refund(&mut self, charged: i32) -> Result<Reversal, OutOfRange> {
        let off_used = charged.min(self.used).max(0);
        let to_bonus = (charged - off_used).max(0);
        self.bonus = self.bonus.checked_add(to_bonus).ok_or(OutOfRange)?;
        self.used -= off_used;
        Ok(Reversal { off_used, to_bonus })
    }

    /// Adds credits that were bought.
    pub fn purchase(&mut self, credits: i32) -> Result<(), OutOfRange> {
        self.bonus = self.bonus.checked_add(credits).ok_or(OutOfRange)?;
        Ok(())
    }
}
