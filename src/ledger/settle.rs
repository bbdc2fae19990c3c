//! The month's end: `reset_monthly_usage_with_rollover`, and `reset_monthly_usage`,
//! which older clients still call and which must not postpone anybody's credits.

use uuid::Uuid;

use crate::error::Result;
use crate::pg::advisory::{self, Lock};
use crate::pg::spi::{Snapshot, Spi};
use crate::{args, statement};

/// The condition for a month that ended. A sub-select, so that the limit is computed once
/// and not for each row.
macro_rules! due {
    () => {
        "usage_reset_at < (SELECT now() - interval '30 days')"
    };
}
pub(super) use due;

statement! {
    /// The settlement of the months that ended, and of no others, in one statement. The
    /// plan is looked up for each row as it is once the row is locked. `usage_reset_at` is
    /// the clock at that moment, and `usage_reset_entry` the ledger's last number: what the
    /// ledger has after it belongs to the new month. Both are computed again when the
    /// row had to be waited for, as every expression of SET is.
    SETTLE = concat!(include_str!("settle.sql"), due!());

    /// The same for some that are locked already.
    SETTLE_LOCKED = concat!(include_str!("settle.sql"), due!(), " AND s.id = ANY ($1)");
}

/// Settles every month that ended; returns how many subscriptions.
pub fn reset_with_rollover(spi: &Spi) -> Result<i32> {
    // Two resets at once would wait for each other's rows in any order.
    advisory::lock(Lock::Settlement, 0);
    let rows = spi.query(&SETTLE, Snapshot::New, &[])?;
    Ok(i32::try_from(rows.len()).unwrap_or(i32::MAX))
}

/// Settles these, which the transaction has locked; returns how many.
pub fn settle_locked(spi: &Spi, ids: &[Uuid]) -> Result<usize> {
    if ids.is_empty() {
        return Ok(0);
    }
    Ok(spi.query(&SETTLE_LOCKED, Snapshot::New, args![ids])?.len())
}
