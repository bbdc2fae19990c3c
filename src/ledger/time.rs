//! PostgreSQL's times as the rules read them.

use auria_credits::Time;
use pgrx::datum::TimestampWithTimeZone;

/// Microseconds from 1970 to 2000, where PostgreSQL counts from.
const EPOCH: i64 = 946_684_800_000_000;

/// The time; what is beyond the calendar, as infinity is, is its end.
pub fn of(time: TimestampWithTimeZone) -> Time {
    let end = if i64::from(time) < 0 { Time::MIN_UTC } else { Time::MAX_UTC };
    i64::from(time).checked_add(EPOCH).and_then(Time::from_timestamp_micros).unwrap_or(end)
}

/// The same for PostgreSQL; `infinity` for none, and where it does not fit.
pub fn stored(time: Option<Time>) -> TimestampWithTimeZone {
    time.and_then(|time| TimestampWithTimeZone::try_from(time.timestamp_micros().checked_sub(EPOCH)?).ok())
        .unwrap_or_else(TimestampWithTimeZone::positive_infinity)
}
