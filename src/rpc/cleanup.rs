//! Deletes or ends rows that nobody needs any more. Each call is safe at any time, and again.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::access;
use crate::error::Result;
use crate::pg::spi::{self, Declared, Snapshot};
use crate::pg::transaction;
use crate::statement;

statement! {
    FORGET_DRAFTS = "DELETE FROM public.evaluation_drafts WHERE updated_at < now() - interval '30 days'";

    FORGET_LINKS = "DELETE FROM public.shared_links WHERE expires_at < now() - interval '7 days'";

    FORGET_RATE_LIMITS = "DELETE FROM public.rate_limits WHERE updated_at < now() - interval '7 days'";

    /// A row that another transaction is writing is not stuck: it is skipped.
    FAIL_STUCK = include_str!("fail_stuck.sql");
}

/// Runs the statement and returns how many rows it changed.
fn changed(statement: &'static Declared) -> Result<i32> {
    spi::connected(|spi| {
        let rows = spi.query(statement, Snapshot::New, &[])?;
        Ok(i32::try_from(rows.len()).unwrap_or(i32::MAX))
    })
}

/// Deletes the drafts that nobody touched for 30 days, and returns how many.
/// For service_role.
#[pg_extern(sql = false)]
fn cleanup_stale_drafts(fcinfo: pg_sys::FunctionCallInfo) -> Result<i32, ErrorReport> {
    Ok(access::as_owner_for_the_backend(fcinfo, "cleanup_stale_drafts", || {
        transaction::refuse_if_read_only(c"cleanup_stale_drafts()");
        changed(&FORGET_DRAFTS)
    })?)
}

/// Deletes the shared links that expired more than 7 days ago, and returns how
/// many. For service_role.
#[pg_extern(sql = false)]
fn cleanup_expired_shared_links(fcinfo: pg_sys::FunctionCallInfo) -> Result<i32, ErrorReport> {
    Ok(access::as_owner_for_the_backend(fcinfo, "cleanup_expired_shared_links", || {
        transaction::refuse_if_read_only(c"cleanup_expired_shared_links()");
        changed(&FORGET_LINKS)
    })?)
}

/// Deletes the rate limits that nobody touched for 7 days, and returns how
/// many. For service_role.
#[pg_extern(sql = false)]
fn cleanup_old_rate_limits(fcinfo: pg_sys::FunctionCallInfo) -> Result<i32, ErrorReport> {
    Ok(access::as_owner_for_the_backend(fcinfo, "cleanup_old_rate_limits", || {
        transaction::refuse_if_read_only(c"cleanup_old_rate_limits()");
        changed(&FORGET_RATE_LIMITS)
    })?)
}

/// Sets the evaluations that have been `analyzing` for more than 10 minutes to
/// `error`, with a text that asks the dentist to try again, and returns how
/// many. For service_role.
#[pg_extern(sql = false)]
fn cleanup_stuck_evaluations(fcinfo: pg_sys::FunctionCallInfo) -> Result<i32, ErrorReport> {
    Ok(access::as_owner_for_the_backend(fcinfo, "cleanup_stuck_evaluations", || {
        transaction::refuse_if_read_only(c"cleanup_stuck_evaluations()");
        changed(&FAIL_STUCK)
    })?)
}
