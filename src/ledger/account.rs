//! A user's subscription as the credit functions see it.

use auria_credits::{Charged, status_counts};
use pgrx::datum::TimestampWithTimeZone;
use uuid::Uuid;

use super::counters::Counters;
use super::free;
use super::tables::{schema_has_months, subscription};
use super::uses::Use;
use crate::error::{self, Result};
use crate::pg::spi::{Declared, Rows, Snapshot, Spi};
use crate::pg::transaction;
use crate::pg::value::Fields;
use crate::{args, statement};

/// How often a row is inserted that somebody deletes meanwhile.
const ATTEMPTS: usize = 5;

statement! {
    /// Locked by itself, without its plan: a join would be evaluated with the
    /// plan from before the wait when the plan changed meanwhile.
    LOCK_SUBSCRIPTION = concat!(include_str!("select_subscription.sql"), "FOR NO KEY UPDATE");

    READ_SUBSCRIPTION = include_str!("select_subscription.sql");

    /// One that counts, and still does after a wait.
    LOCK_COUNTING = concat!(
        include_str!("select_subscription.sql"),
        "AND status IN ('active', 'trialing') FOR NO KEY UPDATE"
    );

    /// The same in a schema of 0.3.
    LOCK_SUBSCRIPTION_0_3 = concat!(include_str!("select_subscription_0_3.sql"), "FOR NO KEY UPDATE");
    READ_SUBSCRIPTION_0_3 = include_str!("select_subscription_0_3.sql");

    /// A clinic may have removed the plan; then there is no plan.
    /// The trigger settles what is due, whatever a statement writes.
    SETTLE_DUE = "UPDATE public.subscriptions SET updated_at = now() WHERE id = $1";

    SUBSCRIBE = "INSERT INTO public.subscriptions (user_id, plan_id, status) \
        VALUES ($1, (SELECT id FROM public.subscription_plans WHERE id = 'starter'), 'active') \
            ON CONFLICT DO NOTHING";
}

/// A row of `public.subscriptions`.
pub struct Account {
    pub id: Uuid,
    pub plan: Option<String>,
    /// Whether its status gives access to the pool.
    pub counts: bool,
    pub counters: Counters,
    pub reset_at: TimestampWithTimeZone,
    /// The ledger's last entry at the last reset; `None` if that reset is older
    /// than the ledger's numbers, and only its time is known.
    reset_entry: Option<i64>,
    /// The ledger's last entry at the last plan change; 0 if there was none.
    plan_change_entry: i64,
    /// When the month ends; `-infinity` where nobody looked yet, `infinity` where no month follows.
    pub month_ends_at: TimestampWithTimeZone,
    created_at: TimestampWithTimeZone,
}

impl Account {
    /// Locks the user's row until the transaction ends, settles the months that are over, and reads it.
    pub fn lock(spi: &Spi, user: Uuid) -> Result<Option<Self>> {
        Self::lock_by(spi, user, if schema_has_months() { &LOCK_SUBSCRIPTION } else { &LOCK_SUBSCRIPTION_0_3 })
    }

    /// The same if its status gives access to the pool.
    pub fn lock_counting(spi: &Spi, user: Uuid) -> Result<Option<Self>> {
        if schema_has_months() { Self::lock_by(spi, user, &LOCK_COUNTING) } else { Ok(None) }
    }

    fn lock_by(spi: &Spi, user: Uuid, lock: &'static Declared) -> Result<Option<Self>> {
        let read = || Self::chosen(&spi.query(lock, Snapshot::New, args![user])?);
        match read()? {
            Some(account) if account.is_due(transaction::clock()) => {
                spi.query(&SETTLE_DUE, Snapshot::New, args![account.id])?;
                read()
            }
            account => Ok(account),
        }
    }

    /// Whether the month is over at this time, and not settled.
    pub fn is_due(&self, now: TimestampWithTimeZone) -> bool {
        self.month_ends_at <= now
    }

