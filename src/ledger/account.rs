//! A user's subscription as the credit functions see it.

use auria_credits::{Allowance, CountedOperation, CreditPool, DEFAULT_COST, status_counts};
use uuid::Uuid;

use crate::error::Result;
use crate::pg::spi::{Arg, Row, Sees, Spi};
use crate::pg::transaction::{self, Lock};
use crate::statement;

/// What [`Account::from_row`] takes apart.
macro_rules! subscription_and {
    ($lock:literal) => {
        concat!(
            "SELECT id, status, plan_id, credits_rollover, credits_bonus, \
                    credits_used_this_month, cases_used_this_month, dsd_used_this_month \
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

    READ_PRICES = "SELECT \
               (SELECT credits_per_month FROM public.subscription_plans WHERE id = $1), \
               (SELECT credits FROM public.credit_costs WHERE operation = $2)";

    IS_USER = "SELECT EXISTS (SELECT FROM auth.users WHERE id = $1)";
}

/// A row of `public.subscriptions`.
pub struct Account {
    pub id: Uuid,
    pub plan: Option<String>,
    /// Whether its status gives access to the pool.
    pub counts: bool,
    rollover: i32,
    bonus: i32,
    used: i32,
    cases_used: i32,
    dsd_used: i32,
}

/// What an operation costs and what the plan grants, as configured now.
pub struct Prices {
    pub monthly: Allowance,
    pub cost: i32,
}

impl Account {
    /// Locks the user's row until the transaction ends, and reads it.
    pub fn lock(spi: &Spi, user: Uuid) -> Result<Option<Self>> {
        let rows = spi.query(
            &LOCK_SUBSCRIPTION,
            Sees::OwnSnapshot,
            &[Arg::Uuid(Some(user))],
        )?;
        rows.first().map(|row| Self::from_row(&row)).transpose()
    }

    /// Reads the user's row as the caller's statement sees it.
    pub fn read(spi: &Spi, user: Uuid) -> Result<Option<Self>> {
        let rows = spi.query(
            &READ_SUBSCRIPTION,
            Sees::CallersSnapshot,
            &[Arg::Uuid(Some(user))],
        )?;
        rows.first().map(|row| Self::from_row(&row)).transpose()
    }

    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            id: row.expect_uuid(1)?,
            counts: status_counts(&row.expect::<String>(2)?),
            plan: row.get(3)?,
            rollover: row.expect(4)?,
            bonus: row.expect(5)?,
            used: row.expect(6)?,
            cases_used: row.expect(7)?,
            dsd_used: row.expect(8)?,
        })
    }

    /// The credits of this subscription, given what its plan grants.
    pub fn pool(&self, monthly: Allowance) -> CreditPool {
        CreditPool {
            monthly,
            rollover: self.rollover,
            bonus: self.bonus,
            used: self.used,
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

/// What `operation` costs, and what `plan` grants each month.
pub fn prices(spi: &Spi, sees: Sees, plan: Option<&str>, operation: &str) -> Result<Prices> {
    let rows = spi.query(
        &READ_PRICES,
        sees,
        &[Arg::Text(plan), Arg::Text(Some(operation))],
    )?;
    let (monthly, cost) = match rows.first() {
        Some(row) => (row.get(1)?, row.get(2)?),
        None => (None, None),
    };
    Ok(Prices {
        monthly: Allowance::from_plan(monthly),
        cost: cost.unwrap_or(DEFAULT_COST),
    })
}

/// Whether the id is one of `auth.users`.
pub fn is_user(spi: &Spi, sees: Sees, user: Uuid) -> Result<bool> {
    let rows = spi.query(&IS_USER, sees, &[Arg::Uuid(Some(user))])?;
    rows.first().map_or(Ok(false), |row| row.expect(1))
}

/// Serialises what one user does without a subscription row to lock.
pub fn lock_free_tier(user: Uuid) {
    let bytes = user.as_bytes();
    // The last bytes of an id are the random ones in every version.
    transaction::lock(
        Lock::FreeTier,
        u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]),
    );
}
