//! Rate limits.

use pgrx::datum::{TimestampWithTimeZone, Uuid as SqlUuid};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use uuid::Uuid;

use crate::access;
use crate::error::{self, Result, required};
use crate::pg::bytes::TextArg;
use crate::pg::direct::{Direct, End, IndexKey, Reason, Table, Writing, columns, or_by_sql, require};
use crate::pg::spi::{self, Rows, Snapshot};
use crate::pg::value::{Fields, required_id};
use crate::pg::{extension, transaction};
use crate::{args, statement};

statement! {
    INSERT = "INSERT INTO public.rate_limits \
               (user_id, function_name, minute_count, minute_window, hour_count, hour_window, day_count, day_window) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (user_id, function_name) DO NOTHING \
        RETURNING minute_count, minute_window, hour_count, hour_window, day_count, day_window";

    LOCK = "SELECT minute_count, minute_window, hour_count, hour_window, day_count, day_window \
          FROM public.rate_limits WHERE user_id = $1 AND function_name = $2 FOR NO KEY UPDATE";

    UPDATE = include_str!("update_rate_limit.sql");
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

/// No window is stored that begins later than this from now: requests would count into it until then.
const LATEST_HOURS: i32 = 24;

/// The longest name of a function, in bytes: it is a key of an index.
const LONGEST_FUNCTION: usize = 200;

/// Counts one request of a user to a function in the running minute, hour and
/// day, atomically, and returns the counts after it. A newer window than the
/// stored one starts again at 1; none is stored later than a day from now. As a charge,
/// it has the rights of its owner and takes them itself.
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
    let [(minutes, _), (hours, _), (days, _)] = counts;
    Ok(TableIterator::once((minutes, hours, days)))
}

/// The counts of a row, each with the beginning of its window: minute, hour, day.
type Counts = [(i32, TimestampWithTimeZone); 3];

/// The counts after one more request: a window newer than the stored one starts again at 1, and
/// an older one counts into the stored one. One that begins too late is no newer than what such
/// a one has stored, so that a sender whose clock is wrong is limited, too.
fn counted(stored: Counts, windows: [TimestampWithTimeZone; 3]) -> Result<Counts> {
    let (now, latest) = (transaction::start_time(), transaction::hours_from_start(LATEST_HOURS));
    let mut counts = stored;
    for ((count, start), window) in counts.iter_mut().zip(windows) {
        let is_repeated = window > latest && *start > now;
        let before = if window > *start && !is_repeated { 0 } else { *count };
        *count = before.checked_add(1).ok_or_else(error::integer_out_of_range)?;
        *start = window.max(*start).min(latest);
    }
    Ok(counts)
}

/// The counts of the first request.
fn first(windows: [TimestampWithTimeZone; 3]) -> Counts {
    let latest = transaction::hours_from_start(LATEST_HOURS);
    windows.map(|window| (1, window.min(latest)))
}

fn count_by_row(user: Uuid, function: &str, windows: [TimestampWithTimeZone; 3]) -> Direct<Counts> {
    let writing = Writing::begin()?;
    TABLE.with(|table| {
        let limits = table.open_to_write(&writing)?.for_update()?;
        let mut row = limits.find(BY_FUNCTION, args![user, function], End::First)?.ok_or(Reason::NoRow)?;
        row.lock()?;
        // Locked, it may be a row that was given to another user meanwhile.
        let is_same = row.get::<Uuid>(USER)? == Some(user) && row.get::<String>(FUNCTION)?.as_deref() == Some(function);
        require(is_same, Reason::RowChanged)?;
        let counts = counted(read(&row, MINUTE_COUNT)?, windows)?;
        let [(minutes, minute), (hours, hour), (days, day)] = counts;
        row.update(&[
            (MINUTE_COUNT, minutes.into()),
            (MINUTE_WINDOW, minute.into()),
            (HOUR_COUNT, hours.into()),
            (HOUR_WINDOW, hour.into()),
            (DAY_COUNT, days.into()),
            (DAY_WINDOW, day.into()),
            (UPDATED_AT, transaction::start_time().into()),
        ]);
        Ok(counts)
    })
}

fn count_by_sql(user: Uuid, function: &str, windows: [TimestampWithTimeZone; 3]) -> Result<Counts> {
    spi::connected(|spi| {
        // The row may be made, or deleted, between two statements.
        for _ in 0..3 {
            let rows = spi.query(&LOCK, Snapshot::New, args![user, function])?;
            let (statement, counts) = match found(&rows)? {
                Some(stored) => (&UPDATE, counted(stored, windows)?),
                None => (&INSERT, first(windows)),
            };
            let [(minutes, minute), (hours, hour), (days, day)] = counts;
            let args = args![user, function, minutes, minute, hours, hour, days, day];
            if let Some(counts) = found(&spi.query(statement, Snapshot::New, args)?)? {
                return Ok(counts);
            }
        }
        Err(error::unexpected_null("the rate limit"))
    })
}

fn found(rows: &Rows<'_>) -> Result<Option<Counts>> {
    rows.first().map(|row| read(&row, 1)).transpose()
}

/// The counts and windows of a row, from this position on.
fn read(row: &impl Fields, first: i32) -> Result<Counts> {
    let pair = |position| Ok((row.expect(position)?, row.expect(position + 1)?));
    Ok([pair(first)?, pair(first + 2)?, pair(first + 4)?])
}
