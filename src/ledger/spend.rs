//! Spending: `use_credits`, and its twin that only answers. The functions declare no
//! search path: it is set here, where SQL has to do it.

use uuid::Uuid;

use super::account::Account;
use super::books::Books;
use super::decide::{self, check_operation};
use super::free::FreeTier;
use super::prices::{self, Prices};
use super::refusal::count_refusal;
use super::rows;
use super::sql::BySql;
use crate::error::Result;
use crate::pg::direct::or_by_sql;
use crate::pg::extension;
use crate::pg::spi::{self, Snapshot};

/// Charges the operation, once for a reference; false when it cannot be. A refusal is
/// counted.
pub fn spend(user: Uuid, operation: &str, reference: Option<Uuid>) -> Result<bool> {
    check_operation(operation)?;
    let by_rows = rows::with_account(user, |books| charge(books, operation, reference));
    if let Ok(true) = by_rows {
        return Ok(true);
    }
    extension::with_fixed_path(|| {
        spi::connected(|spi| {
            let is_charged =
                or_by_sql(by_rows, || BySql::with(spi, user, |books| charge(books, operation, reference)))?;
            if !is_charged {
                count_refusal(spi, operation)?;
            }
            Ok(is_charged)
        })
    })
}

fn charge<B: Books>(books: &B, operation: &str, reference: Option<Uuid>) -> Result<bool, B::Stop> {
    let is_charged = || reference.map_or(Ok(false), |reference| books.is_charged(operation, reference));
    let account = books.account();
    let Some(account) = account.filter(|account| account.counts) else {
        let free_tier = books.lock_free_tier()?;
        return Ok(is_charged()? || free_tier.charge(account.map(|account| account.id), operation, reference)?);
    };
    if is_charged()? {
        return Ok(true);
    }
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
        && let Ok(prices) = Prices::cached(SNAPSHOT, account.plan.as_deref(), operation)
    {
        return Ok(affords(account, prices));
    }
    extension::with_fixed_path(|| {
        spi::connected(|spi| match or_by_sql(account, || Account::read(spi, user))? {
            Some(account) if account.counts => {
                let prices = Prices::find(spi, SNAPSHOT, account.plan.as_deref(), operation)?;
                Ok(affords(&account, prices))
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
