//! A user's subscription as the credit functions see it.

use auria_credits::{Allowance, Charged, CountedOperation, CreditPool, DEFAULT_COST, Rollover, status_counts};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys;
use uuid::Uuid;

use super::entry::Use;
use super::rows::{required_of, subscription};
use crate::error::{self, Result};
use crate::pg::small_table::SmallTable;
use crate::pg::spi::{Rows, Snapshot, Spi};
use crate::pg::transaction::{self, Lock};
use crate::pg::value::{Fields, Value};
use crate::{args, statement};

/// What [`Account::from_fields`] takes apart.
macro_rules! subscription_and {
    ($lock:literal) => {
        concat!(
            "SELECT id, status, plan_id, credits_rollover, credits_bonus, \
                    credits_used_this_month, credits_used_hidden, cases_used_this_month, \
                    dsd_used_this_month, usage_reset_at, usage_reset_entry, plan_change_entry, \
                    created_at \
               FROM public.subscriptions WHERE user_id = $1",
            $lock
        )
    };
}

statement! {
    /// Locked by itself, without its plan: a join would be evaluated with the
    /// plan from before the wait when the plan changed meanwhile.
    LOCK_SUBSCRIPTION = subscription_and!(" FOR NO KEY UPDATE");

    READ_SUBSCRIPTION = subscription_and!("");

    COST = "SELECT credits FROM public.credit_costs WHERE operation = $1";

    PLAN = "SELECT credits_per_month, allows_rollover, rollover_max \
              FROM public.subscription_plans WHERE id = $1";

    /// A clinic may have removed the plan; then there is no plan.
    SUBSCRIBE = "INSERT INTO public.subscriptions (user_id, plan_id, status) \
        VALUES ($1, (SELECT id FROM public.subscription_plans WHERE id = 'starter'), 'active') \
            ON CONFLICT DO NOTHING";
}

thread_local! {
    static COSTS: SmallTable<1> = const {
        SmallTable::new(c"credit_costs", c"operation", [(c"credits", pg_sys::INT4OID)])
    };

    static PLANS: SmallTable<3> = const {
        SmallTable::new(
            c"subscription_plans",
            c"id",
            [
                (c"credits_per_month", pg_sys::INT4OID),
                (c"allows_rollover", pg_sys::BOOLOID),
                (c"rollover_max", pg_sys::INT4OID),
            ],
        )
    };
}

/// The value of a column that must not be NULL; 42804 with its name where it is.
fn required<T: Value>(row: &impl Fields, position: i32) -> Result<T> {
    required_of("subscriptions", subscription::COLUMNS, row, position)
}

/// The number of advisory locks that serialise the free tier, and a transaction takes no
/// more, whatever the number of its users: each has an entry in the server's
/// lock table, which is small.
const FREE_TIER_LOCKS: u32 = 2048;

/// A row of `public.subscriptions`.
pub struct Account {
    pub id: Uuid,
    pub plan: Option<String>,
    /// Whether its status gives access to the pool.
    pub counts: bool,
    rollover: i32,
    bonus: i32,
    used: i32,
    hidden: i32,
    cases_used: i32,
    dsd_used: i32,
    reset_at: TimestampWithTimeZone,
    /// The ledger's last entry at the last reset; `None` if that reset is older
    /// than the ledger's numbers, and only its time is known.
    reset_entry: Option<i64>,
    /// The ledger's last entry at the last plan change; 0 if there was none.
    plan_change_entry: i64,
    created_at: TimestampWithTimeZone,
}

/// What an operation costs and what the plan grants, as configured now.
pub struct Prices {
    pub monthly: Allowance,
    pub cost: i32,
}

/// What a plan grants, as configured now. No plan, or one that is gone, grants nothing.
pub struct Plan {
    pub monthly: Allowance,
    pub rollover: Rollover,
}

impl Plan {
    fn of(monthly: Option<i32>, allows_rollover: Option<bool>, most: Option<i32>) -> Self {
        Self {
            monthly: Allowance::from_plan(monthly),
            rollover: Rollover::from_plan(allows_rollover.unwrap_or(false), most),
        }
    }

    /// From the table as the backend keeps it, if the snapshot allows that.
    pub fn kept(snapshot: Snapshot, plan: Option<&str>) -> Option<Self> {
        let Some(plan) = plan else {
            return Some(Self::of(None, None, None));
        };
        let [monthly, allows_rollover, most] = PLANS.with(|plans| plans.values(plan, snapshot))?;
        Some(Self::of(monthly, allows_rollover.map(|allows| allows != 0), most))
    }

    /// The same by SQL.
    pub fn look_up(spi: &Spi, snapshot: Snapshot, plan: Option<&str>) -> Result<Self> {
        let rows = spi.query(&PLAN, snapshot, args![plan])?;
        match rows.first() {
            Some(row) => Ok(Self::of(row.get(1)?, row.get(2)?, row.get(3)?)),
            None => Ok(Self::of(None, None, None)),
        }
    }
}

