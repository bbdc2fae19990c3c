//! What a charge and a refund change, as plain values. `rows` and `sql` write them.

use std::borrow::Cow;

use auria_credits::{Allowance, CountedOperation, OutOfRange, REFUND_SUFFIX, Reversal, is_reserved};
use uuid::Uuid;

use super::account::Account;
use super::counters::Counters;
use super::prices::Prices;
use super::uses::Use;
use crate::error::{self, Result};

/// The longest name of an operation, in bytes: it is a key of two indexes.
const LONGEST_OPERATION: usize = 200;

/// Refuses names that the ledger could not keep apart or not store.
pub fn check_operation(operation: &str) -> Result<()> {
    if operation.len() > LONGEST_OPERATION {
        return Err(error::operation_too_long());
    }
    if is_reserved(operation) {
        return Err(error::operation_is_reserved());
    }
    Ok(())
}

/// A new row of the ledger, except for its user, its time and its number.
pub struct Entry<'a> {
    pub operation: Cow<'a, str>,
    pub credits: i32,
    pub from_rollover: i32,
    pub from_bonus: i32,
    pub from_hidden: i32,
    pub reference: Option<Uuid>,
}

/// What a charge or a refund writes: the counters as they are after it, and the
/// ledger's new row.
pub struct Posting<'a> {
    pub subscription: Uuid,
    /// The counters before it.
    pub before: Counters,
    pub counters: Counters,
    pub entry: Entry<'a>,
}

/// A charge to the account's pool; `None` if that does not afford it.
pub fn charge<'a>(
    account: &Account,
    prices: &Prices,
    operation: &'a str,
    reference: Option<Uuid>,
) -> Result<Option<Posting<'a>>> {
    let mut pool = account.counters.pool(prices.monthly);
    let Some(from) = pool.charge(prices.cost).map_err(out_of_range)? else {
        return Ok(None);
    };
    let mut counters = account.counters.with(pool);
    if let Some(counted) = CountedOperation::from_name(operation) {
        let operations = counters.operations(counted);
        *operations = operations.checked_add(1).ok_or_else(error::credits_out_of_range)?;
    }
    let entry = Entry {
        operation: operation.into(),
        credits: prices.cost,
        from_rollover: from.rollover,
        from_bonus: from.bonus,
        from_hidden: 0,
        reference,
    };
    Ok(Some(Posting { subscription: account.id, before: account.counters, counters, entry }))
}

/// A refund of a use that a pool paid for, to the account.
pub fn refund(account: &Account, operation: &str, given: &Use) -> Result<Posting<'static>> {
    // What the plan grants does not matter to a refund.
    let mut pool = account.counters.pool(Allowance::Unlimited);
    let reversal = pool.refund(given.charged, account.when_charged(given)).map_err(out_of_range)?;
    let mut counters = account.counters.with(pool);
    if let Some(counted) = CountedOperation::from_name(operation)
        && given.subscription == Some(account.id)
    {
        let operations = counters.operations(counted);
        *operations = operations.saturating_sub(1);
    }
    // Rows older than the rules may have values below zero.
    counters.cases = counters.cases.max(0);
    counters.simulations = counters.simulations.max(0);
    let entry = refund_entry(operation, given, reversal)?;
    Ok(Posting { subscription: account.id, before: account.counters, counters, entry })
}

/// The ledger's row for a refund of a use that no pool paid for.
pub fn free_refund(operation: &str, given: &Use) -> Result<Entry<'static>> {
    refund_entry(operation, given, Reversal::default())
}

/// As the use, but negative, because it goes back. What the parts leave of the amount
/// is off the counter.
fn refund_entry(operation: &str, given: &Use, reversal: Reversal) -> Result<Entry<'static>> {
    Ok(Entry {
        operation: format!("{operation}{REFUND_SUFFIX}").into(),
        credits: given.credits.checked_neg().ok_or_else(error::credits_out_of_range)?,
        from_rollover: -reversal.to_rollover,
        from_bonus: -reversal.to_bonus,
        from_hidden: -reversal.off_hidden,
        reference: given.reference,
    })
}

fn out_of_range(_: OutOfRange) -> error::Error {
    error::credits_out_of_range()
}
