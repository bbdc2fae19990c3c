//! `auria.reset_monthly()`: the settlement of `reset_monthly_usage_with_rollover`
//! in batches that are committed, so that nobody who spends meanwhile waits
//! longer than one batch takes.
//!
//! It walks the subscriptions by primary key and passes over those that
//! somebody has locked; these are settled at the end, one by one, waited for
//! while no other lock is held. So it takes part in no deadlock. What is
//! settled is told by `usage_reset_at`: stopped anywhere, the next call goes on.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use uuid::Uuid;

use super::settle::{self, due};
use crate::error::{Error, Result, required};
use crate::lifecycle::schema::owner;
use crate::pg::procedure::Call;
use crate::pg::spi::{Arg, Sees, Spi};
use crate::pg::{extension, transaction};
use crate::statement;

const LARGEST_BATCH: i32 = 100_000;

statement! {
    LOCK_SOME = concat!(
        "SELECT id FROM public.subscriptions WHERE id > $1 AND ",
        due!(),
        " ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED"
    );

    LOCK_ONE = concat!(
        "SELECT id FROM public.subscriptions WHERE ",
        due!(),
        " LIMIT 1 FOR NO KEY UPDATE"
    );
}

/// Settles every month that ended, as `reset_monthly_usage_with_rollover()`
/// does, in batches of so many subscriptions, each committed; tells the
/// progress by NOTICE.
///
/// Errors: 2D000 where it cannot commit; 22004, 22023 the batch size; 25006 on
/// a standby. For service_role.
#[pg_extern(sql = false)]
fn reset_monthly(
    batch_size: Option<i32>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Result<(), ErrorReport> {
    let batch_size = required(batch_size, "auria.reset_monthly", "batch_size")?;
    if !(1..=LARGEST_BATCH).contains(&batch_size) {
        return Err(Error::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "batch_size is out of range",
        )
        .hint(format!(
            "Pass a number of subscriptions from 1 to {LARGEST_BATCH}."
        ))
        .into());
    }
    let call = Call::of(fcinfo, "auria.reset_monthly")?;
    transaction::refuse_if_read_only(c"auria.reset_monthly()");
    let mut settled = 0;
    let mut last = Some(Uuid::nil());
    while let Some(after) = last {
        last = call.transaction(owner::of_schema, |spi| {
            let args = [Arg::Uuid(Some(after)), Arg::Int(batch_size)];
            let rows = spi.query(&LOCK_SOME, Sees::OwnSnapshot, &args)?;
            let ids: Vec<Uuid> = rows
                .iter()
                .map(|row| row.expect_uuid(1))
                .collect::<Result<_>>()?;
            settled += settle::settle_locked(spi, &ids)?;
            Ok(ids.last().copied())
        })?;
        if last.is_some() {
            extension::inform(&format!("{settled} subscriptions settled so far"));
        }
    }
    while call.transaction(owner::of_schema, |spi| settle_one(spi, &mut settled))? {}
    extension::inform(&format!("{settled} subscriptions settled, done"));
    Ok(())
}

/// Settles one that was locked before; false when none is left.
fn settle_one(spi: &Spi, settled: &mut usize) -> Result<bool> {
    pgrx::check_for_interrupts!();
    let rows = spi.query(&LOCK_ONE, Sees::OwnSnapshot, &[])?;
    let Some(row) = rows.first() else {
        // None is due, or the one waited for was settled by somebody else.
        return settle::any_due(spi);
    };
    *settled += settle::settle_locked(spi, &[row.expect_uuid(1)?])?;
    Ok(true)
}
