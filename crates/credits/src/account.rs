//! What a statement that writes a subscription's row does to its credits, whoever sends it: a webhook, a charge, an
//! administrator.
//!
//! First the months that are over are settled, as the row was: old plan, old status. Then the plan changes. What the
//! statement itself sets comes last: by how much it differs from what the row showed.

use crate::month::SAME;
use crate::{Allowance, Billing, CreditPool, OutOfRange, Plan, Settlement, Sources, Time};

/// A row before a statement, and what the statement makes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// `usage_reset_at` before.
    pub reset_at: Time,
    /// The months as the row said before.
    pub billing: Billing,
    /// Whether the status was active.
    pub is_active: bool,
    /// The plan before.
    pub plan: Plan,
    /// The months as the row says after.
    pub new_billing: Billing,
    /// Whether the statement shows a new payment ([`is_paid_anew`](crate::is_paid_anew)).
    pub is_paid: bool,
    /// The plan after, where the statement changes it.
    pub new_plan: Option<Plan>,
    /// When somebody began a month by hand.
    pub by_hand: Option<Time>,
}

/// A month that began, and what became of the one before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Month {
    /// Written to `usage_reset_at`.
    pub begins_at: Time,
    /// What the plan grants for it.
    pub granted: Allowance,
    /// What the month before spent of each pocket.
    pub spent: Sources,
    /// What it left that was not carried over.
    pub expired: i32,
    /// Whether somebody began it by hand.
    pub is_by_hand: bool,
}

/// One thing that happened to the credits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A month began.
    Month(Month),
    /// The plan changed.
    PlanChange,
}

/// A step, and the credits after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settled {
    /// What happened.
    pub step: Step,
    /// The credits after it.
    pub pool: CreditPool,
}

/// What happens to the credits of a row by a statement at this time, in order; nothing where no month is over and the
/// plan stays.
pub fn settle(pool: CreditPool, change: &Change, now: Time) -> Result<Vec<Settled>, OutOfRange> {
    let mut settled = Vec::new();
    let mut pool = CreditPool { monthly: change.plan.monthly, ..pool };
    for (begins_at, is_by_hand) in beginnings(change, now) {
        let month = Settlement::of(&pool, change.plan.rollover, change.is_active);
        pool = CreditPool {
            monthly: pool.monthly,
            rollover: month.rollover,
            bonus: month.bonus,
            used: 0,
            hidden: 0,
            settled_rollover: 0,
            settled_bonus: 0,
        };
        let spent = Sources { monthly: month.from_monthly, rollover: month.from_rollover, bonus: month.from_bonus };
        let granted = pool.monthly;
        let month = Month { begins_at, granted, spent, expired: month.expired, is_by_hand };
        settled.push(Settled { step: Step::Month(month), pool });
    }
    if let Some(plan) = change.new_plan {
        pool.change_plan(plan.monthly)?;
        settled.push(Settled { step: Step::PlanChange, pool });
    }
    Ok(settled)
}

/// The months that begin, in order, and whether somebody began it by hand.
fn beginnings(change: &Change, now: Time) -> Vec<(Time, bool)> {
    let mut all = Vec::new();
    let mut last = change.reset_at;
    for billing in [change.billing, change.new_billing] {
        while let Some(next) = billing.month_ends_at(last).filter(|next| *next <= now) {
            all.push((next, false));
            last = next;
        }
    }
    if change.is_paid
        && let Some(next) = change.new_billing.paid_beginning(last, now)
    {
        all.push((next, false));
        last = next;
    }
    // A hand that says what the rules have just done, as a webhook's at a renewal, begins no second month.
    let earliest = if all.is_empty() { Some(last) } else { last.checked_add_signed(SAME) };
    let by_hand = change.by_hand.zip(earliest).filter(|(by_hand, earliest)| by_hand > earliest);
    all.extend(by_hand.map(|(by_hand, _)| (by_hand, true)));
    all
}

/// The settled credits where the statement itself writes some: by how much it changes what the row showed. No column
/// falls below 0; what does not fit of the counter's difference comes off what is hidden.
pub fn with_differences(settled: CreditPool, shown: CreditPool, written: CreditPool) -> Result<CreditPool, OutOfRange> {
    let moved = |settled: i32, shown: i32, written: i32| i64::from(settled) + i64::from(written) - i64::from(shown);
    let column = |moved: i64| i32::try_from(moved.max(0)).map_err(|_| OutOfRange);
    let used = moved(settled.used, shown.used, written.used);
    Ok(CreditPool {
        monthly: settled.monthly,
        rollover: column(moved(settled.rollover, shown.rollover, written.rollover))?,
        bonus: column(moved(settled.bonus, shown.bonus, written.bonus))?,
        used: column(used)?,
        hidden: column(moved(settled.hidden, shown.hidden, written.hidden) + used.min(0))?,
        settled_rollover: column(moved(settled.settled_rollover, shown.settled_rollover, written.settled_rollover))?,
        settled_bonus: column(moved(settled.settled_bonus, shown.settled_bonus, written.settled_bonus))?,
    })
}

/// The settled credits of a month that somebody began by hand: what the statement writes is what it wants the month to
/// begin with, and counts as far as it grants nothing. Rollover is the settled one at most, bonus that and what the
/// statement added.
pub fn begun_by_hand(settled: CreditPool, shown: CreditPool, written: CreditPool) -> CreditPool {
    let at_most = |most: i32, shown: i32, written: i32| {
        if written == shown { most } else { written.clamp(0, most.max(0)) }
    };
    let added = written.bonus.saturating_sub(shown.bonus).max(0);
    CreditPool {
        rollover: at_most(settled.rollover, shown.rollover, written.rollover),
        bonus: if written.bonus == shown.bonus {
            settled.bonus
        } else {
            at_most(settled.bonus.saturating_add(added), shown.bonus, written.bonus)
        },
        ..settled
    }
}
