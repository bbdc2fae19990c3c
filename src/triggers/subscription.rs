//! The trigger functions of `subscriptions`.

use auria_credits::status_is_known;
use pgrx::{pg_extern, pg_sys};

use crate::error;
use crate::ledger;
use crate::pg::trigger::{self, TriggeredRow};

/// Before an INSERT or UPDATE: settles the months that are over, and the credits when the plan changes. No SECURITY
/// DEFINER: it runs at every charge, and takes the rights of the table's owner
/// only where there is something to settle.
#[pg_extern(sql = false)]
fn settle_plan_change(fcinfo: pg_sys::FunctionCallInfo) -> TriggeredRow {
    trigger::fire(fcinfo, "settle_plan_change", ledger::settle_row)
}

/// After an INSERT, UPDATE or DELETE: records what it did to the credits, in `credit_events`, and a change of the plan
/// in the ledger, too. Rights as above.
#[pg_extern(sql = false)]
fn record_plan_change(fcinfo: pg_sys::FunctionCallInfo) -> TriggeredRow {
    trigger::fire(fcinfo, "record_plan_change", ledger::record_row)
}

/// Before an INSERT, or an UPDATE that sets the status: refuses one that
/// neither the specification nor Stripe knows (23514). A trigger, because a
/// CHECK would be evaluated at every charge.
#[pg_extern(sql = false)]
fn check_subscription_status(fcinfo: pg_sys::FunctionCallInfo) -> TriggeredRow {
    trigger::fire(fcinfo, "check_subscription_status", |row| {
        let Some(column) = row.column(c"status") else {
            return Ok(());
        };
        // A row from before the rule may keep what it has.
        if !row.changes(column) {
            return Ok(());
        }
        match row.new_value::<String>(column)? {
            Some(status) if !status_is_known(&status) => Err(error::unknown_status()),
            _ => Ok(()),
        }
    })
}
