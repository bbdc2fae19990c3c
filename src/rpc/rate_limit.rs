//! Rate limits.

use pgrx::datum::{TimestampWithTimeZone, Uuid as SqlUuid};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use uuid::Uuid;

use crate::access;
use crate::error::{self, Result, required};
use crate::pg::bytes::TextArg;
use crate::pg::direct::{End, Key, Table, Writing, columns};
use crate::pg::spi::{self, Snapshot};
use crate::pg::value::Fields;
use crate::pg::value::required_id;
use crate::pg::{extension, procedure, transaction};
use crate::{args, statement};

statement! {
    /// A window older than the stored one counts into the stored one.
    COUNT_REQUEST = "INSERT INTO public.rate_limits AS r \
               (user_id, function_name, minute_count, minute_window, \
                hour_count, hour_window, day_count, day_window) \
        VALUES ($1, $2, 1, $3, 1, $4, 1, $5) \
            ON CONFLICT (user_id, function_name) DO UPDATE SET \
               minute_count = CASE WHEN excluded.minute_window > r.minute_window \
                                   THEN 1 ELSE r.minute_count + 1 END, \
               minute_window = greatest(excluded.minute_window, r.minute_window), \
               hour_count = CASE WHEN excluded.hour_window > r.hour_window \
                                 THEN 1 ELSE r.hour_count + 1 END, \
               hour_window = greatest(excluded.hour_window, r.hour_window), \
               day_count = CASE WHEN excluded.day_window > r.day_window \
                                THEN 1 ELSE r.day_count + 1 END, \
               day_window = greatest(excluded.day_window, r.day_window), \
               updated_at = now() \
        RETURNING minute_count, hour_count, day_count";

    FORGET_OLD = "DELETE FROM public.rate_limits WHERE updated_at < now() - interval '7 days'";
}

columns! { COLUMNS:
    USER = c"user_id" UUIDOID;
    FUNCTION = c"function_name" TEXTOID;
    MINUTE_COUNT = c"minute_count" INT4OID;
    MINUTE_WINDOW = c"minute_window" TIMESTAMPTZOID;
    HOUR_COUNT = c"hour_count" INT4OID;
    HOUR_WINDOW = c"hour_window" TIMESTAMPTZOID;
    DAY_COUNT = c"day_count" INT4OID;
    DAY_WINDOW = c"day_window" TIMESTAMPTZOID;
    UPDATED_AT = c"updated_at" TIMESTAMPTZOID;
}

const BY_FUNCTION: usize = 0;

thread_local! {
    static TABLE: Table = const { Table::new(
        c"public",
        c"rate_limits",
        COLUMNS,
        &[
            MINUTE_COUNT, MINUTE_WINDOW, HOUR_COUNT, HOUR_WINDOW, DAY_COUNT, DAY_WINDOW,
            UPDATED_AT,
        ],
        &[Key { columns: &[USER, FUNCTION], then: None }],
    ) };
}

/// The longest name of a function, in bytes: it is a key of an index.
const LONGEST_FUNCTION: usize = 200;

/// Counts one request of a user to a function in the running minute, hour and
/// day, atomically, and returns the counts after it. A newer window than the
/// stored one starts again at 1. As a charge, it has the rights of its owner and
/// takes them itself.
///
/// Errors: 22004 NULL; 22023 a function name over 200 bytes; 23503 no such
/// user. For service_role.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)] // the shape pgrx needs to see
fn check_and_increment_rate_limit(
    fcinfo: pg_sys::FunctionCallInfo,
    p_user_id: Option<SqlUuid>,
    p_function_name: Option<TextArg<'_>>,
    p_minute_window: Option<TimestampWithTimeZone>,
    p_hour_window: Option<TimestampWithTimeZone>,
    p_day_window: Option<TimestampWithTimeZone>,
) -> Result<
    TableIterator<'static, (name!(minute_count, i32), name!(hour_count, i32), name!(day_count, i32))>,
    ErrorReport,
