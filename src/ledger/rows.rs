//! The rows of a charge and of a refund, found and written without SQL where the
//! tables are ordinary (`pg::direct`); elsewhere there is nothing here, and the
//! statements in `spend` and `refund` do the same.

use auria_credits::{Sources, free_tier};
use pgrx::datum::TimestampWithTimeZone;
use uuid::Uuid;

use super::account::{Account, lock_free_tier};
use super::entry::{self, Use};
use super::refund::GivenBack;
use super::spend::Charge;
use crate::args;
use crate::error::{self, Result};
use crate::pg::direct::{Column, End, Key, Open, Row, Table, Writing, columns};
use crate::pg::spi::Arg;
use crate::pg::value::{Fields, Value};
use crate::pg::{sequence, transaction};

pub mod subscription {
    use super::*;

    // Those up to CREATED_AT are what the statements of `account` give, in that order.
    columns! { COLUMNS:
        ID = c"id" UUIDOID;
        STATUS = c"status" TEXTOID;
        PLAN = c"plan_id" TEXTOID;
        ROLLOVER = c"credits_rollover" INT4OID;
        BONUS = c"credits_bonus" INT4OID;
        USED = c"credits_used_this_month" INT4OID;
        HIDDEN = c"credits_used_hidden" INT4OID;
        CASES = c"cases_used_this_month" INT4OID;
        DSD = c"dsd_used_this_month" INT4OID;
        RESET_AT = c"usage_reset_at" TIMESTAMPTZOID;
        RESET_ENTRY = c"usage_reset_entry" INT8OID;
        PLAN_CHANGE_ENTRY = c"plan_change_entry" INT8OID;
        CREATED_AT = c"created_at" TIMESTAMPTZOID;
        USER = c"user_id" UUIDOID;
        UPDATED_AT = c"updated_at" TIMESTAMPTZOID;
    }

    pub const BY_USER: usize = 0;

    thread_local! {
        pub static TABLE: Table = const { Table::new(
            c"public",
            c"subscriptions",
            COLUMNS,
            &[ROLLOVER, BONUS, USED, HIDDEN, CASES, DSD, UPDATED_AT],
            &[Key { columns: &[USER], then: None }],
        ) };
    }
}

mod usage {
    use super::*;

    columns! { COLUMNS:
        ID = c"id" UUIDOID;
        ENTRY = c"entry" INT8OID;
        USER = c"user_id" UUIDOID;
        SUBSCRIPTION = c"subscription_id" UUIDOID;
        OPERATION = c"operation" TEXTOID;
        CREDITS = c"credits_used" INT4OID;
        FROM_ROLLOVER = c"from_rollover" INT4OID;
        FROM_BONUS = c"from_bonus" INT4OID;
        FROM_HIDDEN = c"from_hidden" INT4OID;
        REFERENCE = c"reference_id" UUIDOID;
        CREATED_AT = c"created_at" TIMESTAMPTZOID;
        IS_FREE = c"is_free" BOOLOID;
        COUNTERPART = c"counterpart" INT8OID;
    }

    /// The uses of an operation that are open, or were refunded by one entry, in the
    /// order of the ledger.
    pub const BY_OPERATION: usize = 0;
    /// The uses with a reference, the open one first.
    pub const BY_REFERENCE: usize = 1;

    thread_local! {
        pub static TABLE: Table = const { Table::new(
            c"public",
            c"credit_usage",
            COLUMNS,
            &[COUNTERPART],
            &[
                Key { columns: &[USER, OPERATION, COUNTERPART], then: Some(ENTRY) },
                Key { columns: &[USER, OPERATION, REFERENCE], then: Some(COUNTERPART) },
            ],
        ) };
    }
}

/// The value of a column that must not be NULL; 42804 with its name where it is.
fn required<T: Value>(row: &impl Fields, position: i32) -> Result<T> {
    required_of("credit_usage", usage::COLUMNS, row, position)
}

/// The same for any of the tables here.
pub(super) fn required_of<T: Value>(table: &str, columns: &[Column], row: &impl Fields, position: i32) -> Result<T> {
    row.get(position)?.ok_or_else(|| {
        let name = columns[position as usize - 1].0.to_string_lossy();
        error::column_of_other_shape(format!("column {name} of public.{table} is NULL and must not be"))
    })
}

