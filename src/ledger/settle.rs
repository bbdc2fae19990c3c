//! The month's end: `reset_monthly_usage_with_rollover`, and `reset_monthly_usage`,
//! which older clients still call and which must not postpone anybody's credits.

use uuid::Uuid;

use super::tables::schema_has_months;
use crate::error::{self, Result};
use crate::pg::advisory::{self, Lock};
use crate::pg::spi::{Snapshot, Spi};
use crate::{args, statement};

/// The condition for a month that ended. A sub-select, so that the clock is read once
/// and not for each row.
macro_rules! due {
    () => {
        "month_ends_at <= (SELECT clock_timestamp())"
    };
}
pub(super) use due;

statement! {
    /// The settlement of the months that ended, and of no others, in one statement: the trigger of the table settles
    /// each row that is due, whatever a statement writes. Which months began is seen by `usage_reset_at`.
    SETTLE = include_str!("settle.sql");

    /// The same for some that are locked already.
    SETTLE_LOCKED = include_str!("settle_locked.sql");
}

/// Settles every month that ended; returns in how many subscriptions a month began.
pub fn reset_with_rollover(spi: &Spi) -> Result<i32> {
    if !schema_has_months() {
        return Err(error::schema_is_older());
    }
    // Two resets at once would wait for each other's rows in any order.
    advisory::lock(Lock::Settlement, 0);
    let begun: Option<i64> = spi.query(&SETTLE, Snapshot::New, &[])?.one()?;
    Ok(begun.and_then(|begun| i32::try_from(begun).ok()).unwrap_or(i32::MAX))
}

/// Subscriptions that were looked at, and in how many of them a month began: of a row that nobody had looked at before,
/// the month may not be over.
#[derive(Default)]
pub struct Looked {
    pub at: usize,
    pub begun: usize,
}

/// Settles these, which the transaction has locked.
pub fn settle_locked(spi: &Spi, ids: &[Uuid]) -> Result<Looked> {
    if ids.is_empty() {
        return Ok(Looked::default());
    }
    let rows = spi.query(&SETTLE_LOCKED, Snapshot::New, args![ids])?;
    let row = rows.first().ok_or_else(|| error::unexpected_null("the months that began"))?;
    let count = |position| row.expect::<i64>(position).map(|count| usize::try_from(count).unwrap_or(0));
    Ok(Looked { begun: count(1)?, at: count(2)? })
}
