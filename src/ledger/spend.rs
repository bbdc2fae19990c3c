//! Spending: `use_credits`, and its twin that only answers. The functions declare no
//! search path: it is set here, where SQL has to do it.

use uuid::Uuid;

use super::account::Account;
use super::books::{Books, FreeUses};
use super::decide::{self, check_operation};
use super::free::FreeTier;
use super::months;
use super::prices::{self, Prices};
use super::refusal::count_refusal;
use super::rows;
use super::sql::BySql;
use crate::error::Result;
use crate::pg::direct::or_by_sql;
use crate::pg::spi::{self, Snapshot};
use crate::pg::{extension, transaction};

/// Charges the operation, once for a reference; false when it cannot be. A refusal is
/// counted.
pub fn spend(user: Uuid, operation: &str, reference: Option<Uuid>) -> Result<bool> {
    check_operation(operation)?;
    // A free use with the reference may be under way that began before there was a subscription.
    let free_uses = if reference.is_some() { FreeUses::Locked } else { FreeUses::LockedWithoutPool };
    let by_rows = rows::with_account(user, free_uses, |books| charge(books, operation, reference));
    if let Ok(true) = by_rows {
        return Ok(true);
    }
    extension::with_fixed_path(|| {
        spi::connected(|spi| {
            let is_charged =
                or_by_sql(by_rows, || BySql::with(spi, user, free_uses, |books| charge(books, operation, reference)))?;
            if !is_charged {
                count_refusal(spi, operation)?;
            }
            Ok(is_charged)
        })
    })
}

fn charge<B: Books>(books: &B, operation: &str, reference: Option<Uuid>) -> Result<bool, B::Stop> {
    if let Some(reference) = reference
        && books.is_charged(operation, reference)?
    {
        return Ok(true);
    }
    let Some(account) = books.account().filter(|account| account.counts) else {
        return books.charge_free(operation, reference);
    };
    let prices = books.prices(account.plan.as_deref(), operation)?;
    let Some(charge) = decide::charge(account, &prices, operation, reference)? else {
        return Ok(false);
    };
    books.charge(&charge)?;
    Ok(true)
}

/// What [`spend`] would answer now, without changing or locking anything. An
/// unknown id is answered as a user without a subscription: whether there is
/// such a user is for the foreign key to say, when something is written.
pub fn can_spend(user: Uuid, operation: &str) -> Result<bool> {
    const SNAPSHOT: Snapshot = Snapshot::Caller;
    check_operation(operation)?;
    let affords = |account: &Account, prices: Prices| account.counters.pool(prices.monthly).affords(prices.cost);
    let account = rows::read_account(user);
    if let Ok(Some(account)) = &account
        && account.counts
        && !account.is_due(transaction::clock())
        && let Ok(prices) = Prices::cached(SNAPSHOT, account.plan.as_deref(), operation)
    {
        return Ok(affords(account, prices));
    }
    extension::with_fixed_path(|| {
        spi::connected(|spi| match or_by_sql(account, || Account::read(spi, user))? {
            Some(account) if account.counts => {
                let cost = Prices::find(spi, SNAPSHOT, account.plan.as_deref(), operation)?.cost;
                Ok(months::pool_now(spi, SNAPSHOT, &account)?.affords(cost))
            }
            _ => FreeTier::of(spi, user).allows(SNAPSHOT, operation),
        })
    })
}

/// The configured cost of an operation, in credits.
pub fn cost_of(operation: &str) -> Result<i32> {
    or_by_sql(prices::cached_cost(Snapshot::Caller, operation), || {
        extension::with_fixed_path(|| spi::connected(|spi| prices::look_up_cost(spi, Snapshot::Caller, operation)))
    })
}
