//! The months that are over and not settled, for those who only ask.

use auria_credits::{ACTIVE, Billing, Change, CreditPool, Plan, settle};

use super::account::Account;
use super::{prices, time};
use crate::error::{self, Result};
use crate::pg::spi::{Snapshot, Spi};
use crate::pg::transaction;
use crate::{args, statement};

statement! {
    READ_BILLING = "SELECT billing_start, current_period_start, current_period_end, cancel_at_period_end, status = $2 \
          FROM public.subscriptions WHERE id = $1";
}

/// The account's credits as they are once the months that are over are settled.
pub fn pool_now(spi: &Spi, snapshot: Snapshot, account: &Account) -> Result<CreditPool> {
    let plan: Plan = prices::find_plan(snapshot, account.plan.as_deref())?;
    let pool = account.counters.pool(plan.monthly);
    let now = transaction::clock();
    if !account.is_due(now) {
        return Ok(pool);
    }
    let rows = spi.query(&READ_BILLING, snapshot, args![account.id, ACTIVE])?;
    let row = rows.first().ok_or_else(|| error::unexpected_null("a subscription"))?;
    let (start, written) = (row.get(1)?.map(time::of), row.get(2)?.map(time::of));
    let billing = Billing {
        start: Billing::start_before(start, written, account.month_ends_at.is_neg_infinity(), time::of(now)),
        end: row.get(3)?.map(time::of),
        is_canceled: row.get(4)?.unwrap_or(false),
    };
    let change = Change {
        reset_at: time::of(account.reset_at),
        billing,
        is_active: row.get(5)?.unwrap_or(false),
        plan,
        new_billing: billing,
        is_paid: false,
        new_plan: None,
        by_hand: None,
    };
    let settled = settle(pool, &change, time::of(now)).map_err(|_| error::credits_out_of_range())?;
    Ok(settled.last().map_or(pool, |last| last.pool))
}
