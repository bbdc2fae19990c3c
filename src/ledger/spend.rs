//! Spending: `use_credits`, and its twin that only answers. The functions declare no
//! search path: it is set here, where SQL has to do it.

use auria_credits::{CountedOperation, Sources, free_tier, is_reserved};
use uuid::Uuid;

use super::account::{self, Account, Prices, prices};
use super::entry;
use super::refusal::count_refusal;
use super::rows::{self, Uses};
use crate::error::{self, Result};
use crate::pg::extension;
use crate::pg::spi::{self, Snapshot, Spi};
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

/// Charges the operation, once for a reference; false when it cannot be. A refusal is
/// counted.
pub fn spend(user: Uuid, operation: &str, reference: Option<Uuid>) -> Result<bool> {
    check_operation(operation)?;
    let by_rows = spend_by_rows(user, operation, reference)?;
    if by_rows == Some(true) {
        return Ok(true);
    }
    extension::with_fixed_path(|| {
        spi::connected(|spi| {
            let is_charged = match by_rows {
                Some(is_charged) => is_charged,
                None => spend_by_sql(spi, user, operation, reference)?,
            };
            if !is_charged {
                count_refusal(spi, operation)?;
            }
            Ok(is_charged)
        })
    })
}

fn spend_by_sql(spi: &Spi, user: Uuid, operation: &str, reference: Option<Uuid>) -> Result<bool> {
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
        None => spend_free(spi, user, account.map(|account| account.id), operation, reference),
    }
}

/// What [`spend`] would answer now, without changing or locking anything. An
/// unknown id is answered as a user without a subscription: whether there is
/// such a user is for the foreign key to say, when something is written.
pub fn can_spend(user: Uuid, operation: &str) -> Result<bool> {
    const SNAPSHOT: Snapshot = Snapshot::Caller;
    check_operation(operation)?;
    let affords = |account: &Account, prices: Prices| account.pool(prices.monthly).affords(prices.cost);
    let account = rows::read_account(user)?;
    if let Some(Some(account)) = &account
        && account.counts
        && let Some(prices) = account::kept_prices(SNAPSHOT, account.plan.as_deref(), operation)
    {
        return Ok(affords(account, prices));
    }
    extension::with_fixed_path(|| {
        spi::connected(|spi| {
            let account = match account {
                Some(account) => account,
                None => Account::read(spi, user)?,
            };
            match account.filter(|account| account.counts) {
                Some(account) => {
                    let prices = prices(spi, SNAPSHOT, account.plan.as_deref(), operation)?;
                    Ok(affords(&account, prices))
                }
                None => Ok(free_tier::allows(operation, entry::free_activity(spi, SNAPSHOT, user, operation)?)),
            }
        })
    })
}

/// The configured cost of an operation, in credits.
pub fn cost_of(operation: &str) -> Result<i32> {
    match account::kept_cost(Snapshot::Caller, operation) {
        Some(cost) => Ok(cost),
        None => extension::with_fixed_path(|| spi::connected(|spi| account::cost_of(spi, Snapshot::Caller, operation))),
    }
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

/// What a charge takes, and from where.
pub struct Charge {
    pub cost: i32,
    pub from: Sources,
    /// What it adds to the counted cases and simulations.
    pub cases: i32,
    pub simulations: i32,
}

impl Charge {
    /// `None` if the pool does not afford it.
    fn of(account: &Account, prices: &Prices, operation: &str) -> Result<Option<Self>> {
        let Some(from) = account.pool(prices.monthly).charge(prices.cost).map_err(|_| error::credits_out_of_range())?
        else {
            return Ok(None);
        };
        let counted = CountedOperation::from_name(operation);
        if counted.is_some_and(|counted| account.operations(counted) == i32::MAX) {
            return Err(error::credits_out_of_range());
        }
        let one_if = |kind| i32::from(counted == Some(kind));
        Ok(Some(Self {
            cost: prices.cost,
            from,
            cases: one_if(CountedOperation::CaseAnalysis),
            simulations: one_if(CountedOperation::DsdSimulation),
        }))
    }
}

/// The same as the statements here do for a subscription that counts; `None` where
/// they have to.
fn spend_by_rows(user: Uuid, operation: &str, reference: Option<Uuid>) -> Result<Option<bool>> {
    let uses = match reference {
        None => Uses::None,
        Some(_) => Uses::WithReference,
    };
    rows::with_account(user, uses, |rows| {
        let account = &rows.account;
        if !account.counts {
            return Ok(None);
        }
        if let Some(reference) = reference
            && rows.is_charged(operation, reference)?
        {
            return Ok(Some(true));
        }
        let plan = account.plan.as_deref();
        let Some(prices) = account::kept_prices(Snapshot::New, plan, operation) else {
            return Ok(None);
        };
        let Some(charge) = Charge::of(account, &prices, operation)? else {
            return Ok(Some(false));
        };
        let is_written = rows.charge(operation, reference, &charge)?;
        Ok(is_written.then_some(true))
    })
}

fn spend_from_pool(spi: &Spi, user: Uuid, account: &Account, operation: &str, reference: Option<Uuid>) -> Result<bool> {
    let prices = prices(spi, Snapshot::New, account.plan.as_deref(), operation)?;
    let Some(charge) = Charge::of(account, &prices, operation)? else {
        return Ok(false);
    };
    let args = args![
        account.id,
        charge.cost,
        charge.cases,
        charge.simulations,
        operation,
        charge.from.rollover,
        charge.from.bonus,
        user,
        reference,
    ];
    if reference.is_none() {
        let rows = spi.query(&CHARGE, Snapshot::New, &args[..7])?;
        return if rows.is_empty() { Err(error::kept_by_a_trigger()) } else { Ok(true) };
    }
    let rows = spi.query(&CHARGE_ONCE, Snapshot::New, args)?;
    let (recorded, charged): (i64, i64) = match rows.first() {
        Some(row) => (row.expect(1)?, row.expect(2)?),
        None => (0, 0),
    };
    if recorded == charged { Ok(true) } else { Err(error::kept_by_a_trigger()) }
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
    super::naming_unknown_user(c"credit_usage", || {
        entry::record_free(spi, user, inactive_subscription, operation, cost, reference).map(drop)
    })?;
    Ok(true)
}
