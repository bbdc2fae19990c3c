//! Giving back: `refund_credits`.

use auria_credits::{Allowance, CountedOperation, Reversal};
use uuid::Uuid;

use super::account::Account;
use super::entry::{self, Use};
use super::rows::{self, Uses};
use super::spend::check_operation;
use crate::error::{self, Result};
use crate::pg::spi::{self, Snapshot, Spi};
use crate::pg::{extension, transaction};
use crate::{args, statement};

statement! {
    /// The use, the counters and the ledger in one statement: all or none.
    GIVE_BACK = "WITH refunded AS ( \
            UPDATE public.credit_usage \
               SET counterpart = pg_catalog.nextval('public.credit_usage_entry_seq') \
             WHERE id = $2 AND counterpart = 0 \
            RETURNING entry, counterpart, credits_used, reference_id), \
        given_back AS ( \
            UPDATE public.subscriptions \
               SET credits_used_this_month = credits_used_this_month - $3, \
                   credits_rollover = credits_rollover - $4, \
                   credits_bonus = credits_bonus - $5, \
                   credits_used_hidden = credits_used_hidden + $6, \
                   cases_used_this_month = greatest(cases_used_this_month - $7, 0), \
                   dsd_used_this_month = greatest(dsd_used_this_month - $8, 0), \
                   updated_at = now() \
             WHERE id = $1 \
            RETURNING id, user_id) \
        INSERT INTO public.credit_usage \
               (entry, user_id, subscription_id, operation, credits_used, reference_id, created_at, \
                from_rollover, from_bonus, from_hidden, counterpart) \
        SELECT r.counterpart, g.user_id, g.id, $9, -r.credits_used, r.reference_id, clock_timestamp(), \
               $4, $5, $6, r.entry \
          FROM refunded r, given_back g";
}

/// Gives back the latest use not refunded, or the one with this reference;
/// false when there is none.
pub fn refund(user: Uuid, operation: &str, reference: Option<Uuid>) -> Result<bool> {
    check_operation(operation)?;
    match refund_by_rows(user, operation, reference)? {
        Some(answer) => Ok(answer),
        // The functions declare no search path.
        None => extension::with_fixed_path(|| spi::connected(|spi| refund_by_sql(spi, user, operation, reference))),
    }
}

fn refund_by_sql(spi: &Spi, user: Uuid, operation: &str, reference: Option<Uuid>) -> Result<bool> {
    let mut account = Account::lock(spi, user)?;
    loop {
        let given = match reference {
            None => entry::latest_open_use(spi, user, operation)?,
            Some(reference) => entry::use_by_reference(spi, user, operation, reference)?,
        };
        let Some(given) = given else { return Ok(false) };
        if !given.is_open {
            return Ok(true);
        }
        if !given.is_free {
            // The subscription that paid may be gone: then the credits are the
            // bonus of the one there is, as if they had been bought.
            let account = match account.take() {
                Some(account) => account,
                None => Account::lock_or_subscribe(spi, user)?,
            };
            give_back_to_pool(spi, &account, operation, &given)?;
            return Ok(true);
        }
        if entry::refund_free(spi, &given, operation)? {
            return Ok(true);
        }
        // Somebody else refunded it while this waited for its row: look again,
        // unless this transaction cannot see what others do.
        if transaction::keeps_its_snapshot() {
            return Err(error::not_serialisable());
        }
    }
}

/// What a refund gives back, and to where.
pub struct GivenBack {
    pub reversal: Reversal,
    /// What it takes off the counted cases and simulations.
    pub cases: i32,
    pub simulations: i32,
}

impl GivenBack {
    fn of(account: &Account, operation: &str, given: &Use) -> Result<Self> {
        // What the plan grants does not matter to a refund.
        let mut pool = account.pool(Allowance::Unlimited);
        let reversal = pool.refund(given.charged, account.charged(given)).map_err(|_| error::credits_out_of_range())?;
        let counted = CountedOperation::from_name(operation).filter(|_| given.subscription == Some(account.id));
        let one_if = |kind| i32::from(counted == Some(kind));
        Ok(Self {
            reversal,
            cases: one_if(CountedOperation::CaseAnalysis),
            simulations: one_if(CountedOperation::DsdSimulation),
        })
    }
}

/// The same as the statements here do for a use that a pool paid for; `None` where
/// they have to.
fn refund_by_rows(user: Uuid, operation: &str, reference: Option<Uuid>) -> Result<Option<bool>> {
    let uses = match reference {
        None => Uses::OfOperation,
        Some(_) => Uses::WithReference,
    };
    rows::with_account(user, uses, |rows| {
        let found = match reference {
            None => rows.latest_open_use(operation)?,
            Some(reference) => rows.use_by_reference(operation, reference)?,
        };
        let Some(mut found) = found.filter(|found| reference.is_some() || found.given.is_recent) else {
            return Ok(Some(false));
        };
        if !found.given.is_open {
            return Ok(Some(true));
        }
        if found.given.is_free {
            return Ok(None);
        }
        let back = GivenBack::of(&rows.account, operation, &found.given)?;
        let is_written = rows.give_back(&mut found, operation, &back)?;
        Ok(is_written.then_some(true))
    })
}

fn give_back_to_pool(spi: &Spi, account: &Account, operation: &str, given: &Use) -> Result<()> {
    let back = GivenBack::of(account, operation, given)?;
    let [to_rollover, to_bonus, off_hidden] = entry::refunded_to(&back.reversal);
    let rows = spi.query(
        &GIVE_BACK,
        Snapshot::New,
        args![
            account.id,
            given.id,
            back.reversal.off_used,
            to_rollover,
            to_bonus,
            off_hidden,
            back.cases,
            back.simulations,
            &entry::refund_of(operation),
        ],
    )?;
    // The subscription is locked, so nobody else refunded the use meanwhile.
    if rows.is_empty() {
        return Err(error::kept_by_a_trigger());
    }
    Ok(())
}
