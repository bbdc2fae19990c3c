//! The books without SQL, where the tables are ordinary (`pg::direct`).

use uuid::Uuid;

use super::account::Account;
use super::books::{Books, FreeUses};
use super::counters::Counters;
use super::decide::{Entry, Posting};
use super::free;
use super::prices::Prices;
use super::tables::{subscription, usage};
use super::uses::Use;
use crate::args;
use crate::pg::direct::{Direct, End, Open, Reason, Row, Undone, Writing, require};
use crate::pg::spi::{Arg, Snapshot};
use crate::pg::value::Fields;
use crate::pg::{audit, sequence, transaction};

/// The user's subscription as the caller's statement sees it, if there is one.
pub fn read_account(user: Uuid) -> Direct<Option<Account>> {
    subscription::TABLE.with(|table| {
        let subscriptions = table.open_to_read()?;
        let row = subscriptions.find(subscription::BY_USER, args![user], End::First)?;
        Ok(row.map(|row| Account::from_fields(&row)).transpose()?)
    })
}

/// Why a charge of the role in force goes by SQL; `None` where it goes by rows.
pub fn obstacle() -> Option<String> {
    if let Some(recorder) = audit::recorder() {
        return Some(format!("{recorder} would record the statements"));
    }
    subscription::TABLE.with(|table| table.obstacle(false)).or_else(|| usage::TABLE.with(|table| table.obstacle(true)))
}