    /// Locks the user's row, and makes one (plan `starter`, status `active`)
    /// where there is none.
    ///
    /// # Errors
    /// 23503 from the foreign key when there is no such user.
    pub fn lock_or_subscribe(spi: &Spi, user: Uuid) -> Result<Self> {
        if let Some(account) = Self::lock(spi, user)? {
            return Ok(account);
        }
        // Adopted tables may have no unique constraint, because users have
        // several rows: the lock prevents two callers from making two.
        free::lock(user);
        if let Some(account) = Self::lock(spi, user)? {
            return Ok(account);
        }
        // Who inserts and deletes rows by hand has not the lock: one may be there for the INSERT and gone after it.
        for _ in 0..ATTEMPTS {
            super::naming_unknown_user(c"subscriptions", || {
                spi.query(&SUBSCRIBE, Snapshot::New, args![user]).map(drop)
            })?;
            if let Some(account) = Self::lock(spi, user)? {
                return Ok(account);
            }
        }
        Err(error::kept_by_a_trigger())
    }

    /// Reads the user's row as the caller's statement sees it.
    pub fn read(spi: &Spi, user: Uuid) -> Result<Option<Self>> {
        let read = if schema_has_months() { &READ_SUBSCRIPTION } else { &READ_SUBSCRIPTION_0_3 };
        let rows = spi.query(read, Snapshot::Caller, args![user])?;
        Self::chosen(&rows)
    }

    /// One row, unless the table was adopted with several for a user: then
    /// every function means the same one, that which counts before one that
    /// does not, and the newest of those. All are locked before the choice, so
    /// that it is made from what they say now.
    fn chosen(rows: &Rows<'_>) -> Result<Option<Self>> {
        let accounts = rows.iter().map(|row| Self::from_fields(&row)).collect::<Result<Vec<_>>>()?;
        Ok(accounts
            .into_iter()
            .max_by(|one, other| (one.counts, one.created_at, one.id).cmp(&(other.counts, other.created_at, other.id))))
    }

    /// Reads the columns of `select_subscription.sql`, which are the first of the table's
    /// description.
    pub(super) fn from_fields(row: &impl Fields) -> Result<Self> {
        Ok(Self {
            id: row.expect(subscription::ID)?,
            counts: status_counts(&row.expect::<String>(subscription::STATUS)?),
            plan: row.get(subscription::PLAN)?,
            counters: Counters {
                rollover: row.expect(subscription::ROLLOVER)?,
                bonus: row.expect(subscription::BONUS)?,
                used: row.expect(subscription::USED)?,
                hidden: row.expect(subscription::HIDDEN)?,
                settled_rollover: row.expect(subscription::SETTLED_ROLLOVER)?,
                settled_bonus: row.expect(subscription::SETTLED_BONUS)?,
                cases: row.expect(subscription::CASES)?,
                simulations: row.expect(subscription::SIMULATIONS)?,
            },
            reset_at: row.expect(subscription::RESET_AT)?,
            reset_entry: row.get(subscription::RESET_ENTRY)?,
            plan_change_entry: row.expect(subscription::PLAN_CHANGE_ENTRY)?,
            month_ends_at: row.expect(subscription::MONTH_ENDS_AT)?,
            created_at: row.expect(subscription::CREATED_AT)?,
        })
    }

    /// When a use was charged, seen from this subscription.
    pub fn when_charged(&self, given: &Use) -> Charged {
        let in_this_month = given.subscription == Some(self.id)
            && match self.reset_entry {
                Some(reset) => given.entry > reset,
                None => given.created_at > self.reset_at,
            };
        if !in_this_month {
            Charged::InAnEarlierMonth
        } else if given.entry <= self.plan_change_entry {
            Charged::UnderAnEarlierPlan
        } else {
            Charged::UnderThisPlan
        }
    }
}
