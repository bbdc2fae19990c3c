//! The settlement's arithmetic, for the one statement that settles all months.
//! Not RPCs: they live in schema `auria`.

use auria_credits::{CreditPool, Settlement};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::error::{Result, required};
use crate::ledger::Plan;
use crate::pg::bytes::TextArg;
use crate::pg::direct::or_by_sql;
use crate::pg::extension;
use crate::pg::spi::{self, Snapshot};

/// What a subscription carries into the next month, in credits, by its plan as
/// that is now. NULL for the first: it has no plan. 22004 NULL for another. For
/// the extension itself.
#[pg_extern(sql = false)]
fn settled_rollover(
    p_plan: Option<TextArg<'_>>,
    p_used: Option<i32>,
    p_rollover: Option<i32>,
) -> Result<i32, ErrorReport> {
    const THIS: &str = "auria.settled_rollover";
    let used = required(p_used, THIS, "p_used")?;
    let rollover = required(p_rollover, THIS, "p_rollover")?;
    Ok(settled(p_plan.as_deref(), used, rollover, 0)?.rollover)
}

/// What is left of the bought credits, in credits. Otherwise as
/// [`settled_rollover`].
#[pg_extern(sql = false)]
fn settled_bonus(
    p_plan: Option<TextArg<'_>>,
    p_used: Option<i32>,
    p_rollover: Option<i32>,
    p_bonus: Option<i32>,
) -> Result<i32, ErrorReport> {
    const THIS: &str = "auria.settled_bonus";
    let used = required(p_used, THIS, "p_used")?;
    let rollover = required(p_rollover, THIS, "p_rollover")?;
    let bonus = required(p_bonus, THIS, "p_bonus")?;
    Ok(settled(p_plan.as_deref(), used, rollover, bonus)?.bonus)
}

/// The plan comes from what the backend caches: a query for each row of a reset would
/// cost a third of it. The search path is set where SQL has to answer.
fn settled(plan: Option<&str>, used: i32, rollover: i32, bonus: i32) -> Result<Settlement> {
    const SNAPSHOT: Snapshot = Snapshot::New;
    let plan = or_by_sql(Plan::cached(SNAPSHOT, plan), || {
        extension::with_fixed_path(|| spi::connected(|spi| Plan::look_up(spi, SNAPSHOT, plan)))
    })?;
    let pool = CreditPool { monthly: plan.monthly, rollover, bonus, used, hidden: 0 };
    Ok(Settlement::of(&pool, plan.rollover))
}