/// Runs `work` with the user's subscription, locked until the transaction ends, and
/// the ledger.
pub fn with_account<T>(user: Uuid, free_uses: FreeUses, work: impl FnOnce(&mut ByRows<'_>) -> Direct<T>) -> Direct<T> {
    let writing = Writing::begin()?;
    usage::TABLE.with(|ledger| {
        let ledger = ledger.open_to_write(&writing)?.for_update()?.for_insert()?;
        with_row(user, free_uses, &writing, |account, row| {
            writing.look_again();
            work(&mut ByRows { account, user, row, ledger: &ledger })
        })
    })
}

/// Runs `work` with the user's subscription alone, locked until the transaction ends: for books
/// whose ledger is SQL's to write.
pub fn with_subscription<T>(
    user: Uuid,
    free_uses: FreeUses,
    work: impl FnOnce(Account, Subscription<'_>) -> Direct<T>,
) -> Direct<T> {
    let writing = Writing::begin_with_any_snapshot()?;
    with_row(user, free_uses, &writing, |account, row| work(account, Subscription(row)))
}

fn with_row<T>(
    user: Uuid,
    free_uses: FreeUses,
    writing: &Writing,
    work: impl FnOnce(Account, &Row<'_>) -> Direct<T>,
) -> Direct<T> {
    subscription::TABLE.with(|subscriptions| {
        let subscriptions = subscriptions.open_to_write(writing)?.for_update()?;
        if free_uses == FreeUses::Locked {
            free::lock(user);
            writing.look_again();
        }
        let found = subscriptions.find(subscription::BY_USER, args![user], End::First)?;
        let mut row = found.ok_or(Reason::NoRow)?;
        if free_uses == FreeUses::LockedWithoutPool {
            require(Account::from_fields(&row)?.counts, Reason::FreeTier)?;
        }
        let locked = row.lock()?;
        // A transaction that keeps its snapshot may not change what others changed since: SQL says so.
        let is_same = !locked.was_changed
            || !transaction::keeps_its_snapshot() && row.get::<Uuid>(subscription::USER)? == Some(user);
        require(is_same, Reason::RowChanged)?;
        let account = Account::from_fields(&row)?;
        require(!account.is_due(transaction::clock()), Reason::MonthIsOver)?;
        work(account, &row)
    })
}

/// A user's subscription, locked.
#[derive(Clone, Copy)]
pub struct Subscription<'open>(&'open Row<'open>);

impl Subscription<'_> {
    /// What a charge changes: the pockets stay as they are until the month or the plan does.
    pub fn write_counters(self, counters: &Counters) {
        self.0.update(&counted(counters));
    }

    /// What a refund changes.
    pub fn write_pool(self, counters: &Counters) {
        let pockets = [
            (subscription::ROLLOVER, counters.rollover.into()),
            (subscription::BONUS, counters.bonus.into()),
            (subscription::HIDDEN, counters.hidden.into()),
            (subscription::SETTLED_ROLLOVER, counters.settled_rollover.into()),
            (subscription::SETTLED_BONUS, counters.settled_bonus.into()),
        ];
        self.0.update(&[&counted(counters)[..], &pockets].concat());
    }
}

/// A user's subscription, locked, and the ledger.
pub struct ByRows<'open> {
    account: Account,
    user: Uuid,
    row: &'open Row<'open>,
    ledger: &'open Open<'open>,
}

impl<'open> Books for ByRows<'open> {
    type Stop = Undone;
    type Place = Row<'open>;

    fn account(&self) -> Option<&Account> {
        Some(&self.account)
    }

    fn account_to_credit(&mut self) -> Direct<&Account> {
        Ok(&self.account)
    }

    fn charge_free(&self, _operation: &str, _reference: Option<Uuid>) -> Direct<bool> {
        Err(Reason::FreeTier.into())
    }

    fn prices(&self, plan: Option<&str>, operation: &str) -> Direct<Prices> {
        Prices::cached(Snapshot::New, plan, operation)
    }

    fn is_charged(&self, operation: &str, reference: Uuid) -> Direct<bool> {
        Ok(self.find_use(operation, Some(reference))?.is_some_and(|(given, _)| given.is_open))
    }

    fn charge(&self, charge: &Posting<'_>) -> Direct<()> {
        let entry = self.values(charge);
        self.lock_references(&entry)?;
        Subscription(self.row).write_counters(&charge.counters);
        self.ledger.insert(&entry);
        Ok(())
    }

    fn find_use(&self, operation: &str, reference: Option<Uuid>) -> Direct<Option<(Use, Row<'open>)>> {
        let row = match reference {
            Some(reference) => {
                self.ledger.find(usage::BY_REFERENCE, args![self.user, operation, reference], End::First)?
            }
            None => self.ledger.find(usage::BY_OPERATION, args![self.user, operation, 0_i64], End::Last)?,
        };
        Ok(row.map(|row| Use::from_fields(&row).map(|given| (given, row))).transpose()?)
    }

    fn refund(&self, given: &Use, mut place: Row<'open>, refund: &Posting<'_>) -> Direct<()> {
        let entry = self.values(refund);
        self.lock_references(&entry)?;
        // Nobody else refunds it while the subscription is locked, but somebody may
        // have changed it by hand.
        require(!place.lock()?.was_changed, Reason::RowChanged)?;
        let number = sequence::next_value(c"public", c"credit_usage_entry_seq")?;
        place.update(&[(usage::COUNTERPART, number.into())]);
        Subscription(self.row).write_pool(&refund.counters);
        let both_ways = [(usage::ENTRY, number.into()), (usage::COUNTERPART, given.entry.into())];
        self.ledger.insert(&[&entry[..], &both_ways].concat());
        Ok(())
    }

    fn refund_free(&self, _given: &Use, _refund: &Entry<'_>) -> Direct<bool> {
        Err(Reason::FreeTier.into())
    }
}

/// What was used, and when it was written.
fn counted<'a>(counters: &Counters) -> [(i32, Arg<'a>); 4] {
    [
        (subscription::USED, counters.used.into()),
        (subscription::CASES, counters.cases.into()),
        (subscription::SIMULATIONS, counters.simulations.into()),
        (subscription::UPDATED_AT, transaction::start_time().into()),
    ]
}

impl ByRows<'_> {
    fn values<'a>(&self, Posting { subscription, entry, .. }: &'a Posting<'_>) -> [(i32, Arg<'a>); 9] {
        [
            (usage::USER, self.user.into()),
            (usage::SUBSCRIPTION, (*subscription).into()),
            (usage::OPERATION, (&*entry.operation).into()),
            (usage::CREDITS, entry.credits.into()),
            (usage::FROM_ROLLOVER, entry.from_rollover.into()),
            (usage::FROM_BONUS, entry.from_bonus.into()),
            (usage::FROM_HIDDEN, entry.from_hidden.into()),
            (usage::REFERENCE, entry.reference.into()),
            (usage::CREATED_AT, transaction::clock().into()),
        ]
    }

    /// The subscription that a new entry names is locked; its user is locked here.
    fn lock_references(&self, values: &[(i32, Arg<'_>)]) -> Direct<()> {
        self.ledger.lock_references(values, Some((self.row, subscription::ID)))
    }
}
