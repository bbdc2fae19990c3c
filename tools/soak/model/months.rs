//! When a month of credits begins, as the documentation says it: written with a calendar of its own.
//!
//! The model's clock stands still. What it chooses is so far from now that neither the length of a soak nor a clock that
//! is set back makes something past of what is to come, or the other way round.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
pub type Moment = i64;

pub const DAY: Moment = 86_400;

/// When the soak began.
pub static NOW: LazyLock<Moment> =
    LazyLock::new(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() as Moment));

/// A clock is set back by twelve hours at most, and a soak takes ten.
const BEFORE_NOW: Moment = 13 * 3600 + 720;

/// A moment this many days from now: past up to 0, less than a day ahead for 1, and more for 2.
pub fn in_days(days: i64) -> Moment {
    *NOW + days * DAY - BEFORE_NOW
}

/// Whether the server may have taken it for its own time.
pub fn may_be_now(moment: Moment) -> bool {
    (-13 * 3600..11 * 3600).contains(&(moment - *NOW))
}

/// As JSON and SQL have it.
pub fn text(moment: Moment) -> String {
    let (year, month, day) = date(moment.div_euclid(DAY));
    let time = moment.rem_euclid(DAY);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", time / 3600, time / 60 % 60, time % 60)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn length(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Year, month and day of a number of days since 1970.
fn date(mut days: i64) -> (i64, i64, i64) {
    let mut year = 1970;
    loop {
        let of_year = 365 + i64::from(is_leap(year));
        if days < of_year {
            break;
        }
        days -= of_year;
        year += 1;
    }
    let mut month = 1;
    while days >= length(year, month) {
        days -= length(year, month);
        month += 1;
    }
    (year, month, days + 1)
}

fn days_until(year: i64, month: i64, day: i64) -> i64 {
    let years: i64 = (1970..year).map(|year| 365 + i64::from(is_leap(year))).sum();
    years + (1..month).map(|month| length(year, month)).sum::<i64>() + day - 1
}

/// This number of months later, at the same time of day; the last day of the month where it has no such day.
pub fn months_later(moment: Moment, months: i64) -> Moment {
    let (year, month, day) = date(moment.div_euclid(DAY));
    let (year, month) = (year + (month - 1 + months) / 12, (month - 1 + months) % 12 + 1);
    days_until(year, month, day.min(length(year, month))) * DAY + moment.rem_euclid(DAY)
}

/// What decides when months begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Billing {
    /// The latest beginning of a period that was written.
    pub start: Option<Moment>,
    pub end: Option<Moment>,
    pub ends_there: bool,
}

impl Billing {
    /// The month that follows the one that began then.
    pub fn month_after(&self, beginning: Moment) -> Option<Moment> {
        match self.start {
            None => Some(beginning + 720 * 3600).filter(|next| self.is_before_end(*next)),
            Some(_) => self.beginning_from(beginning + 15 * DAY),
        }
    }

    /// The beginning that counts because somebody paid.
    pub fn paid_after(&self, beginning: Moment) -> Option<Moment> {
        self.beginning_from(beginning + 3601)
    }

    fn beginning_from(&self, moment: Moment) -> Option<Moment> {
        let start = self.start?;
        let next = (0..).map(|months| {
            let anniversary = months_later(start, months);
            match self.end {
                Some(end) if months > 0 && (1..=4 * DAY).contains(&(end - anniversary)) => end,
                _ => anniversary,
            }
        });
        next.into_iter().find(|next| *next >= moment).filter(|next| self.is_before_end(*next))
    }

    fn is_before_end(&self, beginning: Moment) -> bool {
        !self.ends_there || self.end.is_none_or(|end| beginning < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_has_its_own_length() {
        let at = |year, month, day| days_until(year, month, day) * DAY + 5;
        assert_eq!(text(at(2024, 2, 29)), "2024-02-29T00:00:05Z");
        assert_eq!(months_later(at(2026, 1, 31), 1), at(2026, 2, 28));
        assert_eq!(months_later(at(2026, 1, 31), 26), at(2028, 3, 31));
        let billing = Billing { start: Some(at(2026, 1, 31)), end: Some(at(2026, 3, 31)), ends_there: false };
        assert_eq!(billing.month_after(at(2026, 1, 31)), Some(at(2026, 2, 28)));
        assert_eq!(billing.month_after(at(2026, 3, 1)), Some(at(2026, 3, 31)));
        assert_eq!(Billing { ends_there: true, ..billing }.month_after(at(2026, 3, 1)), None);
    }
}