> {
    const THIS: &str = "check_and_increment_rate_limit";
    access::for_the_backend_alone(fcinfo, THIS)?;
    let user = required_id(p_user_id, THIS, "p_user_id")?;
    let function = required(p_function_name, THIS, "p_function_name")?;
    let minute = required(p_minute_window, THIS, "p_minute_window")?;
    let hour = required(p_hour_window, THIS, "p_hour_window")?;
    let day = required(p_day_window, THIS, "p_day_window")?;
    if function.len() > LONGEST_FUNCTION {
        return Err(error::function_name_too_long().into());
    }
    transaction::refuse_if_read_only(c"check_and_increment_rate_limit()");
    let counts = procedure::writing_as_owner(fcinfo, || {
        let windows = [minute, hour, day];
        match count_by_row(user, &function, windows)? {
            Some(counts) => Ok(counts),
            None => extension::with_fixed_path(|| count_by_sql(user, &function, windows)),
        }
    })?;
    Ok(TableIterator::once(counts))
}

fn count_by_sql(
    user: Uuid,
    function: &str,
    [minute, hour, day]: [TimestampWithTimeZone; 3],
) -> Result<(i32, i32, i32)> {
    spi::connected(|spi| {
        let rows = spi.query(&COUNT_REQUEST, Snapshot::New, args![user, function, minute, hour, day])?;
        let row = rows.first().ok_or_else(|| error::unexpected_null("the rate limit"))?;
        Ok((row.expect(1)?, row.expect(2)?, row.expect(3)?))
    })
}

/// The same as [`COUNT_REQUEST`] for a function that the user has called before; `None`
/// where the statement has to do it.
fn count_by_row(user: Uuid, function: &str, windows: [TimestampWithTimeZone; 3]) -> Result<Option<(i32, i32, i32)>> {
    let Some(writing) = Writing::begin() else {
        return Ok(None);
    };
    TABLE.with(|table| {
        let Some(limits) =
            table.open_to_write(&writing).filter(|limits| limits.can_update() && limits.finds_by(BY_FUNCTION))
        else {
            return Ok(None);
        };
        let Some(mut row) = limits.find(BY_FUNCTION, args![user, function], End::First)? else {
            return Ok(None);
        };
        // Locked, it may be a row that was given to another user meanwhile.
        let is_same = row.lock().is_some()
            && row.get::<Uuid>(USER)? == Some(user)
            && row.get::<String>(FUNCTION)?.as_deref() == Some(function);
        if !is_same {
            return Ok(None);
        }
        let mut counts = [0; 3];
        let mut values = vec![(UPDATED_AT, transaction::start_time().into())];
        let columns = [(MINUTE_COUNT, MINUTE_WINDOW), (HOUR_COUNT, HOUR_WINDOW), (DAY_COUNT, DAY_WINDOW)];
        for ((counter, start), (window, count)) in columns.into_iter().zip(windows.into_iter().zip(&mut counts)) {
            let stored: TimestampWithTimeZone = row.expect(start)?;
            let before = if window > stored { 0 } else { row.expect::<i32>(counter)? };
            let Some(after) = before.checked_add(1) else {
                return Ok(None);
            };
            *count = after;
            values.push((counter, after.into()));
            values.push((start, window.max(stored).into()));
        }
        row.update(&values);
        Ok(Some((counts[0], counts[1], counts[2])))
    })
}

/// Deletes the rate limits that nobody touched for 7 days, and returns how
/// many. For service_role.
#[pg_extern(sql = false)]
fn cleanup_old_rate_limits(fcinfo: pg_sys::FunctionCallInfo) -> Result<i32, ErrorReport> {
    Ok(access::as_owner_for_the_backend(fcinfo, "cleanup_old_rate_limits", || {
        transaction::refuse_if_read_only(c"cleanup_old_rate_limits()");
        spi::connected(|spi| {
            let rows = spi.query(&FORGET_OLD, Snapshot::New, &[])?;
            Ok(i32::try_from(rows.len()).unwrap_or(i32::MAX))
        })
    })?)
}
