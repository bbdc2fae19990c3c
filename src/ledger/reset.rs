//! `auria.reset_monthly()`: what `reset_monthly_usage_with_rollover` does, in
//! batches that are committed, so that nobody who spends meanwhile waits longer
//! than one batch takes.
//!
//! It walks the subscriptions by primary key and skips those that somebody has
//! locked; these are reset at the end, one by one, waited for while no other
//! lock is held. So it takes part in no deadlock. Progress is derived from
//! `month_ends_at`: stopped anywhere, the next call continues. Both walks only
//! go forward, so that it ends even when a trigger suppresses an update.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use uuid::Uuid;

use super::settle::{self, Looked, due};
use super::tables::schema_has_months;
use crate::access;
use crate::error::{self, Error, Result, required};
use crate::pg::procedure::Call;
use crate::pg::spi::{Rows, Snapshot, Spi};
use crate::pg::transaction;
use crate::progress::Progress;
use crate::schema::owner;
use crate::{args, statement};

const LARGEST_BATCH: i32 = 100_000;

statement! {
    COUNT_DUE = concat!("SELECT count(*) FROM public.subscriptions WHERE ", due!());

    LOCK_SOME = concat!(
        "SELECT id FROM public.subscriptions WHERE id > $1 AND ",
        due!(),
        " ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED"
    );

    /// One that somebody else resets while this waits is passed over: LIMIT
    /// counts what is still due when it is locked.
    LOCK_NEXT = concat!(
        "SELECT id FROM public.subscriptions WHERE id > $1 AND ",
        due!(),
        " ORDER BY id LIMIT 1 FOR NO KEY UPDATE"
    );
}

/// Resets every month that ended, as `reset_monthly_usage_with_rollover()`
/// does, in batches of `batch_size` subscriptions, each committed; reports progress
/// by NOTICE.
///
/// Errors: 2D000 where it cannot commit; 22004, 22023 the batch size; 25006 on
/// a standby. For service_role.
#[pg_extern(sql = false)]
fn reset_monthly(batch_size: Option<i32>, fcinfo: pg_sys::FunctionCallInfo) -> Result<(), ErrorReport> {
    access::for_the_backend_alone(fcinfo, "auria.reset_monthly")?;
    let batch_size = required(batch_size, "auria.reset_monthly", "batch_size")?;
    if !(1..=LARGEST_BATCH).contains(&batch_size) {
        return Err(Error::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "batch_size is out of range")
            .hint(format!("Pass a number of subscriptions from 1 to {LARGEST_BATCH}."))
            .into());
    }
    if !schema_has_months() {
        return Err(error::schema_is_older().into());
    }
    let call = Call::of(fcinfo, "auria.reset_monthly")?;
    transaction::refuse_if_read_only(c"auria.reset_monthly()");
    let due = call.transaction(owner::of_schema, |spi| {
        let rows = spi.query(&COUNT_DUE, Snapshot::New, &[])?;
        Ok(rows.one::<i64>()?.unwrap_or(0))
    })?;
    let mut progress = Progress::new("subscriptions reset", due.unsigned_abs());
    let mut last = Some(Uuid::nil());
    while let Some(after) = last {
        let (locked, looked) = call.transaction(owner::of_schema, |spi| reset_after(spi, after, batch_size))?;
        progress.advance(looked.begun as u64);
        last = locked.last().copied();
    }
    // The rows that were locked, and those whose update a trigger suppressed.
    let mut kept = 0;
    let mut last = Some(Uuid::nil());
    while let Some(after) = last {
        let (locked, looked) = call.transaction(owner::of_schema, |spi| reset_next(spi, after))?;
        progress.advance(looked.begun as u64);
        kept += locked.len() - looked.at;
        last = locked.last().copied();
    }
    let reset = progress.done();
    progress.finish(&match kept {
        0 => format!("{reset} subscriptions reset"),
        _ => format!(
            "{reset} subscriptions reset; {kept} are still due, because a trigger on \
             public.subscriptions kept them as they were"
        ),
    });
    Ok(())
}

/// Locks a batch and resets it: which were locked, and how many were changed.
fn reset_after(spi: &Spi, after: Uuid, batch_size: i32) -> Result<(Vec<Uuid>, Looked)> {
    let args = args![after, batch_size];
    reset_locked(spi, &spi.query(&LOCK_SOME, Snapshot::New, args)?)
}

/// The same for the next one, waited for.
fn reset_next(spi: &Spi, after: Uuid) -> Result<(Vec<Uuid>, Looked)> {
    let args = args![after];
    reset_locked(spi, &spi.query(&LOCK_NEXT, Snapshot::New, args)?)
}

fn reset_locked(spi: &Spi, rows: &Rows<'_>) -> Result<(Vec<Uuid>, Looked)> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.expect::<Uuid>(1)).collect::<Result<_>>()?;
    let looked = settle::settle_locked(spi, &ids)?;
    Ok((ids, looked))
}
