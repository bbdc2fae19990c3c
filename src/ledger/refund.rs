//! Giving back: `refund_credits`.

use auria_credits::{Allowance, CountedOperation};
use uuid::Uuid;

use super::account::{self, Account};
use super::entry::{self, Use};
use super::spend::check_operation;
use crate::error::{self, Result};
use crate::pg::spi::{Arg, Sees, Spi};
use crate::statement;

statement! {
    /// The counters and the ledger in one statement: both or neither.
    GIVE_BACK = "WITH given_back AS ( \
            UPDATE public.subscriptions \
               SET credits_used_this_month = credits_used_this_month - $2, \
                   credits_bonus = credits_bonus + $3, \
                   cases_used_this_month = greatest(cases_used_this_month - $4, 0), \
                   dsd_used_this_month = greatest(dsd_used_this_month - $5, 0), \
                   updated_at = now() \
             WHERE id = $1 \
            RETURNING id, user_id) \
        INSERT INTO public.credit_usage \
               (user_id, subscription_id, operation, credits_used, reference_id, created_at) \
        SELECT user_id, id, $6, -($2 + $3), $7, clock_timestamp() FROM given_back";
}

/// Gives back the latest use not refunded, or the one with this reference;
/// false when there is none.
pub fn refund(spi: &Spi, user: Uuid, operation: &str, reference: Option<Uuid>) -> Result<bool> {
    check_operation(operation)?;
    let account = Account::lock(spi, user)?;
    account::lock_free_tier(user);
    let given = match reference {
        None => entry::latest_use_not_refunded(spi, user, operation)?,
        Some(reference) => {
            let refund = entry::refund_of(operation);
            if entry::has_reference(spi, user, &refund, reference)? {
                return Ok(true);
            }
            entry::use_by_reference(spi, user, operation, reference)?
        }
    };
    let Some(given) = given else { return Ok(false) };
    match account.filter(|account| !given.was_free() && given.subscription == Some(account.id)) {
        Some(account) => give_back_to_pool(spi, &account, operation, &given)?,
        None => entry::record_free(
            spi,
            user,
            given.subscription,
            &entry::refund_of(operation),
            -given.charged,
            given.reference,
        )?,
    }
    Ok(true)
}

fn give_back_to_pool(spi: &Spi, account: &Account, operation: &str, given: &Use) -> Result<()> {
    // What the plan grants does not matter to a refund.
    let mut pool = account.pool(Allowance::Unlimited);
    let reversal = pool
        .refund(given.charged)
        .map_err(|_| error::credits_out_of_range())?;
    let counted = CountedOperation::from_name(operation);
    let one_if = |kind| Arg::Int(i32::from(counted == Some(kind)));
    spi.query(
        &GIVE_BACK,
        Sees::OwnSnapshot,
        &[
            Arg::Uuid(Some(account.id)),
            Arg::Int(reversal.off_used),
            Arg::Int(reversal.to_bonus),
            one_if(CountedOperation::CaseAnalysis),
            one_if(CountedOperation::DsdSimulation),
            Arg::Text(Some(&entry::refund_of(operation))),
            Arg::Uuid(given.reference),
        ],
    )?;
    Ok(())
}
