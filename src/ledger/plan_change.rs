//! What a change of `subscriptions.plan_id` does to the credits, whoever
//! changes it: a webhook's upsert, an administrator, a team's trigger.
//!
//! The BEFORE trigger settles what was used under the old plan; columns that
//! the same statement sets keep the statement's values. The AFTER trigger
//! writes the ledger's row, so that an update that another trigger suppresses
//! leaves none.

use auria_credits::{Allowance, CreditPool, PLAN_CHANGE};
use pgrx::datum::TimestampWithTimeZone;
use uuid::Uuid;

use crate::error::{self, Error, Result};
use crate::pg::spi::{self, Arg, Snapshot};
use crate::pg::trigger::{Column, RowTrigger};
use crate::pg::{roles, sequence};
use crate::{args, statement};

statement! {
    PLANS = "SELECT \
               (SELECT credits_per_month FROM public.subscription_plans WHERE id = $1), \
               (SELECT credits_per_month FROM public.subscription_plans WHERE id = $2)";

    RECORD = "INSERT INTO public.credit_usage \
               (user_id, subscription_id, operation, credits_used, created_at) \
        VALUES ($1, $2, $3, $4, clock_timestamp())";
}

/// The columns of a subscription that the triggers read and write.
struct Columns {
    plan: Column,
    used: Column,
    hidden: Column,
    rollover: Column,
    bonus: Column,
    reset_entry: Column,
    plan_change_entry: Column,
}

impl Columns {
    fn of(row: &RowTrigger<'_>) -> Result<Self> {
        let column = |name| {
            row.column(name).ok_or_else(|| {
                Error::new(
                    pgrx::PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
                    format!("table \"{}\" is not public.subscriptions", row.table()),
                )
                .hint("Run SELECT * FROM auria.migrate(again => true).")
            })
        };
        Ok(Self {
            plan: column(c"plan_id")?,
            used: column(c"credits_used_this_month")?,
            hidden: column(c"credits_used_hidden")?,
            rollover: column(c"credits_rollover")?,
            bonus: column(c"credits_bonus")?,
            reset_entry: column(c"usage_reset_entry")?,
            plan_change_entry: column(c"plan_change_entry")?,
        })
    }
}

/// Whether the statement starts a month without setting `usage_reset_entry`
/// itself.
fn starts_month(row: &RowTrigger<'_>, reset_at: Column) -> Result<bool> {
    let says_where = row.column(c"usage_reset_entry").is_some_and(|entry| row.changes(entry));
    Ok(!says_where
        && row.old_value::<TimestampWithTimeZone>(reset_at)? < row.new_value::<TimestampWithTimeZone>(reset_at)?)
}

/// Before an UPDATE of `subscriptions`: settles the credits when the plan
/// changes, and remembers where the ledger stood when a month is started by
/// hand. It is called for every update, so the first checks are cheap.
pub fn settle_plan_change(row: &mut RowTrigger<'_>) -> Result<()> {
    if !row.is_update() {
        return Ok(());
    }
    let (Some(plan), Some(reset_at)) = (row.column(c"plan_id"), row.column(c"usage_reset_at")) else {
        return Ok(());
    };
    let changes_plan = row.changes(plan);
    if !changes_plan && !row.changes(reset_at) {
        return Ok(());
    }
    let starts_month = starts_month(row, reset_at)?;
    if !changes_plan && !starts_month {
        return Ok(());
    }
    let columns = Columns::of(row)?;
    // The row is locked: later charges to it have greater numbers.
    let last_entry =
        roles::with_rights_of(row.table_owner(), || sequence::last_value(c"public", c"credit_usage_entry_seq"))?
            .unwrap_or(0);
    if changes_plan {
        let before: Option<String> = row.old_value(columns.plan)?;
        let after: Option<String> = row.new_value(columns.plan)?;
        let (from, to) = row.as_owner(|| {
            spi::connected(|spi| {
                let args = args![before.as_deref(), after.as_deref()];
                let rows = spi.query(&PLANS, Snapshot::New, args)?;
                let row = rows.first().ok_or_else(|| error::unexpected_null("the plans"))?;
                Ok((row.get(1)?, row.get(2)?))
            })
        })?;
        let old = |column| -> Result<i32> { Ok(row.old_value(column)?.unwrap_or(0)) };
        let mut pool = CreditPool {
            monthly: Allowance::from_plan(from),
            rollover: old(columns.rollover)?,
            bonus: old(columns.bonus)?,
            used: old(columns.used)?,
            hidden: old(columns.hidden)?,
        };
        pool.change_plan(Allowance::from_plan(to)).map_err(|_| error::credits_out_of_range())?;
        for (column, settled) in [
            (columns.used, pool.used),
            (columns.hidden, pool.hidden),
            (columns.rollover, pool.rollover),
            (columns.bonus, pool.bonus),
        ] {
            if !row.changes(column) {
                row.replace(column, Some(settled))?;
            }
        }
        row.replace(columns.plan_change_entry, Some(last_entry))?;
        if !row.sets(columns.plan) {
            // A trigger changed the plan, and the AFTER trigger is not fired.
            let used = if row.changes(columns.used) { row.new_value(columns.used)? } else { Some(pool.used) };
            let counted = if starts_month { Some(0) } else { row.old_value(columns.used)? };
            record(row, counted, used)?;
        }
    }
    if starts_month {
        row.replace(columns.reset_entry, Some(last_entry))?;
        if !row.changes(columns.hidden) {
            row.replace(columns.hidden, Some(0))?;
        }
    }
    Ok(())
}

/// After an UPDATE of `subscriptions.plan_id`: writes to the ledger what the
/// counter was changed by, so that both still agree.
pub fn record_plan_change(row: &mut RowTrigger<'_>) -> Result<()> {
    if !row.is_update() {
        return Ok(());
    }
    let columns = Columns::of(row)?;
    if !row.changes(columns.plan) {
        return Ok(());
    }
    let counted = if row.changes(columns.reset_entry) {
        // The ledger of the month that starts is empty.
        Some(0)
    } else {
        row.old_value(columns.used)?
    };
    record(row, counted, row.new_value(columns.used)?)
}

/// Writes the difference of the counter, if there is one.
fn record(row: &RowTrigger<'_>, before: Option<i32>, after: Option<i32>) -> Result<()> {
    let difference = after.unwrap_or(0).checked_sub(before.unwrap_or(0)).ok_or_else(error::credits_out_of_range)?;
    if difference == 0 {
        return Ok(());
    }
    let id = |name| -> Result<Arg<'static>> {
        Ok(Arg::from(match row.column(name) {
            Some(column) => row.new_value::<Uuid>(column)?,
            None => None,
        }))
    };
    let args = args![id(c"user_id")?, id(c"id")?, PLAN_CHANGE, difference];
    row.as_owner(|| spi::connected(|spi| spi.query(&RECORD, Snapshot::New, args).map(drop)))
}
