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

impl Default for Allowance {
    fn default() -> Self {
        Self::Limited(0)
    }
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

    /// As many of these credits as the plan covers.
    pub(crate) fn of(self, credits: i32) -> i32 {
        match self {
            Self::Unlimited => credits,
            Self::Limited(monthly) => credits.min(monthly),
        }
    }
}

/// The credits of one subscription. They are spent in this order: monthly,
/// then rollover, then bonus; `used` counts all three until the plan changes
/// or the month is reset.
///
/// Rows older than the rules may hold values below zero. These count against
/// [`CreditPool::available`], and as zero wherever something is computed from
/// them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CreditPool {
    /// What the plan grants each month.
    pub monthly: Allowance,
    /// `credits_rollover`: carried over from the month before.
    pub rollover: i32,
    /// `credits_bonus`: bought or given, never expires.
    pub bonus: i32,
    /// `credits_used_this_month`.
    pub used: i32,
    /// `credits_used_hidden`: monthly credits spent under earlier plans of this
    /// month, beyond what the present plan grants. They count again as soon as
    /// a larger plan covers them.
    pub hidden: i32,
    /// `settled_rollover`: what this month's plan changes took from rollover.
    pub settled_rollover: i32,
    /// `settled_bonus`: what they took from bonus.
    pub settled_bonus: i32,
}

/// Credits by where they come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sources {
    /// From what the plan grants.
    pub monthly: i32,
    /// From what was carried over.
    pub rollover: i32,
    /// From what was bought or given.
    pub bonus: i32,
}

impl Sources {
    /// Reads a use from the ledger: what was charged, and how much of it came
    /// from rollover and bonus. The rest came from the plan.
    pub fn of_use(charged: i32, from_rollover: i32, from_bonus: i32) -> Self {
        let charged = charged.max(0);
        let rollover = from_rollover.clamp(0, charged);
        let bonus = from_bonus.clamp(0, charged - rollover);
        Self { monthly: charged - rollover - bonus, rollover, bonus }
    }
}

/// When a use was charged, as a refund sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Charged {
    /// Since the last plan change and the last reset: the counter holds it.
    UnderThisPlan,
    /// In this month, before the last plan change: its pockets were settled.
    UnderAnEarlierPlan,
    /// Before the last reset, or to a subscription that is gone.
    InAnEarlierMonth,
}

