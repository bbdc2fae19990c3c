//! `update_updated_at_column()`.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::{PgSqlErrorCode, pg_extern, pg_sys};

use crate::error::Error;
use crate::pg::transaction;
use crate::pg::trigger::{self, TriggeredRow};
use crate::phi::quiet;

/// Before an UPDATE: sets `updated_at` to now(), the transaction's time. It runs no
/// SQL, so it is declared without a search_path, which would cost more than it.
///
/// # Errors
/// 42703 on a table without that column, 39P01 outside of a BEFORE row trigger.
#[pg_extern(sql = false)]
fn update_updated_at_column(fcinfo: pg_sys::FunctionCallInfo) -> TriggeredRow {
    trigger::fire(fcinfo, "update_updated_at_column", |row| {
        let Some(column) = row.column(c"updated_at") else {
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
                format!("table \"{}\" has no column \"updated_at\"", row.table()),
            )
            .hint("Add the column, or drop the trigger from this table."));
        };
        if !row.is_before() {
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "update_updated_at_column() must be a BEFORE trigger",
            )
            .hint("An AFTER trigger can no longer change the row."));
        }
        if quiet::is_updating(row.relation()) {
            return Ok(());
        }
        let now: TimestampWithTimeZone = transaction::start_time();
        // A statement that sets the same time itself needs no new row.
        let is_set = row.sets(column) && row.new_value::<TimestampWithTimeZone>(column).ok() == Some(Some(now));
        if !is_set {
            row.replace_time(column, now)?;
        }
        Ok(())
    })
}
