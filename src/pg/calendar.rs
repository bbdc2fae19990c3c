//! Dates.

use pgrx::datum::Date;
use pgrx::pg_sys;

/// Year, month and day of a finite date. The year before 1 is 0.
pub fn year_month_day(date: Date) -> (i32, i32, i32) {
    let (mut year, mut month, mut day) = (0, 0, 0);
    // SAFETY: arithmetic on three plain integers.
    unsafe { pg_sys::j2date(date.to_julian_days(), &mut year, &mut month, &mut day) };
    (year, month, day)
}
