//! What a dentist's start page shows.

use pgrx::datum::{Json, Uuid as SqlUuid};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::json;

use crate::access;
use crate::error;
use crate::pg::spi::{self, Snapshot};
use crate::pg::value::required_id;
use crate::{args, statement};

statement! {
    /// One pass over the user's evaluations. Rows without a session count as
    /// evaluations, and for no session. The week begins on Monday 00:00 in the
    /// time zone of the session, which is the server's where a client sets
    /// none.
    METRICS = include_str!("dashboard.sql");
}

/// How many of `all` are `done`, in percent, rounded; 0 of none.
fn percent(done: i64, all: i64) -> i64 {
    if all == 0 {
        return 0;
    }
    (200 * done + all) / (2 * all)
}

/// Counts of a user's evaluations, sessions and patients, for the dashboard.
/// Decrypts nothing.
///
/// Errors: 22004 NULL; 42501 when a signed-in user asks about somebody else.
/// For service_role, and signed-in users about themselves.
#[pg_extern(sql = false)]
fn get_dashboard_metrics(p_user_id: Option<SqlUuid>) -> Result<Json, ErrorReport> {
    const THIS: &str = "get_dashboard_metrics";
    let user = required_id(p_user_id, THIS, "p_user_id")?;
    access::may_ask_about(THIS, user)?;
    let metrics = spi::connected(|spi| {
        let rows = spi.query(&METRICS, Snapshot::Caller, args![user])?;
        let row = rows.first().ok_or_else(|| error::unexpected_null("the dashboard"))?;
        let (sessions, pending_sessions): (i64, i64) = (row.expect(3)?, row.expect(4)?);
        Ok(json!({
            "total_evaluations": row.expect::<i64>(1)?,
            "total_patients": row.expect::<i64>(2)?,
            "pending_sessions": pending_sessions,
            "weekly_sessions": row.expect::<i64>(5)?,
            "completion_rate": percent(sessions - pending_sessions, sessions),
            "pending_teeth": row.expect::<i64>(6)?,
        }))
    })?;
    Ok(Json(metrics))
}
