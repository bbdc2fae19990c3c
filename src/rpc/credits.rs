//! The credit functions. Amounts are credits; NULL for any argument is 22004.
//!
//! Charges, refunds and the question whether there is enough have the rights of the
//! function's owner, and take them themselves: they are declared neither SECURITY
//! DEFINER nor with a search_path, as PostgreSQL's way of setting both costs more than
//! a tenth of a charge. The path is set where SQL has to do the work.

use pgrx::datum::{TimestampWithTimeZone, Uuid as SqlUuid};
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
        spi::connected(|spi| ledger::add_bonus(spi, user, credits, None))
    })?)
}

/// [`add_bonus_credits`] that adds once for a reference (Stripe's session or payment), however often and concurrently it
/// is sent. What was revoked under the reference before is not added.
///
/// Errors: as there; 22023 a reference that is empty or longer than 200 octets. For service_role.
#[pg_extern(sql = false)]
fn add_bonus_credits_once(
    fcinfo: pg_sys::FunctionCallInfo,
    p_user_id: Option<SqlUuid>,
    p_credits: Option<i32>,
    p_reference: Option<TextArg<'_>>,
) -> Result<(), ErrorReport> {
    const THIS: &str = "add_bonus_credits";
    Ok(access::as_owner_for_the_backend(fcinfo, THIS, || {
        let user = required_id(p_user_id, THIS, "p_user_id")?;
        let credits = required(p_credits, THIS, "p_credits")?;
        let reference = required(p_reference, THIS, "p_reference")?;
        transaction::refuse_if_read_only(c"add_bonus_credits()");
        spi::connected(|spi| ledger::add_bonus(spi, user, credits, Some(&reference)))
    })?)
}

/// Takes back bought credits that were paid back, as many as are left of them, and returns how many; once for a
/// reference, which answers as it did then. What is spent is forgiven. A user without a subscription: 0.
///
/// Errors as [`add_bonus_credits_once`]. For service_role.
#[pg_extern(sql = false)]
fn revoke_bonus_credits(
    fcinfo: pg_sys::FunctionCallInfo,
    p_user_id: Option<SqlUuid>,
    p_credits: Option<i32>,
    p_reference: Option<TextArg<'_>>,
) -> Result<i32, ErrorReport> {
    const THIS: &str = "revoke_bonus_credits";
    Ok(access::as_owner_for_the_backend(fcinfo, THIS, || {
        let user = required_id(p_user_id, THIS, "p_user_id")?;
        let credits = required(p_credits, THIS, "p_credits")?;
        let reference = required(p_reference, THIS, "p_reference")?;
        transaction::refuse_if_read_only(c"revoke_bonus_credits()");
        spi::connected(|spi| ledger::revoke_bonus(spi, user, credits, &reference))
    })?)
}

/// Every charge, refund and event of a user's credits from `p_from` to before `p_to`, in the order of the ledger, with
/// the balance after it. `credits` is what it changed of what can be spent; it and `available` are NULL while the plan
/// is unlimited. A balance from before the first event is NULL.
///
/// Errors: 22004 NULL. For service_role.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)] // a result row of SQL
fn credit_statement(
    fcinfo: pg_sys::FunctionCallInfo,
    p_user_id: Option<SqlUuid>,
    p_from: Option<TimestampWithTimeZone>,
    p_to: Option<TimestampWithTimeZone>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(at, TimestampWithTimeZone),
            name!(entry, i64),
            name!(what, String),
            name!(operation, Option<String>),
            name!(reference, Option<String>),
            name!(credits, Option<i64>),
            name!(used, Option<i32>),
            name!(rollover, Option<i32>),
            name!(bonus, Option<i32>),
            name!(available, Option<i64>),
        ),
    >,
    ErrorReport,
> {
    const THIS: &str = "auria.credit_statement";
    let lines = access::as_owner_for_the_backend(fcinfo, THIS, || {
        let user = required_id(p_user_id, THIS, "p_user_id")?;
        let from = required(p_from, THIS, "p_from")?;
        let to = required(p_to, THIS, "p_to")?;
        spi::connected(|spi| ledger::statement_of(spi, user, from, to))
    })?;
    Ok(TableIterator::new(lines.into_iter().map(|line| {
        let ledger::Line { at, entry, what, operation, reference, credits, used, rollover, bonus, available } = line;
        (at, entry, what, operation, reference, credits, used, rollover, bonus, available)
    })))
}

/// Settles the months that are over, and returns in how many subscriptions one began. For service_role.
#[pg_extern(sql = false)]
fn reset_monthly_usage_with_rollover(fcinfo: pg_sys::FunctionCallInfo) -> Result<i32, ErrorReport> {
    Ok(access::as_owner_for_the_backend(fcinfo, "reset_monthly_usage_with_rollover", || {
        transaction::refuse_if_read_only(c"reset_monthly_usage_with_rollover()");
        spi::connected(ledger::reset_with_rollover)
    })?)
}
