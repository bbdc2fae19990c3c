//! `keep_created_at()`.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::{PgSqlErrorCode, pg_extern, pg_sys};

use crate::error::{self, Error};
use crate::pg::trigger::{self, TriggeredRow};
use crate::pg::{roles, transaction};

/// Before an INSERT or UPDATE: keeps clients of the API from choosing
/// `created_at`, by which the free tier and the lifetime of a share link are
/// counted. An INSERT gets now(); an UPDATE may give the stored value, as a
/// client does that sends whole rows.
///
/// service_role, the table's owner, superusers and roles without the rights of
/// an API role write what they like.
///
/// Not SECURITY DEFINER: the role that runs the statement decides, and inside a definer
/// function that is the function's owner.
///
/// # Errors
/// 42501 for another value; 42703 on a table without that column, 39P01
/// outside of a BEFORE row trigger.
#[pg_extern(sql = false)]
fn keep_created_at(fcinfo: pg_sys::FunctionCallInfo) -> TriggeredRow {
    trigger::fire(fcinfo, "keep_created_at", |row| {
        let Some(column) = row.column(c"created_at") else {
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
                format!("table \"{}\" has no column \"created_at\"", row.table()),
            )
            .hint("Add the column, or drop the trigger from this table."));
        };
        if !row.is_before() {
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "keep_created_at() must be a BEFORE trigger",
            )
            .hint("An AFTER trigger can no longer change the row."));
        }
        if !roles::is_api_client(roles::effective(), row.table_owner()) {
            return Ok(());
        }
        let now = transaction::start_time();
        let given: Option<TimestampWithTimeZone> = row.new_value(column)?;
        if !row.is_update() {
            row.replace(column, Some(now))?;
        } else if row.changes(column) {
            // INSERT … ON CONFLICT DO UPDATE SET created_at = excluded.created_at
            // arrives here with what the INSERT got above.
            if given != Some(now) {
                return Err(error::created_at_is_the_servers(&row.table()));
            }
            row.keep_old(column);
        }
        Ok(())
    })
}