/// The user's subscription as the caller's statement sees it, `Some(None)` if there
/// is none. `None` where SQL has to answer.
pub fn read_account(user: Uuid) -> Result<Option<Option<Account>>> {
    subscription::TABLE.with(|table| {
        let Some(subscriptions) = table.open_to_read().filter(|table| table.finds_by(subscription::BY_USER)) else {
            return Ok(None);
        };
        let row = subscriptions.find(subscription::BY_USER, args![user], End::First)?;
        row.map(|row| Account::from_fields(&row)).transpose().map(Some)
    })
}

/// Which uses of the ledger are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Uses {
    /// None: a charge without a reference.
    None,
    /// Those of an operation.
    OfOperation,
    /// Those with a reference.
    WithReference,
}

impl Uses {
    fn are_found_in(self, ledger: &Open<'_>) -> bool {
        match self {
            Self::None => true,
            Self::OfOperation => ledger.finds_by(usage::BY_OPERATION),
            Self::WithReference => ledger.finds_by(usage::BY_REFERENCE),
        }
    }
}

/// Runs `work` with the user's subscription, locked until the transaction ends, and
/// the ledger. `None` where there is none, or SQL has to do it.
pub fn with_account<T>(user: Uuid, uses: Uses, work: impl FnOnce(Rows<'_>) -> Result<Option<T>>) -> Result<Option<T>> {
    let Some(writing) = Writing::begin() else {
        return Ok(None);
    };
    subscription::TABLE.with(|subscriptions| {
        usage::TABLE.with(|ledger| {
            let Some(subscriptions) = subscriptions.open_to_write(&writing) else {
                return Ok(None);
            };
            let Some(ledger) = ledger.open_to_write(&writing) else {
                return Ok(None);
            };
            let is_possible = subscriptions.can_update()
                && subscriptions.finds_by(subscription::BY_USER)
                && ledger.can_update()
                && ledger.can_insert()
                && uses.are_found_in(&ledger);
            if !is_possible {
                return Ok(None);
            }
            let Some(mut row) = subscriptions.find(subscription::BY_USER, args![user], End::First)? else {
                return Ok(None);
            };
            let Some(locked) = row.lock() else {
                return Ok(None);
            };
            if locked.was_changed && row.get::<Uuid>(subscription::USER)? != Some(user) {
                return Ok(None);
            }
            writing.look_again();
            work(Rows { account: Account::from_fields(&row)?, user, row: &row, ledger: &ledger, writing: &writing })
        })
    })
}

/// A user's subscription, locked, and the ledger.
pub struct Rows<'open> {
    pub account: Account,
    user: Uuid,
    row: &'open Row<'open>,
    ledger: &'open Open<'open>,
    writing: &'open Writing,
}

impl<'open> Rows<'open> {
    /// Whether the reference is charged, and not refunded.
    pub fn is_charged(&self, operation: &str, reference: Uuid) -> Result<bool> {
        // A use of the free tier may be under way that began before there was a
        // subscription: its row is not committed yet, and would conflict.
        lock_free_tier(self.user);
        self.writing.look_again();
        let args = args![self.user, operation, reference];
        let found = self.ledger.find(usage::BY_REFERENCE, args, End::First)?;
        Ok(match found {
            Some(row) => required::<i64>(&row, usage::COUNTERPART)? == 0,
            None => false,
        })
    }

    /// Writes the counters and the ledger; false, with nothing written, where SQL has
    /// to.
    pub fn charge(&self, operation: &str, reference: Option<Uuid>, charge: &Charge) -> Result<bool> {
        let used = [
            (usage::USER, self.user.into()),
            (usage::SUBSCRIPTION, self.account.id.into()),
            (usage::OPERATION, operation.into()),
            (usage::CREDITS, charge.cost.into()),
            (usage::FROM_ROLLOVER, charge.from.rollover.into()),
            (usage::FROM_BONUS, charge.from.bonus.into()),
            (usage::CREATED_AT, transaction::clock().into()),
            (usage::REFERENCE, reference.into()),
        ];
        if !self.holds_references(&used) {
            return Ok(false);
        }
        self.row.update(&[
            self.plus(subscription::USED, charge.cost)?,
            self.plus(subscription::CASES, charge.cases)?,
            self.plus(subscription::DSD, charge.simulations)?,
            (subscription::UPDATED_AT, transaction::start_time().into()),
        ]);
        self.ledger.insert(&used);
        Ok(true)
    }

