//! Rate limits.

use pgrx::datum::{TimestampWithTimeZone, Uuid as SqlUuid};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use uuid::Uuid;

use crate::access;
use crate::error::{self, Result, required};
use crate::pg::bytes::TextArg;
use crate::pg::direct::{Direct, End, IndexKey, Reason, Table, Writing, columns, or_by_sql, require};
use crate::pg::spi::{self, Snapshot};
use crate::pg::value::{Fields, required_id};
use crate::pg::{extension, transaction};
use crate::{args, statement};

statement! {
    /// A window older than the stored one counts into the stored one.
    COUNT_REQUEST = include_str!("count_request.sql");

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
        &[IndexKey { columns: &[USER, FUNCTION], then: None }],
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
    let called = access::for_the_backend_alone(fcinfo, THIS)?;
    let user = required_id(p_user_id, THIS, "p_user_id")?;
    let function = required(p_function_name, THIS, "p_function_name")?;
    let minute = required(p_minute_window, THIS, "p_minute_window")?;
    let hour = required(p_hour_window, THIS, "p_hour_window")?;
    let day = required(p_day_window, THIS, "p_day_window")?;
    if function.len() > LONGEST_FUNCTION {
        return Err(error::function_name_too_long().into());
    }
    transaction::refuse_if_read_only(c"check_and_increment_rate_limit()");
    let windows = [minute, hour, day];
    let counts = called.writing_as_owner(|| {
        or_by_sql(count_by_row(user, &function, windows), || {
            extension::with_fixed_path(|| count_by_sql(user, &function, windows))
        })
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

/// The same as [`COUNT_REQUEST`] for a function that the user has called before.
fn count_by_row(user: Uuid, function: &str, windows: [TimestampWithTimeZone; 3]) -> Direct<(i32, i32, i32)> {
    let writing = Writing::begin()?;
    TABLE.with(|table| {
        let limits = table.open_to_write(&writing)?.for_update()?;
        let mut row = limits.find(BY_FUNCTION, args![user, function], End::First)?.ok_or(Reason::NoRow)?;
        row.lock()?;
        // Locked, it may be a row that was given to another user meanwhile.
        let is_same = row.get::<Uuid>(USER)? == Some(user) && row.get::<String>(FUNCTION)?.as_deref() == Some(function);
        require(is_same, Reason::RowChanged)?;
        let mut counts = [0; 3];
        let mut values = vec![(UPDATED_AT, transaction::start_time().into())];
        let columns = [(MINUTE_COUNT, MINUTE_WINDOW), (HOUR_COUNT, HOUR_WINDOW), (DAY_COUNT, DAY_WINDOW)];
        for ((counter, start), (window, count)) in columns.into_iter().zip(windows.into_iter().zip(&mut counts)) {
            let stored: TimestampWithTimeZone = row.expect(start)?;
            let before = if window > stored { 0 } else { row.expect::<i32>(counter)? };
            *count = before.checked_add(1).ok_or(Reason::OutOfRange)?;
            values.push((counter, (*count).into()));
            values.push((start, window.max(stored).into()));
        }
        row.update(&values);
        Ok((counts[0], counts[1], counts[2]))
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
