//! `auria.credit_statement()`: what a balance is made of.

use pgrx::datum::TimestampWithTimeZone;
use uuid::Uuid;

use crate::error::Result;
use crate::pg::spi::{Snapshot, Spi};
use crate::{args, statement};

statement! {
    STATEMENT = include_str!("statement.sql");
}

/// One line of a statement: a charge, a refund or an event, and the balance after it.
pub struct Line {
    pub at: TimestampWithTimeZone,
    pub entry: i64,
    /// `charge`, `refund`, or what kind of event.
    pub what: String,
    pub operation: Option<String>,
    pub reference: Option<String>,
    /// By how much it changed what can be spent; `None` where that has no limit.
    pub credits: Option<i64>,
    pub used: Option<i32>,
    pub rollover: Option<i32>,
    pub bonus: Option<i32>,
    /// What can be spent after it; `None` where that has no limit, and before the first event.
    pub available: Option<i64>,
}

/// The lines of a user from one time to before another, in the order of the ledger.
pub fn of(spi: &Spi, user: Uuid, from: TimestampWithTimeZone, to: TimestampWithTimeZone) -> Result<Vec<Line>> {
    let rows = spi.query(&STATEMENT, Snapshot::Caller, args![user, from, to])?;
    rows.iter()
        .map(|row| {
            Ok(Line {
                at: row.expect(1)?,
                entry: row.expect(2)?,
                what: row.expect(3)?,
                operation: row.get(4)?,
                reference: row.get(5)?,
                credits: row.get(6)?,
                used: row.get(7)?,
                rollover: row.get(8)?,
                bonus: row.get(9)?,
                available: row.get(10)?,
            })
        })
        .collect()
}
