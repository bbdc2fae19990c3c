//! The settlement's arithmetic, for the one statement that settles all months.
//! Not RPCs: they live in schema `auria`.

use auria_credits::{Allowance, CreditPool, Rollover, Settlement};
use pgrx::prelude::*;

/// What a subscription carries into the next month, in credits. NULL for the
/// first three: it has no plan. For the extension itself.
#[pg_extern(sql = false)]
fn settled_rollover(
    p_credits_per_month: Option<i32>,
    p_allows_rollover: Option<bool>,
    p_rollover_max: Option<i32>,
    p_used: i32,
    p_rollover: i32,
) -> i32 {
    let pool = CreditPool {
        monthly: Allowance::from_plan(p_credits_per_month),
        rollover: p_rollover,
        bonus: 0,
        used: p_used,
    };
    let rule = Rollover::from_plan(p_allows_rollover.unwrap_or(false), p_rollover_max);
    Settlement::of(&pool, rule).rollover
}

/// What is left of the bought credits, in credits. NULL for the first: it has
/// no plan. For the extension itself.
#[pg_extern(sql = false)]
fn settled_bonus(
    p_credits_per_month: Option<i32>,
    p_used: i32,
    p_rollover: i32,
    p_bonus: i32,
) -> i32 {
    let pool = CreditPool {
        monthly: Allowance::from_plan(p_credits_per_month),
        rollover: p_rollover,
        bonus: p_bonus,
        used: p_used,
    };
    Settlement::of(&pool, Rollover::Expires).bonus
}
