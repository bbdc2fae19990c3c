//! The case limits from before there were credits, which old clients still ask.

use auria_credits::free_tier;
use uuid::Uuid;

use super::account::Account;
use crate::error::Result;
use crate::pg::spi::{Snapshot, Spi};
use crate::{args, statement};

statement! {
    CASES_PER_MONTH = "SELECT cases_per_month FROM public.subscription_plans WHERE id = $1";

    RECENT_EVALUATIONS = "SELECT count(*) FROM public.evaluations \
         WHERE user_id = $1 AND created_at > now() - make_interval(hours => $2)";

    COUNT_CASE = "UPDATE public.subscriptions \
           SET cases_used_this_month = cases_used_this_month + 1, updated_at = now() \
         WHERE id = $1";
}

/// Whether the month's case limit leaves room for one more.
pub fn can_create_case(spi: &Spi, user: Uuid) -> Result<bool> {
    let snapshot = Snapshot::Caller;
    match Account::read(spi, user)?.filter(|account| account.counts) {
        Some(account) => {
            let rows = spi.query(&CASES_PER_MONTH, snapshot, args![account.plan.as_deref()])?;
            let limit = rows.one::<i32>()?.unwrap_or(0);
            let used = account.counters.cases;
            Ok(limit == -1 || used < limit)
        }
        None => {
            let rows = spi.query(&RECENT_EVALUATIONS, snapshot, args![user, free_tier::WINDOW_HOURS])?;
            let evaluations = rows.one::<i64>()?.unwrap_or(0);
            Ok(evaluations < free_tier::LEGACY_CASES)
        }
    }
}

/// Counts one case; nothing happens without a subscription.
pub fn increment_case_usage(spi: &Spi, user: Uuid) -> Result<()> {
    if let Some(account) = Account::lock(spi, user)? {
        spi.query(&COUNT_CASE, Snapshot::New, args![account.id])?;
    }
    Ok(())
}
