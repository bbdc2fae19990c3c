//! Bought credits: `add_bonus_credits`.

use auria_credits::Allowance;
use uuid::Uuid;

use super::account::{self, Account};
use crate::error::{self, Result};
use crate::pg::spi::{Arg, Sees, Spi};
use crate::statement;

statement! {
    /// A user without a subscription gets one: what was paid for is not
    /// dropped. A clinic may have removed the plan; then there is no plan.
    ADD_BONUS = "INSERT INTO public.subscriptions AS s (user_id, plan_id, status, credits_bonus) \
        VALUES ($1, (SELECT id FROM public.subscription_plans WHERE id = 'starter'), 'active', $2) \
            ON CONFLICT (user_id) DO UPDATE \
           SET credits_bonus = s.credits_bonus + excluded.credits_bonus, updated_at = now()";
}

/// Adds credits that never expire.
pub fn add_bonus(spi: &Spi, user: Uuid, credits: i32) -> Result<()> {
    if credits <= 0 {
        return Err(error::credits_not_positive(credits));
    }
    match Account::lock(spi, user)? {
        Some(account) => {
            account
                .pool(Allowance::Unlimited)
                .purchase(credits)
                .map_err(|_| error::credits_out_of_range())?;
        }
        None if !account::is_user(spi, Sees::LatestCommitted, user)? => {
            return Err(error::unknown_user());
        }
        None => {}
    }
    spi.query(
        &ADD_BONUS,
        Sees::OwnSnapshot,
        &[Arg::Uuid(Some(user)), Arg::Int(credits)],
    )?;
    Ok(())
}
