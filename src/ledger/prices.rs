//! What an operation costs and what a plan grants, as configured now. Both tables are cached by the backend
//! where the snapshot allows that.

use auria_credits::{Allowance, DEFAULT_COST, Plan, Rollover};
use pgrx::pg_sys;

use crate::error::Result;
use crate::pg::direct::{Direct, Reason, or_by_sql};
use crate::pg::extension;
use crate::pg::small_table::SmallTable;
use crate::pg::spi::{self, Snapshot, Spi};
use crate::{args, statement};

statement! {
    COST = "SELECT credits FROM public.credit_costs WHERE operation = $1";

    PLAN = "SELECT credits_per_month, allows_rollover, rollover_max \
              FROM public.subscription_plans WHERE id = $1";
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

/// What an operation costs and what the plan grants.
pub struct Prices {
    pub monthly: Allowance,
    pub cost: i32,
}

/// No plan, or one that is gone, grants nothing.
fn plan_of(monthly: Option<i32>, allows_rollover: Option<bool>, most: Option<i32>) -> Plan {
    Plan {
        monthly: Allowance::from_plan(monthly),
        rollover: Rollover::from_plan(allows_rollover.unwrap_or(false), most),
    }
}

/// What a plan grants, from the cached table.
fn cached_plan(snapshot: Snapshot, plan: Option<&str>) -> Direct<Plan> {
    let Some(plan) = plan else {
        return Ok(plan_of(None, None, None));
    };
    let values = PLANS.with(|plans| plans.values(plan, snapshot));
    let [monthly, allows_rollover, most] = values.ok_or(Reason::NotCached)?;
    Ok(plan_of(monthly, allows_rollover.map(|allows| allows != 0), most))
}

/// The same by SQL.
fn look_up_plan(spi: &Spi, snapshot: Snapshot, plan: Option<&str>) -> Result<Plan> {
    let rows = spi.query(&PLAN, snapshot, args![plan])?;
    match rows.first() {
        Some(row) => Ok(plan_of(row.get(1)?, row.get(2)?, row.get(3)?)),
        None => Ok(plan_of(None, None, None)),
    }
}

/// What a plan grants, from the cached table, else by SQL. The triggers that ask declare no search path: it is set where
/// SQL is run, because setting it costs more than the cached answer.
pub fn find_plan(snapshot: Snapshot, plan: Option<&str>) -> Result<Plan> {
    or_by_sql(cached_plan(snapshot, plan), || {
        extension::with_fixed_path(|| spi::connected(|spi| look_up_plan(spi, snapshot, plan)))
    })
}

impl Prices {
    /// A cost below zero, from before the rule against it, is zero.
    fn of(plan: &Plan, cost: i32) -> Self {
        Self { monthly: plan.monthly, cost: cost.max(0) }
    }

    /// From the cached tables.
    pub fn cached(snapshot: Snapshot, plan: Option<&str>, operation: &str) -> Direct<Self> {
        let plan = cached_plan(snapshot, plan)?;
        Ok(Self::of(&plan, cached_cost(snapshot, operation)?))
    }

    /// From the cached tables, else by SQL.
    pub fn find(spi: &Spi, snapshot: Snapshot, plan: Option<&str>, operation: &str) -> Result<Self> {
        or_by_sql(Self::cached(snapshot, plan, operation), || {
            let plan = look_up_plan(spi, snapshot, plan)?;
            Ok(Self::of(&plan, look_up_cost(spi, snapshot, operation)?))
        })
    }
}

/// The configured cost of an operation, in credits, from the cached table.
pub fn cached_cost(snapshot: Snapshot, operation: &str) -> Direct<i32> {
    let [cost] = COSTS.with(|costs| costs.values(operation, snapshot)).ok_or(Reason::NotCached)?;
    Ok(cost.unwrap_or(DEFAULT_COST))
}

/// The same by SQL.
pub fn look_up_cost(spi: &Spi, snapshot: Snapshot, operation: &str) -> Result<i32> {
    let cost: Option<i32> = spi.query(&COST, snapshot, args![operation])?.one()?;
    Ok(cost.unwrap_or(DEFAULT_COST))
}
