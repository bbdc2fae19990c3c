//! The credit functions. Amounts are credits; NULL for any argument is 22004.
//!
//! Charges, refunds and the question whether there is enough have the rights of the
//! function's owner, and take them themselves: they are declared neither SECURITY
//! DEFINER nor with a search_path, as PostgreSQL's way of setting both costs more than
//! a tenth of a charge. The path is set where SQL has to do the work.

use pgrx::datum::Uuid as SqlUuid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::access;
use crate::error::{Result, required};
use crate::ledger;
use crate::pg::bytes::TextArg;
use crate::pg::procedure::Called;
use crate::pg::value::required_id;
use crate::pg::{spi, transaction};

/// Charges an operation to a user: true, or false and nothing changed when
/// neither the subscription's credits nor the free tier allow it. Any number
/// of callers at once spend exactly what there is. A refusal is counted for
/// `auria.metrics()`.
///
/// Errors: 22004 NULL; 22023 an operation that is too long, ends in
/// `_refund` or is `plan_change`; 22003 a counter out of range; 23503 no such user; 25006 in a
/// read-only transaction. For service_role.
#[pg_extern(sql = false)]
fn use_credits(
    fcinfo: pg_sys::FunctionCallInfo,
    p_user_id: Option<SqlUuid>,
    p_operation: Option<TextArg<'_>>,
) -> Result<bool, ErrorReport> {
    const THIS: &str = "use_credits";
    let called = access::for_the_backend_alone(fcinfo, THIS)?;
    let user = required_id(p_user_id, THIS, "p_user_id")?;
    let operation = required(p_operation, THIS, "p_operation")?;
    transaction::refuse_if_read_only(c"use_credits()");
    Ok(called.writing_as_owner(|| ledger::spend(user, &operation, None))?)
}

/// [`use_credits`] that charges once for a reference (the evaluation or
/// simulation it pays for), however often and concurrently it is sent, and
/// answers true each time.
#[pg_extern(sql = false)]
fn use_credits_once(
    fcinfo: pg_sys::FunctionCallInfo,
    p_user_id: Option<SqlUuid>,
    p_operation: Option<TextArg<'_>>,
    p_reference_id: Option<SqlUuid>,
) -> Result<bool, ErrorReport> {
    const THIS: &str = "use_credits";
    let called = access::for_the_backend_alone(fcinfo, THIS)?;
    let user = required_id(p_user_id, THIS, "p_user_id")?;
    let operation = required(p_operation, THIS, "p_operation")?;
    let reference = required_id(p_reference_id, THIS, "p_reference_id")?;
    transaction::refuse_if_read_only(c"use_credits()");
    Ok(called.writing_as_owner(|| ledger::spend(user, &operation, Some(reference)))?)
}

/// Gives back the user's latest use of the operation within 30 days that was
/// not refunded, at what it was charged then; false when there is none. What
/// was charged before the last reset comes back as bonus.
///
/// Errors as [`use_credits`]. For service_role.
#[pg_extern(sql = false)]
fn refund_credits(
    fcinfo: pg_sys::FunctionCallInfo,
    p_user_id: Option<SqlUuid>,
    p_operation: Option<TextArg<'_>>,
) -> Result<bool, ErrorReport> {
    const THIS: &str = "refund_credits";
    let called = access::for_the_backend_alone(fcinfo, THIS)?;
    let user = required_id(p_user_id, THIS, "p_user_id")?;
    let operation = required(p_operation, THIS, "p_operation")?;
    transaction::refuse_if_read_only(c"refund_credits()");
    Ok(called.writing_as_owner(|| ledger::refund(user, &operation, None))?)
}

/// [`refund_credits`] for exactly the use with this reference, once, however
/// long ago it was; true each time after. False when there was no such use.
#[pg_extern(sql = false)]
fn refund_credits_once(
    fcinfo: pg_sys::FunctionCallInfo,
    p_user_id: Option<SqlUuid>,
    p_operation: Option<TextArg<'_>>,
    p_reference_id: Option<SqlUuid>,
) -> Result<bool, ErrorReport> {
    const THIS: &str = "refund_credits";
    let called = access::for_the_backend_alone(fcinfo, THIS)?;
    let user = required_id(p_user_id, THIS, "p_user_id")?;
    let operation = required(p_operation, THIS, "p_operation")?;
    let reference = required_id(p_reference_id, THIS, "p_reference_id")?;
    transaction::refuse_if_read_only(c"refund_credits()");
    Ok(called.writing_as_owner(|| ledger::refund(user, &operation, Some(reference)))?)
}

/// What [`use_credits`] would answer now; changes and locks nothing, and works
/// on a standby. An id that is no user's is answered as a user without a subscription.
///
/// Errors: 22004, 22023 as there; 42501 when a signed-in user asks about
/// somebody else. For service_role, and signed-in users about themselves.
#[pg_extern(sql = false)]
fn can_use_credits(
    fcinfo: pg_sys::FunctionCallInfo,
    p_user_id: Option<SqlUuid>,
    p_operation: Option<TextArg<'_>>,
) -> Result<bool, ErrorReport> {
    const THIS: &str = "can_use_credits";
    let user = required_id(p_user_id, THIS, "p_user_id")?;
    let operation = required(p_operation, THIS, "p_operation")?;
    Ok(Called::by(fcinfo)?.with_rights_of_owner(|| {
        access::may_ask_about(THIS, user)?;
        ledger::can_spend(user, &operation)
    })?)
}

/// What an operation costs; 1 if it is not configured. 22004 for NULL. For
/// everyone.
#[pg_extern(sql = false)]
fn get_credit_cost(p_operation: Option<TextArg<'_>>) -> Result<i32, ErrorReport> {
    let operation = required(p_operation, "get_credit_cost", "p_operation")?;
    Ok(ledger::cost_of(&operation)?)
}

/// Adds credits that were bought; they never expire. A user without a
/// subscription gets one (plan `starter`, status `active`).
///
/// Errors: 22004 NULL; 22023 not positive; 22003 the sum does not fit; 23503
/// no such user. For service_role.
#[pg_extern(sql = false)]
fn add_bonus_credits(
    fcinfo: pg_sys::FunctionCallInfo,
    p_user_id: Option<SqlUuid>,
    p_credits: Option<i32>,
) -> Result<(), ErrorReport> {
    const THIS: &str = "add_bonus_credits";
    Ok(access::as_owner_for_the_backend(fcinfo, THIS, || {
        let user = required_id(p_user_id, THIS, "p_user_id")?;
        let credits = required(p_credits, THIS, "p_credits")?;
        transaction::refuse_if_read_only(c"add_bonus_credits()");
        spi::connected(|spi| ledger::add_bonus(spi, user, credits))
    })?)
}

/// Settles the month of every subscription whose last reset is more than 30
/// days ago, and returns how many. For service_role.
#[pg_extern(sql = false)]
fn reset_monthly_usage_with_rollover(fcinfo: pg_sys::FunctionCallInfo) -> Result<i32, ErrorReport> {
    Ok(access::as_owner_for_the_backend(fcinfo, "reset_monthly_usage_with_rollover", || {
        transaction::refuse_if_read_only(c"reset_monthly_usage_with_rollover()");
        spi::connected(ledger::reset_with_rollover)
    })?)
}
