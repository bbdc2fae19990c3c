//! The settlement's arithmetic, for the one statement that settles all months.
//! Not RPCs: they live in schema `auria`.

use auria_credits::{Allowance, CreditPool, Rollover, Settlement};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::error::{Result, required};

/// What a subscription carries into the next month, in credits. NULL for the
/// first three: it has no plan. 22004 NULL for another. For the extension
/// itself.
#[pg_extern(sql = false)]
fn settled_rollover(
    p_credits_per_month: Option<i32>,
    p_allows_rollover: Option<bool>,
    p_rollover_max: Option<i32>,
    p_used: Option<i32>,
    p_rollover: Option<i32>,
) -> Result<i32, ErrorReport> {
    const THIS: &str = "auria.settled_rollover";
    let pool = CreditPool {
        monthly: Allowance::from_plan(p_credits_per_month),
        rollover: required(p_rollover, THIS, "p_rollover")?,
        bonus: 0,
        used: required(p_used, THIS, "p_used")?,
        hidden: 0,
    };
    let rule = Rollover::from_plan(p_allows_rollover.unwrap_or(false), p_rollover_max);
    Ok(Settlement::of(&pool, rule).rollover)
}

/// What is left of the bought credits, in credits. NULL for the first: it has
/// no plan. 22004 NULL for another. For the extension itself.
#[pg_extern(sql = false)]
fn settled_bonus(
    p_credits_per_month: Option<i32>,
    p_used: Option<i32>,
    p_rollover: Option<i32>,
    p_bonus: Option<i32>,
) -> Result<i32, ErrorReport> {
    const THIS: &str = "auria.settled_bonus";
    let pool = CreditPool {
        monthly: Allowance::from_plan(p_credits_per_month),
        rollover: required(p_rollover, THIS, "p_rollover")?,
        bonus: required(p_bonus, THIS, "p_bonus")?,
        used: required(p_used, THIS, "p_used")?,
        hidden: 0,
    };
    Ok(Settlement::of(&pool, Rollover::Expires).bonus)
}