    /// The latest use of an operation that was not refunded.
    pub fn latest_open_use(&self, operation: &str) -> Result<Option<FoundUse<'open>>> {
        let args = args![self.user, operation, 0_i64];
        let found = self.ledger.find(usage::BY_OPERATION, args, End::Last)?;
        found.map(FoundUse::of).transpose()
    }

    /// The use with this reference: the open one, else one that was refunded.
    pub fn use_by_reference(&self, operation: &str, reference: Uuid) -> Result<Option<FoundUse<'open>>> {
        let args = args![self.user, operation, reference];
        let found = self.ledger.find(usage::BY_REFERENCE, args, End::First)?;
        found.map(FoundUse::of).transpose()
    }

    /// Writes the use, the counters and the refund; false, with nothing written, where
    /// SQL has to.
    pub fn give_back(&self, found: &mut FoundUse<'_>, operation: &str, back: &GivenBack) -> Result<bool> {
        let given = &found.given;
        let refund = entry::refund_of(operation);
        let [to_rollover, to_bonus, off_hidden] = entry::refunded_to(&back.reversal);
        let mut refunded = [
            (usage::USER, self.user.into()),
            (usage::SUBSCRIPTION, self.account.id.into()),
            (usage::OPERATION, (&refund).into()),
            (usage::CREDITS, (-required::<i32>(&found.row, usage::CREDITS)?).into()),
            (usage::REFERENCE, found.row.get::<Uuid>(usage::REFERENCE)?.into()),
            (usage::CREATED_AT, transaction::clock().into()),
            (usage::FROM_ROLLOVER, to_rollover.into()),
            (usage::FROM_BONUS, to_bonus.into()),
            (usage::FROM_HIDDEN, off_hidden.into()),
            (usage::COUNTERPART, given.entry.into()),
            (usage::ENTRY, 0_i64.into()),
        ];
        if !self.holds_references(&refunded) {
            return Ok(false);
        }
        // Nobody else refunds it while the subscription is locked, but somebody may
        // have changed it by hand.
        match found.row.lock() {
            Some(locked) if !locked.was_changed => {}
            _ => return Ok(false),
        }
        let number = sequence::next_value(c"public", c"credit_usage_entry_seq")?;
        refunded[refunded.len() - 1].1 = number.into();
        found.row.update(&[(usage::COUNTERPART, number.into())]);
        self.row.update(&[
            self.plus(subscription::USED, -back.reversal.off_used)?,
            self.plus(subscription::ROLLOVER, -to_rollover)?,
            self.plus(subscription::BONUS, -to_bonus)?,
            self.plus(subscription::HIDDEN, off_hidden)?,
            self.less(subscription::CASES, back.cases)?,
            self.less(subscription::DSD, back.simulations)?,
            (subscription::UPDATED_AT, transaction::start_time().into()),
        ]);
        self.ledger.insert(&refunded);
        Ok(true)
    }

    /// The subscription that a new entry names is locked; its user is locked here.
    fn holds_references(&self, values: &[(i32, Arg<'_>)]) -> bool {
        self.ledger.hold_references(values, Some((self.row, subscription::ID)))
    }

    fn plus(&self, counter: i32, more: i32) -> Result<(i32, Arg<'static>)> {
        let sum = self.row.expect::<i32>(counter)?.checked_add(more);
        let sum = sum.ok_or_else(error::credits_out_of_range)?;
        Ok((counter, sum.into()))
    }

    /// Not below zero.
    fn less(&self, counter: i32, less: i32) -> Result<(i32, Arg<'static>)> {
        let rest = self.row.expect::<i32>(counter)?.saturating_sub(less).max(0);
        Ok((counter, rest.into()))
    }
}

/// A use, and its row.
pub struct FoundUse<'open> {
    pub given: Use,
    row: Row<'open>,
}

impl<'open> FoundUse<'open> {
    fn of(row: Row<'open>) -> Result<Self> {
        let created_at: TimestampWithTimeZone = required(&row, usage::CREATED_AT)?;
        let charged = Sources::of_use(
            required(&row, usage::CREDITS)?,
            required(&row, usage::FROM_ROLLOVER)?,
            required(&row, usage::FROM_BONUS)?,
        );
        let given = Use {
            id: required(&row, usage::ID)?,
            entry: required(&row, usage::ENTRY)?,
            subscription: row.get(usage::SUBSCRIPTION)?,
            charged,
            is_free: required(&row, usage::IS_FREE)?,
            created_at,
            is_open: required::<i64>(&row, usage::COUNTERPART)? == 0,
            is_recent: transaction::days_before_start(free_tier::WINDOW_DAYS).is_some_and(|oldest| created_at > oldest),
        };
        Ok(Self { given, row })
    }
}
