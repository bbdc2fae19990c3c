//! The books by SQL, whatever the tables are like.

use uuid::Uuid;

use super::account::Account;
use super::books::Books;
use super::decide::{Entry, Posting};
use super::free::{self, FreeTier};
use super::prices::Prices;
use super::uses::{self, Use};
use crate::error::{self, Error, Result};
use crate::pg::spi::{Snapshot, Spi};
use crate::{args, statement};

statement! {
    /// The counters and the ledger in one statement: both or neither.
    CHARGE = include_str!("charge.sql");

    /// The ledger first: a reference that was charged meanwhile, as a free use
    /// that was not committed yet, conflicts, and then nothing is counted.
    CHARGE_ONCE = include_str!("charge_once.sql");

    /// The use, the counters and the ledger in one statement: all or none.
    REFUND = include_str!("refund.sql");

    REFUND_FREE = include_str!("refund_free.sql");
}

/// A user's subscription and the ledger.
pub struct BySql<'spi> {
    spi: &'spi Spi,
    user: Uuid,
    account: Option<Account>,
}

impl<'spi> BySql<'spi> {
    /// Locks the subscription, if there is one.
    pub fn lock(spi: &'spi Spi, user: Uuid) -> Result<Self> {
        Ok(Self { spi, user, account: Account::lock(spi, user)? })
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

    fn lock_free_tier(&self) -> Result<FreeTier<'_>> {
        free::lock(self.user);
        Ok(FreeTier::of(self.spi, self.user))
    }

    fn prices(&self, plan: Option<&str>, operation: &str) -> Result<Prices> {
        Prices::find(self.spi, Snapshot::New, plan, operation)
    }

    fn is_charged(&self, operation: &str, reference: Uuid) -> Result<bool> {
        uses::is_charged(self.spi, self.user, operation, reference)
    }

    fn charge(&self, Posting { subscription, counters, entry }: &Posting<'_>) -> Result<()> {
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
        let is_written = match entry.reference {
            None => !self.spi.query(&CHARGE, Snapshot::New, &args[..8])?.is_empty(),
            Some(_) => {
                let rows = self.spi.query(&CHARGE_ONCE, Snapshot::New, args)?;
                let row = rows.first().ok_or_else(error::kept_by_a_trigger)?;
                row.expect::<i64>(1)? == row.expect::<i64>(2)?
            }
        };
        written(is_written)
    }

    fn find_use(&self, operation: &str, reference: Option<Uuid>) -> Result<Option<(Use, ())>> {
        Ok(uses::find(self.spi, self.user, operation, reference)?.map(|given| (given, ())))
    }

    fn refund(&self, given: &Use, (): (), Posting { subscription, counters, entry }: &Posting<'_>) -> Result<()> {
        let args = args![
            *subscription,
            given.id,
            counters.used,
            counters.rollover,
            counters.bonus,
            counters.hidden,
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
        written(!self.spi.query(&REFUND, Snapshot::New, args)?.is_empty())
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