impl Prices {
    fn of(plan: &Plan, cost: i32) -> Self {
        Self { monthly: plan.monthly, cost: cost.max(0) }
    }
}

impl Account {
    /// Locks the user's row until the transaction ends, and reads it.
    pub fn lock(spi: &Spi, user: Uuid) -> Result<Option<Self>> {
        let rows = spi.query(&LOCK_SUBSCRIPTION, Snapshot::New, args![user])?;
        Self::chosen(&rows)
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
        // several rows: this keeps two callers from making two.
        lock_free_tier(user);
        if let Some(account) = Self::lock(spi, user)? {
            return Ok(account);
        }
        super::naming_unknown_user(c"subscriptions", || spi.query(&SUBSCRIBE, Snapshot::New, args![user]).map(drop))?;
        Self::lock(spi, user)?.ok_or_else(error::kept_by_a_trigger)
    }

    /// Reads the user's row as the caller's statement sees it.
    pub fn read(spi: &Spi, user: Uuid) -> Result<Option<Self>> {
        let rows = spi.query(&READ_SUBSCRIPTION, Snapshot::Caller, args![user])?;
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

    /// Reads the first columns of [`LOCK_SUBSCRIPTION`], and of `rows`.
    pub(super) fn from_fields(row: &impl Fields) -> Result<Self> {
        Ok(Self {
            id: required::<Uuid>(row, subscription::ID)?,
            counts: status_counts(&required::<String>(row, subscription::STATUS)?),
            plan: row.get(subscription::PLAN)?,
            rollover: required(row, subscription::ROLLOVER)?,
            bonus: required(row, subscription::BONUS)?,
            used: required(row, subscription::USED)?,
            hidden: required(row, subscription::HIDDEN)?,
            cases_used: required(row, subscription::CASES)?,
            dsd_used: required(row, subscription::DSD)?,
            reset_at: required(row, subscription::RESET_AT)?,
            reset_entry: row.get(subscription::RESET_ENTRY)?,
            plan_change_entry: required(row, subscription::PLAN_CHANGE_ENTRY)?,
            created_at: required(row, subscription::CREATED_AT)?,
        })
    }

    /// The credits of this subscription, given what its plan grants.
    pub fn pool(&self, monthly: Allowance) -> CreditPool {
        CreditPool { monthly, rollover: self.rollover, bonus: self.bonus, used: self.used, hidden: self.hidden }
    }

    /// When a use was charged, seen from this subscription.
    pub fn charged(&self, given: &Use) -> Charged {
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

    /// How many operations of this kind the month has seen.
    pub fn operations(&self, operation: CountedOperation) -> i32 {
        match operation {
            CountedOperation::CaseAnalysis => self.cases_used,
            CountedOperation::DsdSimulation => self.dsd_used,
        }
    }
}

/// What `operation` costs, and what `plan` grants each month. A cost below
/// zero, from before the rule against it, is zero.
pub fn prices(spi: &Spi, snapshot: Snapshot, plan: Option<&str>, operation: &str) -> Result<Prices> {
    if let Some(prices) = kept_prices(snapshot, plan, operation) {
        return Ok(prices);
    }
    let plan = Plan::look_up(spi, snapshot, plan)?;
    Ok(Prices::of(&plan, cost_of(spi, snapshot, operation)?))
}

/// The same from the tables as the backend keeps them, if the snapshot allows that.
pub fn kept_prices(snapshot: Snapshot, plan: Option<&str>, operation: &str) -> Option<Prices> {
    let plan = Plan::kept(snapshot, plan)?;
    Some(Prices::of(&plan, kept_cost(snapshot, operation)?))
}

/// The configured cost of an operation, in credits.
pub fn cost_of(spi: &Spi, snapshot: Snapshot, operation: &str) -> Result<i32> {
    let cost: Option<i32> = spi.query(&COST, snapshot, args![operation])?.one()?;
    Ok(cost.unwrap_or(DEFAULT_COST))
}

/// The same from the table as the backend keeps it, if the snapshot allows that.
pub fn kept_cost(snapshot: Snapshot, operation: &str) -> Option<i32> {
    let [cost] = COSTS.with(|costs| costs.values(operation, snapshot))?;
    Some(cost.unwrap_or(DEFAULT_COST))
}

/// Serialises the free uses of one user, who may have no row to lock. Users
/// that share a lock merely wait for each other.
pub fn lock_free_tier(user: Uuid) {
    let bytes = user.as_bytes();
    // The last bytes of an id are the random ones in every version.
    let key = u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
    transaction::lock(Lock::FreeTier, key % FREE_TIER_LOCKS);
}
