//! Spending: `use_credits`, and its twin that only answers.

use auria_credits::{CountedOperation, DEFAULT_COST, REFUND_SUFFIX, free_tier};
use uuid::Uuid;

use super::account::{self, Account, prices};
use super::entry;
use crate::error::{self, Result};
use crate::pg::spi::{Arg, Sees, Spi};
use crate::statement;

statement! {
    /// The counters and the ledger in one statement: both or neither.
    CHARGE = "WITH charged AS ( \
            UPDATE public.subscriptions \
               SET credits_used_this_month = credits_used_this_month + $2, \
                   cases_used_this_month = cases_used_this_month + $3, \
                   dsd_used_this_month = dsd_used_this_month + $4, \
                   updated_at = now() \
             WHERE id = $1 \
            RETURNING id, user_id) \
        INSERT INTO public.credit_usage \
               (user_id, subscription_id, operation, credits_used, reference_id, created_at) \
        SELECT user_id, id, $5, $2, $6, clock_timestamp() FROM charged";

    COST = "SELECT credits FROM public.credit_costs WHERE operation = $1";
}

/// The longest name of an operation, in bytes: it is a key of two indexes.
const LONGEST_OPERATION: usize = 200;

/// Charges the operation, once for a reference; false when it cannot be.
pub fn spend(spi: &Spi, user: Uuid, operation: &str, reference: Option<Uuid>) -> Result<bool> {
    check_operation(operation)?;
    let account = Account::lock(spi, user)?;
    let counting = account.as_ref().filter(|account| account.counts);
    if counting.is_none() {
        account::lock_free_tier(user);
    }
    if let Some(reference) = reference
        && entry::has_reference(spi, user, operation, reference)?
    {
        return Ok(true);
    }
    match counting {
        Some(account) => spend_from_pool(spi, account, operation, reference),
        None => spend_free(
            spi,
            user,
            account.map(|account| account.id),
            operation,
            reference,
        ),
    }
}

/// What [`spend`] would answer now, without changing or locking anything.
pub fn can_spend(spi: &Spi, user: Uuid, operation: &str) -> Result<bool> {
    check_operation(operation)?;
    let sees = Sees::CallersSnapshot;
    match Account::read(spi, user)?.filter(|account| account.counts) {
        Some(account) => {
            let prices = prices(spi, sees, account.plan.as_deref(), operation)?;
            Ok(account.pool(prices.monthly).affords(prices.cost))
        }
        None => Ok(
            free_tier::allows(operation, entry::free_activity(spi, sees, user, operation)?)
                && account::is_user(spi, sees, user)?,
        ),
    }
}

/// The configured cost of an operation, in credits.
pub fn cost_of(spi: &Spi, operation: &str) -> Result<i32> {
    let rows = spi.query(&COST, Sees::CallersSnapshot, &[Arg::Text(Some(operation))])?;
    rows.first().map_or(Ok(DEFAULT_COST), |row| row.expect(1))
}

/// Refuses names that the ledger could not keep apart or not store.
pub fn check_operation(operation: &str) -> Result<()> {
    if operation.len() > LONGEST_OPERATION {
        return Err(error::operation_too_long());
    }
    if operation.ends_with(REFUND_SUFFIX) {
        return Err(error::operation_is_refund());
    }
    Ok(())
}

fn spend_from_pool(
    spi: &Spi,
    account: &Account,
    operation: &str,
    reference: Option<Uuid>,
) -> Result<bool> {
    let prices = prices(spi, Sees::OwnSnapshot, account.plan.as_deref(), operation)?;
    let mut pool = account.pool(prices.monthly);
    if !pool
        .charge(prices.cost)
        .map_err(|_| error::credits_out_of_range())?
    {
        return Ok(false);
    }
    let counted = CountedOperation::from_name(operation);
    if counted.is_some_and(|counted| account.operations(counted) == i32::MAX) {
        return Err(error::credits_out_of_range());
    }
    let one_if = |kind| Arg::Int(i32::from(counted == Some(kind)));
    spi.query(
        &CHARGE,
        Sees::OwnSnapshot,
        &[
            Arg::Uuid(Some(account.id)),
            Arg::Int(prices.cost),
            one_if(CountedOperation::CaseAnalysis),
            one_if(CountedOperation::DsdSimulation),
            Arg::Text(Some(operation)),
            Arg::Uuid(reference),
        ],
    )?;
    Ok(true)
}

fn spend_free(
    spi: &Spi,
    user: Uuid,
    inactive_subscription: Option<Uuid>,
    operation: &str,
    reference: Option<Uuid>,
) -> Result<bool> {
    if !account::is_user(spi, Sees::LatestCommitted, user)? {
        return Err(error::unknown_user());
    }
    let activity = entry::free_activity(spi, Sees::LatestCommitted, user, operation)?;
    if !free_tier::allows(operation, activity) {
        return Ok(false);
    }
    let cost = prices(spi, Sees::OwnSnapshot, None, operation)?.cost;
    entry::record_free(spi, user, inactive_subscription, operation, cost, reference)?;
    Ok(true)
}
