//! Bought credits: `add_bonus_credits`, and `revoke_bonus_credits` for those that were paid back.

use auria_credits::CreditPool;
use uuid::Uuid;

use super::account::Account;
use super::announced::Announced;
use super::tables::schema_has_months;
use super::{events, free, prices};
use crate::error::{self, Result};
use crate::pg::spi::{Snapshot, Spi};
use crate::pg::{roles, transaction};
use crate::{args, statement};

/// The longest reference, in octets: a session or a payment of Stripe's has some seventy.
const LONGEST_REFERENCE: usize = 200;

statement! {
    /// The event and the bonus in one statement: both or neither.
    POST = include_str!("purchase.sql");

    /// The same for a user without a subscription.
    POST_WITHOUT_SUBSCRIPTION = include_str!("revocation_alone.sql");

    /// In a schema of 0.3, which has no events.
    POST_0_3 = "UPDATE public.subscriptions SET credits_bonus = $2, updated_at = now() WHERE id = $1";

    FIND = "SELECT credits, changed_bonus FROM public.credit_events WHERE user_id = $1 AND kind = $2 AND reference = $3";
}

const PURCHASE: &str = "purchase";
const REVOCATION: &str = "revocation";

/// What was asked for under a reference, and what it did to the bonus.
struct Posted {
    credits: i32,
    changed: i32,
}

impl Posted {
    fn find(spi: &Spi, user: Uuid, kind: &str, reference: &str) -> Result<Option<Self>> {
        let rows = spi.query(&FIND, Snapshot::New, args![user, kind, reference])?;
        rows.first().map(|row| Ok(Self { credits: row.expect(1)?, changed: row.expect(2)? })).transpose()
    }
}

/// Refuses what is no number of bought credits, and no reference.
fn check(credits: i32, reference: Option<&str>) -> Result<()> {
    if credits <= 0 {
        return Err(error::credits_not_positive(credits));
    }
    match reference {
        Some(reference) if reference.is_empty() || reference.len() > LONGEST_REFERENCE => {
            Err(error::reference_of_wrong_length())
        }
        _ => Ok(()),
    }
}

/// Adds credits that never expire, once for a reference. A user without a subscription gets one: what
/// was paid for is not dropped. What of the purchase was revoked before it came is not added.
pub fn add_bonus(spi: &Spi, user: Uuid, credits: i32, reference: Option<&str>) -> Result<()> {
    check(credits, reference)?;
    let account = Account::lock_or_subscribe(spi, user)?;
    let mut added = credits;
    if let Some(reference) = reference {
        if Posted::find(spi, user, PURCHASE, reference)?.is_some() {
            return Ok(());
        }
        if let Some(revoked) = Posted::find(spi, user, REVOCATION, reference)? {
            added = (credits - (revoked.credits + revoked.changed)).max(0);
        }
    }
    let mut pool = pool_of(&account)?;
    pool.purchase(added).map_err(|_| error::credits_out_of_range())?;
    post(spi, user, &account, PURCHASE, pool, credits, reference)
}

/// Takes back what is left of bought credits, once for a reference, and returns how many. What is spent is forgiven.
pub fn revoke_bonus(spi: &Spi, user: Uuid, credits: i32, reference: &str) -> Result<i32> {
    check(credits, Some(reference))?;
    let mut account = Account::lock(spi, user)?;
    if account.is_none() {
        // A purchase may be about to make one.
        free::lock(user);
        account = Account::lock(spi, user)?;
    }
    if let Some(posted) = Posted::find(spi, user, REVOCATION, reference)? {
        return Ok(-posted.changed);
    }
    let Some(account) = account else {
        let made_by = roles::name_of(roles::caller());
        let args = args![user, REVOCATION, credits, reference, made_by.as_str()];
        super::naming_unknown_user(c"credit_events", || {
            spi.query(&POST_WITHOUT_SUBSCRIPTION, Snapshot::New, args).map(drop)
        })?;
        return Ok(0);
    };
    let mut pool = pool_of(&account)?;
    let taken = pool.revoke(credits);
    post(spi, user, &account, REVOCATION, pool, credits, Some(reference))?;
    Ok(taken)
}

fn pool_of(account: &Account) -> Result<CreditPool> {
    let plan = prices::find_plan(Snapshot::New, account.plan.as_deref())?;
    Ok(account.counters.pool(plan.monthly))
}

/// Writes the event and the bonus.
fn post(
    spi: &Spi,
    user: Uuid,
    account: &Account,
    kind: &str,
    after: CreditPool,
    credits: i32,
    reference: Option<&str>,
) -> Result<()> {
    if !schema_has_months() {
        let rows = spi.query(&POST_0_3, Snapshot::New, args![account.id, after.bonus])?;
        return if rows.is_empty() { Err(error::kept_by_a_trigger()) } else { Ok(()) };
    }
    let before = account.counters;
    let made_by = roles::name_of(roles::caller());
    let args = args![
        user,
        account.id,
        kind,
        account.plan.as_deref(),
        made_by.as_str(),
        reference,
        credits,
        after.bonus - before.bonus,
        events::credits_per_month(after.monthly),
        after.used,
        after.hidden,
        after.rollover,
        after.bonus,
        after.settled_rollover,
        after.settled_bonus,
    ];
    let announced = Announced { subscription: account.id, before, after: before.with(after), at: transaction::clock() };
    let rows = announced.during(|| spi.query(&POST, Snapshot::New, args))?;
    let row = rows.first().ok_or_else(error::kept_by_a_trigger)?;
    let (recorded, posted) = (row.expect::<i64>(1)?, row.expect::<i64>(2)?);
    // Nobody else has posted the reference meanwhile: the user's row is locked.
    if recorded == 1 && posted == 1 { Ok(()) } else { Err(error::kept_by_a_trigger()) }
}
