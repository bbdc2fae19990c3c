//! The case limits from before there were credits.

use pgrx::datum::Uuid as SqlUuid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::access;
use crate::ledger;
use crate::pg::value::required_id;
use crate::pg::{spi, transaction};

/// Whether the user may create one more case this month; without a counting
/// subscription, 5 evaluations in 30 days.
///
/// Errors: 22004 NULL; 42501 when a signed-in user asks about somebody else.
/// For service_role, and signed-in users about themselves.
#[pg_extern(sql = false)]
fn can_create_case(p_user_id: Option<SqlUuid>) -> Result<bool, ErrorReport> {
    const THIS: &str = "can_create_case";
    let user = required_id(p_user_id, THIS, "p_user_id")?;
    access::may_ask_about(THIS, user)?;
    Ok(spi::connected(|spi| ledger::can_create_case(spi, user))?)
}

/// Adds one to the subscription's case counter. 22004 for NULL. For
/// service_role.
#[pg_extern(sql = false)]
fn increment_case_usage(fcinfo: pg_sys::FunctionCallInfo, p_user_id: Option<SqlUuid>) -> Result<(), ErrorReport> {
    const THIS: &str = "increment_case_usage";
    Ok(access::as_owner_for_the_backend(fcinfo, THIS, || {
        let user = required_id(p_user_id, THIS, "p_user_id")?;
        transaction::refuse_if_read_only(c"increment_case_usage()");
        spi::connected(|spi| ledger::increment_case_usage(spi, user))
    })?)
}

/// What `reset_monthly_usage_with_rollover` does, under the name that older
/// clients call: to start a month without settling the last one would postpone
/// everybody's credits. For service_role.
#[pg_extern(sql = false)]
fn reset_monthly_usage(fcinfo: pg_sys::FunctionCallInfo) -> Result<i32, ErrorReport> {
    Ok(access::as_owner_for_the_backend(fcinfo, "reset_monthly_usage", || {
        transaction::refuse_if_read_only(c"reset_monthly_usage()");
        spi::connected(ledger::reset_with_rollover)
    })?)
}
