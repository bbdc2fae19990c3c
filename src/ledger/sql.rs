//! The books by SQL, whatever the ledger is like. The subscription is locked and written without SQL where its own table
//! allows that: so a trigger on the ledger alone, a ledger in partitions and REPEATABLE READ cost less.

use pgrx::datum::TimestampWithTimeZone;
use uuid::Uuid;

use super::account::Account;
use super::announced::Announced;
use super::books::{Books, FreeUses};
use super::decide::{Entry, Posting};
use super::free::{self, FreeTier};
use super::prices::Prices;
use super::rows::{self, Subscription};
use super::tables::schema_has_months;
use super::uses::{self, Use};
use crate::error::{self, Error, Result};
use crate::pg::direct::or_by_sql;
use crate::pg::spi::{Arg, Declared, Snapshot, Spi};
use crate::pg::transaction;
use crate::{args, statement};

statement! {
    /// The counters and the ledger in one statement: both or neither.
    CHARGE = include_str!("charge.sql");

    CHARGE_ENTRY = include_str!("charge_entry.sql");

    /// The use, the counters and the ledger in one statement: all or none.
    REFUND = include_str!("refund.sql");

    /// The same in a schema of 0.3.
    REFUND_0_3 = include_str!("refund_0_3.sql");

    /// The use and the ledger.
    REFUND_ENTRY = include_str!("refund_entry.sql");

    REFUND_FREE = include_str!("refund_free.sql");
}

/// A user's subscription and the ledger.
pub struct BySql<'a> {
    spi: &'a Spi,
    user: Uuid,
    account: Option<Account>,
    /// The subscription where its table is ordinary: then it is locked and written without SQL.
    row: Option<Subscription<'a>>,
    /// A month that ended later is not looked at.
    locked_at: TimestampWithTimeZone,
}

impl BySql<'_> {
    /// Runs `work` with the subscription locked, if there is one. It is run once.
    pub fn with<T>(
        spi: &Spi,
        user: Uuid,
        free_uses: FreeUses,
        work: impl Fn(&mut BySql<'_>) -> Result<T>,
    ) -> Result<T> {
        let by_row = rows::with_subscription(user, free_uses, |account, row| {
            let locked_at = transaction::clock();
            Ok(work(&mut BySql { spi, user, account: Some(account), row: Some(row), locked_at })?)
        });
        or_by_sql(by_row, || {
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
            work(&mut BySql { spi, user, account, row: None, locked_at: transaction::clock() })
        })
    }

    /// What the triggers of subscriptions must not record as an adjustment: the ledger has an entry for it.
    fn announced(&self, posting: &Posting<'_>) -> Announced {
        Announced {
            subscription: posting.subscription,
            before: posting.before,
            after: posting.counters,
            at: self.locked_at,
        }
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
            self.user,
            *subscription,
            &*entry.operation,
            entry.credits,
            entry.from_rollover,
            entry.from_bonus,
            entry.reference,
            counters.used,
            counters.cases,
            counters.simulations,
        ];
        match self.row {
            Some(row) => {
                row.write_counters(counters);
                self.write(&CHARGE_ENTRY, &args[..7])
            }
            None => self.announced(posting).during(|| self.write(&CHARGE, args)),
        }
    }

    fn find_use(&self, operation: &str, reference: Option<Uuid>) -> Result<Option<(Use, ())>> {
        Ok(uses::find(self.spi, self.user, operation, reference)?.map(|given| (given, ())))
    }

    fn refund(&self, given: &Use, (): (), posting: &Posting<'_>) -> Result<()> {
        let Posting { subscription, counters, entry, .. } = posting;
        let args = args![
            given.id,
            self.user,
            *subscription,
            &*entry.operation,
            entry.credits,
            entry.from_rollover,
            entry.from_bonus,
            entry.from_hidden,
            entry.reference,
            counters.used,
            counters.rollover,
            counters.bonus,
            counters.hidden,
            counters.settled_rollover,
            counters.settled_bonus,
            counters.cases,
            counters.simulations,
        ];
        // The subscription is locked, so nobody else refunded the use meanwhile.
        match self.row {
            Some(row) => {
                row.write_pool(counters);
                self.write(&REFUND_ENTRY, &args[..9])
            }
            None => {
                let statement = if schema_has_months() { &REFUND } else { &REFUND_0_3 };
                self.announced(posting).during(|| self.write(statement, args))
            }
        }
    }

    fn refund_free(&self, given: &Use, refund: &Entry<'_>) -> Result<bool> {
        let args = args![given.id, &*refund.operation, refund.credits, refund.reference];
        Ok(!self.spi.query(&REFUND_FREE, Snapshot::New, args)?.is_empty())
    }
}

impl BySql<'_> {
    /// Runs a statement that writes a row. Where a trigger keeps it from that, the charge or refund
    /// fails, and with it what it wrote before.
    fn write(&self, statement: &'static Declared, args: &[Arg<'_>]) -> Result<()> {
        let is_written = !self.spi.query(statement, Snapshot::New, args)?.is_empty();
        if is_written { Ok(()) } else { Err(error::kept_by_a_trigger()) }
    }
}
