//! Bought credits: `add_bonus_credits`.

use auria_credits::Allowance;
use uuid::Uuid;

use super::account::Account;
use crate::error::{self, Result};
use crate::pg::spi::{Snapshot, Spi};
use crate::{args, statement};

statement! {
    ADD_BONUS = "UPDATE public.subscriptions \
           SET credits_bonus = credits_bonus + $2, updated_at = now() \
         WHERE id = $1";
}

/// Adds credits that never expire. A user without a subscription gets one: what
/// was paid for is not dropped.
pub fn add_bonus(spi: &Spi, user: Uuid, credits: i32) -> Result<()> {
    if credits <= 0 {
        return Err(error::credits_not_positive(credits));
    }
    let account = Account::lock_or_subscribe(spi, user)?;
    account.counters.pool(Allowance::Unlimited).purchase(credits).map_err(|_| error::credits_out_of_range())?;
    let rows = spi.query(&ADD_BONUS, Snapshot::New, args![account.id, credits])?;
    if rows.is_empty() {
        return Err(error::kept_by_a_trigger());
    }
    Ok(())
}
