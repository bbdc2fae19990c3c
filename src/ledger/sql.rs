//! The books by SQL, whatever the tables are like.

use pgrx::datum::TimestampWithTimeZone;
use uuid::Uuid;

use super::account::Account;
use super::announced::Announced;
use super::books::{Books, FreeUses};
use super::decide::{Entry, Posting};
use super::free::{self, FreeTier};
use super::prices::Prices;
use super::tables::schema_has_months;
use super::uses::{self, Use};
use crate::error::{self, Error, Result};
use crate::pg::spi::{Snapshot, Spi};
use crate::pg::transaction;
use crate::{args, statement};

statement! {
    /// The counters and the ledger in one statement: both or neither.
    CHARGE = include_str!("charge.sql");

    /// The ledger first: a reference that was charged meanwhile, as a free use
    /// that was not committed yet, conflicts, and then nothing is counted.
    CHARGE_ONCE = include_str!("charge_once.sql");

    /// The use, the counters and the ledger in one statement: all or none.
    REFUND = include_str!("refund.sql");

    /// The same in a schema of 0.3.
    REFUND_0_3 = include_str!("refund_0_3.sql");

    REFUND_FREE = include_str!("refund_free.sql");
}

/// A user's subscription and the ledger.
pub struct BySql<'spi> {
    spi: &'spi Spi,
    user: Uuid,
    account: Option<Account>,
    /// A month that ended later is not looked at.
    locked_at: TimestampWithTimeZone,
}

impl<'spi> BySql<'spi> {
    /// Tells the triggers of the subscription what the ledger explains.
    fn announced(&self, posting: &Posting<'_>) -> Announced {
        Announced {
            subscription: posting.subscription,
            before: posting.before,
            after: posting.counters,
            at: self.locked_at,
        }
    }

    /// Locks the subscription, if there is one.
    pub fn lock(spi: &'spi Spi, user: Uuid, free_uses: FreeUses) -> Result<Self> {
        let counting = match free_uses {
            FreeUses::Locked => None,
            FreeUses::LockedWithoutPool => Account::lock_counting(spi, user)?,
        };
        let account = match counting {
            Some(account) => Some(account),
            None => {
                free::lock(user);
                Account::lock(spi, user)?
            }
        };
        Ok(Self { spi, user, account, locked_at: transaction::clock() })
    }
}

impl Books for BySql<'_> {
    type Stop = Error;
    type Place = ();

    fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    fn account_to_credit(&mut self) -> Result<&Account> {
        let account = match self.account.take() {
            Some(account) => account,
            None => Account::lock_or_subscribe(self.spi, self.user)?,
        };
        Ok(self.account.insert(account))
    }

    fn charge_free(&self, operation: &str, reference: Option<Uuid>) -> Result<bool> {
        let subscription = self.account.as_ref().map(|account| account.id);
        FreeTier::of(self.spi, self.user).charge(subscription, operation, reference)
    }

    fn prices(&self, plan: Option<&str>, operation: &str) -> Result<Prices> {
        Prices::find(self.spi, Snapshot::New, plan, operation)
    }

    fn is_charged(&self, operation: &str, reference: Uuid) -> Result<bool> {
        uses::is_charged(self.spi, self.user, operation, reference)
    }

    fn charge(&self, posting: &Posting<'_>) -> Result<()> {
        let Posting { subscription, counters, entry, .. } = posting;
        let args = args![
            *subscription,
            counters.used,
            counters.cases,
            counters.simulations,
            &*entry.operation,
            entry.credits,
            entry.from_rollover,
            entry.from_bonus,
            self.user,
            entry.reference,
        ];
        let is_written = self.announced(posting).during(|| match entry.reference {
            None => Ok(!self.spi.query(&CHARGE, Snapshot::New, &args[..8])?.is_empty()),
            Some(_) => {
                let rows = self.spi.query(&CHARGE_ONCE, Snapshot::New, args)?;
                let row = rows.first().ok_or_else(error::kept_by_a_trigger)?;
                Ok(row.expect::<i64>(1)? == row.expect::<i64>(2)?)
            }
        })?;
        written(is_written)
    }

    fn find_use(&self, operation: &str, reference: Option<Uuid>) -> Result<Option<(Use, ())>> {
        Ok(uses::find(self.spi, self.user, operation, reference)?.map(|given| (given, ())))
    }

    fn refund(&self, given: &Use, (): (), posting: &Posting<'_>) -> Result<()> {
        let Posting { subscription, counters, entry, .. } = posting;
        let args = args![
            *subscription,
            given.id,
            counters.used,
            counters.rollover,
            counters.bonus,
            counters.hidden,
            counters.settled_rollover,
            counters.settled_bonus,
            counters.cases,
            counters.simulations,
            &*entry.operation,
            entry.credits,
            entry.from_rollover,
            entry.from_bonus,
            entry.from_hidden,
            entry.reference,
        ];
        // The subscription is locked, so nobody else refunded the use meanwhile.
        let statement = if schema_has_months() { &REFUND } else { &REFUND_0_3 };
        let refunded = self.announced(posting).during(|| self.spi.query(statement, Snapshot::New, args))?;
        written(!refunded.is_empty())
    }

    fn refund_free(&self, given: &Use, refund: &Entry<'_>) -> Result<bool> {
        let args = args![given.id, &*refund.operation, refund.credits, refund.reference];
        Ok(!self.spi.query(&REFUND_FREE, Snapshot::New, args)?.is_empty())
    }
}

/// Counters and ledger are written by one statement: nothing is where a trigger suppressed one of them.
fn written(is_written: bool) -> Result<()> {
    if is_written { Ok(()) } else { Err(error::kept_by_a_trigger()) }
}
