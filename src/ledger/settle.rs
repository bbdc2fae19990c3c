//! The month's end: `reset_monthly_usage_with_rollover`, and `reset_monthly_usage`,
//! which older clients still call and which must not postpone anybody's credits.

use uuid::Uuid;

use crate::error::Result;
use crate::pg::spi::{Snapshot, Spi};
use crate::pg::transaction::{self, Lock};
use crate::{args, statement};

/// Whose month ended. A sub-select, so that the limit is computed once and not for
/// each row.
macro_rules! due {
    () => {
        "usage_reset_at < (SELECT now() - interval '30 days')"
    };
}
pub(super) use due;

/// The settlement of the months that ended, and of no others. The plan is looked
/// up for each row as it is when its lock is held. `usage_reset_at` is the clock
/// at that moment, and `usage_reset_entry` the ledger's last number: what the
/// ledger has after it belongs to the new month. Both are computed again when the
/// row had to be waited for, as every expression of SET is.
macro_rules! settle_and {
    ($restriction:literal) => {
        concat!(
            "UPDATE public.subscriptions s \
                SET credits_rollover = auria.settled_rollover( \
                        s.plan_id, s.credits_used_this_month::pg_catalog.int4, \
                        s.credits_rollover::pg_catalog.int4), \
                    credits_bonus = auria.settled_bonus( \
                        s.plan_id, s.credits_used_this_month::pg_catalog.int4, \
                        s.credits_rollover::pg_catalog.int4, s.credits_bonus::pg_catalog.int4), \
                    credits_used_this_month = 0, \
                    credits_used_hidden = 0, \
                    cases_used_this_month = 0, \
                    dsd_used_this_month = 0, \
                    usage_reset_at = clock_timestamp(), \
                    usage_reset_entry = coalesce( \
                        pg_catalog.pg_sequence_last_value('public.credit_usage_entry_seq'), 0), \
                    updated_at = now() \
              WHERE ",
            due!(),
            $restriction
        )
    };
}

statement! {
    /// One statement for all.
    SETTLE = settle_and!("");

    /// The same for some that are locked already, whose ids come as text.
    SETTLE_LOCKED = settle_and!(
        " AND s.id = ANY (pg_catalog.string_to_array($1, ',')::pg_catalog.uuid[])"
    );
}

/// Settles every month that ended; returns how many subscriptions.
pub fn reset_with_rollover(spi: &Spi) -> Result<i32> {
    // Two resets at once would wait for each other's rows in any order.
    transaction::lock(Lock::Settlement, 0);
    let rows = spi.query(&SETTLE, Snapshot::New, &[])?;
    Ok(i32::try_from(rows.len()).unwrap_or(i32::MAX))
}

/// Settles these, which the transaction has locked; returns how many.
pub fn settle_locked(spi: &Spi, ids: &[Uuid]) -> Result<usize> {
    if ids.is_empty() {
        return Ok(0);
    }
    let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
    let rows = spi.query(&SETTLE_LOCKED, Snapshot::New, args![&ids.join(",")])?;
    Ok(rows.len())
}
