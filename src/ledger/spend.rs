//! Spending: `use_credits`, and its twin that only answers.

use auria_credits::{CountedOperation, free_tier, is_reserved};
use uuid::Uuid;

use super::account::{self, Account, prices};
use super::entry;
use crate::error::{self, Result};
use crate::pg::spi::{Snapshot, Spi};
use crate::{args, statement};

macro_rules! count_and {
    ($condition:literal) => {
        concat!(
            "UPDATE public.subscriptions \
                SET credits_used_this_month = credits_used_this_month + $2, \
                    cases_used_this_month = cases_used_this_month + $3, \
                    dsd_used_this_month = dsd_used_this_month + $4, \
                    updated_at = now() \
              WHERE id = $1",
            $condition,
            " RETURNING id, user_id"
        )
    };
}

statement! {
    /// The counters and the ledger in one statement: both or neither.
    CHARGE = concat!(
        "WITH charged AS (", count_and!(""), ") \
        INSERT INTO public.credit_usage \
               (user_id, subscription_id, operation, credits_used, from_rollover, from_bonus, created_at) \
        SELECT user_id, id, $5, $2, $6, $7, clock_timestamp() FROM charged"
    );

    /// The ledger first: a reference that was charged meanwhile, as a free use
    /// that was not committed yet, conflicts, and then nothing is counted.
    CHARGE_ONCE = concat!(
        "WITH recorded AS ( \
            INSERT INTO public.credit_usage \
                   (user_id, subscription_id, operation, credits_used, from_rollover, from_bonus, \
                    created_at, reference_id) \
            VALUES ($8, $1, $5, $2, $6, $7, clock_timestamp(), $9) \
                ON CONFLICT DO NOTHING RETURNING id), \
        charged AS (", count_and!(" AND EXISTS (SELECT FROM recorded)"), ") \
        SELECT (SELECT count(*) FROM recorded), (SELECT count(*) FROM charged)"
    );
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
        && entry::is_charged(spi, user, operation, reference)?
    {
        return Ok(true);
    }
    match counting {
        Some(account) => spend_from_pool(spi, user, account, operation, reference),
        None => spend_free(
            spi,
            user,
            account.map(|account| account.id),
            operation,
            reference,
        ),
    }
}

/// What [`spend`] would answer now, without changing or locking anything. An
/// unknown id is answered as a user without a subscription: whether there is
/// such a user is for the foreign key to say, when something is written.
pub fn can_spend(spi: &Spi, user: Uuid, operation: &str) -> Result<bool> {
    check_operation(operation)?;
    let snapshot = Snapshot::Caller;
    match Account::read(spi, user)?.filter(|account| account.counts) {
        Some(account) => {
            let prices = prices(spi, snapshot, account.plan.as_deref(), operation)?;
            Ok(account.pool(prices.monthly).affords(prices.cost))
        }
        None => Ok(free_tier::allows(
            operation,
            entry::free_activity(spi, snapshot, user, operation)?,
        )),
    }
}

/// The configured cost of an operation, in credits.
pub fn cost_of(spi: &Spi, operation: &str) -> Result<i32> {
    account::cost_of(spi, Snapshot::Caller, operation)
}

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

fn spend_from_pool(
    spi: &Spi,
    user: Uuid,
    account: &Account,
    operation: &str,
    reference: Option<Uuid>,
) -> Result<bool> {
    let prices = prices(spi, Snapshot::New, account.plan.as_deref(), operation)?;
    let Some(charged) = account
        .pool(prices.monthly)
        .charge(prices.cost)
        .map_err(|_| error::credits_out_of_range())?
    else {
        return Ok(false);
    };
    let counted = CountedOperation::from_name(operation);
    if counted.is_some_and(|counted| account.operations(counted) == i32::MAX) {
        return Err(error::credits_out_of_range());
    }
    let one_if = |kind| i32::from(counted == Some(kind));
    let args = args![
        account.id,
        prices.cost,
        one_if(CountedOperation::CaseAnalysis),
        one_if(CountedOperation::DsdSimulation),
        operation,
        charged.rollover,
        charged.bonus,
        user,
        reference,
    ];
    if reference.is_none() {
        let rows = spi.query(&CHARGE, Snapshot::New, &args[..7])?;
        return if rows.is_empty() {
            Err(error::kept_by_a_trigger())
        } else {
            Ok(true)
        };
    }
    let rows = spi.query(&CHARGE_ONCE, Snapshot::New, args)?;
    let (recorded, charged): (i64, i64) = match rows.first() {
        Some(row) => (row.expect(1)?, row.expect(2)?),
        None => (0, 0),
    };
    if recorded == charged {
        Ok(true)
    } else {
        Err(error::kept_by_a_trigger())
    }
}

/// Written or not, a free use with a reference is charged then.
fn spend_free(
    spi: &Spi,
    user: Uuid,
    inactive_subscription: Option<Uuid>,
    operation: &str,
    reference: Option<Uuid>,
) -> Result<bool> {
    let activity = entry::free_activity(spi, Snapshot::Latest, user, operation)?;
    if !free_tier::allows(operation, activity) {
        return Ok(false);
    }
    let cost = prices(spi, Snapshot::New, None, operation)?.cost;
    super::naming_unknown_user(|| {
        entry::record_free(spi, user, inactive_subscription, operation, cost, reference).map(drop)
    })?;
    Ok(true)
}