/// What a refund changes. The first four amounts add up to what was charged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reversal {
    /// Credits taken off `credits_used_this_month`.
    pub off_used: i32,
    /// Credits taken off `credits_used_hidden`.
    pub off_hidden: i32,
    /// Credits added to `credits_rollover`.
    pub to_rollover: i32,
    /// Credits added to `credits_bonus`.
    pub to_bonus: i32,
    /// How many of those that went to rollover are taken off `settled_rollover`.
    pub off_settled_rollover: i32,
    /// How many of those that went to bonus are taken off `settled_bonus`.
    pub off_settled_bonus: i32,
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
    /// zero when a plan's own row was changed to grant less.
    pub fn available(&self) -> Option<i64> {
        match self.monthly {
            Allowance::Unlimited => None,
            Allowance::Limited(monthly) => {
                Some(i64::from(monthly) + i64::from(self.rollover) + i64::from(self.bonus) - i64::from(self.used))
            }
        }
    }

    /// Whether an operation of this cost can be charged now.
    pub fn affords(&self, cost: i32) -> bool {
        self.available().is_none_or(|available| available >= i64::from(cost))
    }

    /// Charges an operation and says what it took from where; `None` and
    /// unchanged when the pool does not afford it. An unlimited plan affords
    /// all, and still counts. A cost below zero counts as zero.
    pub fn charge(&mut self, cost: i32) -> Result<Option<Sources>, OutOfRange> {
        let cost = cost.max(0);
        if !self.affords(cost) {
            return Ok(None);
        }
        let used = self.used.checked_add(cost).ok_or(OutOfRange)?;
        let (before, after) = (self.split(self.used), self.split(used));
        let rollover = after.rollover - before.rollover;
        let bonus = after.bonus - before.bonus;
        self.used = used;
        Ok(Some(Sources { monthly: cost - rollover - bonus, rollover, bonus }))
    }

    /// Gives back what one operation was charged. Whatever no longer fits where
    /// it came from becomes bonus: nothing is lost.
    ///
    /// Of a use from before a plan change, rollover and bonus get back what the
    /// changes took from them, and no more: the rest was the plan's by then. A
    /// refund of all uses of a month leaves what the month began with and what was
    /// bought since, in whatever order they are given back.
    pub fn refund(&mut self, charged: Sources, when: Charged) -> Result<Reversal, OutOfRange> {
        let total = charged.monthly + charged.rollover + charged.bonus;
        let (used, hidden) = (self.used.max(0), self.hidden.max(0));
        let (settled_rollover, settled_bonus) = (self.settled_rollover.max(0), self.settled_bonus.max(0));
        let mut reversal = Reversal::default();
        if when != Charged::InAnEarlierMonth {
            let mut rest = total;
            let mut take = |most: i32| {
                let taken = rest.min(most);
                rest -= taken;
                taken
            };
            if when == Charged::UnderAnEarlierPlan {
                reversal.off_settled_bonus = take(charged.bonus.min(settled_bonus));
                reversal.off_settled_rollover = take(charged.rollover.min(settled_rollover));
                reversal.off_hidden = take(hidden);
            }
            reversal.off_used = take(used);
            reversal.off_settled_rollover += take(settled_rollover - reversal.off_settled_rollover);
            reversal.off_settled_bonus += take(settled_bonus - reversal.off_settled_bonus);
            reversal.to_rollover = reversal.off_settled_rollover;
        }
        reversal.to_bonus = total - reversal.off_used - reversal.off_hidden - reversal.to_rollover;
        let rollover = self.rollover.checked_add(reversal.to_rollover);
        let bonus = self.bonus.checked_add(reversal.to_bonus);
        (self.rollover, self.bonus) = rollover.zip(bonus).ok_or(OutOfRange)?;
        self.used -= reversal.off_used;
        self.hidden -= reversal.off_hidden;
        self.settled_rollover -= reversal.off_settled_rollover;
        self.settled_bonus -= reversal.off_settled_bonus;
        Ok(reversal)
    }

    /// Changes the plan. What was used so far is taken from the pockets it came
    /// from, under the old plan; of what came from the old plan, the new one
    /// counts as much as it grants, and the rest is hidden, not forgotten.
    pub fn change_plan(&mut self, to: Allowance) -> Result<(), OutOfRange> {
        let spent = self.split(self.used);
        let monthly = spent.monthly.checked_add(self.hidden.max(0)).ok_or(OutOfRange)?;
        let settled_rollover = self.settled_rollover.max(0).checked_add(spent.rollover).ok_or(OutOfRange)?;
        let settled_bonus = self.settled_bonus.max(0).checked_add(spent.bonus).ok_or(OutOfRange)?;
        (self.settled_rollover, self.settled_bonus) = (settled_rollover, settled_bonus);
        self.rollover = self.rollover.max(0) - spent.rollover;
        self.bonus = self.bonus.max(0) - spent.bonus;
        self.monthly = to;
        self.used = to.of(monthly);
        self.hidden = monthly - self.used;
        Ok(())
    }

    /// Adds credits that were bought.
    pub fn purchase(&mut self, credits: i32) -> Result<(), OutOfRange> {
        self.bonus = self.bonus.checked_add(credits).ok_or(OutOfRange)?;
        Ok(())
    }

    /// Takes back credits that were bought, as many as are left of them, and says how many.
    pub fn revoke(&mut self, credits: i32) -> i32 {
        let left = self.bonus.max(0) - self.split(self.used).bonus;
        let taken = credits.clamp(0, left.max(0));
        self.bonus -= taken;
        taken
    }

    /// Where `used` credits come from, in the order of spending; never more of
    /// a pocket than is in it.
    pub(crate) fn split(&self, used: i32) -> Sources {
        let used = used.max(0);
        let monthly = self.monthly.of(used);
        let rollover = (used - monthly).min(self.rollover.max(0));
        let bonus = (used - monthly - rollover).min(self.bonus.max(0));
        Sources { monthly, rollover, bonus }
    }
}
