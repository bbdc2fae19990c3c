//! What any statement that writes a row of `public.subscriptions` does to its credits, whoever sends it: a webhook's
//! upsert, an administrator, a team's trigger, a function of this extension that writes by SQL.
//!
//! The BEFORE trigger settles what is due and what the statement changes; the AFTER trigger records it, so that an
//! update that another trigger suppresses leaves no record. Both ask [`auria_credits::settle`]. The second one asks for
//! what happened until the month began that the row now says, and so gets the first one's answer.

use auria_credits::{ACTIVE, begun_by_hand, settle, with_differences};
use auria_credits::{Billing, Change, CreditPool, Month, PLAN_CHANGE, Plan, Settled, Step, Time, is_paid_anew};
use pgrx::datum::TimestampWithTimeZone;
use uuid::Uuid;

use super::announced::Announced;
use super::counters::Counters;
use super::events::{self, Event, Kind};
use super::{prices, time};
use crate::error::{self, Error, Result};
use crate::pg::spi::{self, Arg, Snapshot};
use crate::pg::trigger::{Column, RowTrigger};
use crate::pg::value::{Clamped, Value};
use crate::pg::{extension, roles, sequence, transaction};
use crate::{args, statement};

statement! {
    RECORD_PLAN_CHANGE = "INSERT INTO public.credit_usage \
               (user_id, subscription_id, operation, credits_used, created_at) \
        VALUES ($1, $2, $3, $4, clock_timestamp())";
}

/// The columns of a subscription that the triggers read and write.
struct Columns {
    id: Column,
    user: Column,
    status: Column,
    plan: Column,
    stripe: Option<Column>,
    used: Column,
    hidden: Column,
    rollover: Column,
    bonus: Column,
    settled_rollover: Column,
    settled_bonus: Column,
    cases: Column,
    simulations: Column,
    reset_at: Column,
    reset_entry: Column,
    plan_change_entry: Column,
    period_start: Option<Column>,
    period_end: Option<Column>,
    is_canceled: Option<Column>,
    billing_start: Column,
    month_ends_at: Column,
}

impl Columns {
    fn of(row: &RowTrigger<'_>) -> Result<Self> {
        let column = |name| {
            row.column(name).ok_or_else(|| {
                Error::new(
                    pgrx::PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
                    format!("table \"{}\" is not public.subscriptions", row.table()),
                )
                .hint("Run ALTER EXTENSION auria UPDATE, or SELECT * FROM auria.migrate(again => true).")
            })
        };
        Ok(Self {
            id: column(c"id")?,
            user: column(c"user_id")?,
            status: column(c"status")?,
            plan: column(c"plan_id")?,
            stripe: row.column(c"stripe_subscription_id"),
            used: column(c"credits_used_this_month")?,
            hidden: column(c"credits_used_hidden")?,
            rollover: column(c"credits_rollover")?,
            bonus: column(c"credits_bonus")?,
            settled_rollover: column(c"settled_rollover")?,
            settled_bonus: column(c"settled_bonus")?,
            cases: column(c"cases_used_this_month")?,
            simulations: column(c"dsd_used_this_month")?,
            reset_at: column(c"usage_reset_at")?,
            reset_entry: column(c"usage_reset_entry")?,
            plan_change_entry: column(c"plan_change_entry")?,
            period_start: row.column(c"current_period_start"),
            period_end: row.column(c"current_period_end"),
            is_canceled: row.column(c"cancel_at_period_end"),
            billing_start: column(c"billing_start")?,
            month_ends_at: column(c"month_ends_at")?,
        })
    }
}

/// The row as a statement found it, or as it leaves it.
#[derive(Clone, Copy)]
enum Version {
    Old,
    New,
}

/// A row's trigger, and where its columns are.
struct Subscription<'row, 'call> {
    row: &'row mut RowTrigger<'call>,
    columns: Columns,
    now: TimestampWithTimeZone,
}

impl Subscription<'_, '_> {
    fn value<T: Value>(&self, version: Version, column: Column) -> Result<Option<T>> {
        match version {
            Version::Old => self.row.old_value(column),
            Version::New => self.row.new_value(column),
        }
    }

    /// A row that holds a number beyond an integer can be corrected: what is only compared or recorded may be any number.
    fn number(&self, version: Version, column: Column) -> Result<i32> {
        Ok(self.value(version, column)?.map_or(0, |Clamped(number)| number))
    }

    /// What is written anew must fit.
    fn check_counters(&self) -> Result<()> {
        let Columns { used, hidden, rollover, bonus, settled_rollover, settled_bonus, cases, simulations, .. } =
            self.columns;
        for column in [used, hidden, rollover, bonus, settled_rollover, settled_bonus, cases, simulations] {
            self.value::<i32>(Version::New, column)?;
        }
        Ok(())
    }

    fn counters(&self, version: Version) -> Result<Counters> {
        let number = |column| self.number(version, column);
        Ok(Counters {
            rollover: number(self.columns.rollover)?,
            bonus: number(self.columns.bonus)?,
            used: number(self.columns.used)?,
            hidden: number(self.columns.hidden)?,
            settled_rollover: number(self.columns.settled_rollover)?,
            settled_bonus: number(self.columns.settled_bonus)?,
            cases: number(self.columns.cases)?,
            simulations: number(self.columns.simulations)?,
        })
    }

    fn time(&self, version: Version, column: Column) -> Result<Option<Time>> {
        Ok(self.value(version, column)?.map(time::of))
    }

    /// A time of Stripe's; none where the team gave its column another type.
    fn of_stripe(&self, version: Version, column: Option<Column>) -> Option<Time> {
        column.and_then(|column| self.time(version, column).ok().flatten())
    }

    fn reset_at(&self, version: Version) -> Result<Time> {
        Ok(self.time(version, self.columns.reset_at)?.unwrap_or(Time::MIN_UTC))
    }

    fn plan(&self, version: Version) -> Result<Option<String>> {
        self.value(version, self.columns.plan)
    }

    fn terms_of(&self, plan: Option<&str>) -> Result<Plan> {
        self.row.as_owner(|| prices::find_plan(Snapshot::New, plan))
    }

    /// Whether nobody has looked at the row's months yet: it is older than they are.
    fn is_new_to_months(&self) -> Result<bool> {
        let ends_at: Option<TimestampWithTimeZone> = self.row.old_value(self.columns.month_ends_at)?;
        Ok(ends_at.is_none_or(|ends_at| ends_at.is_neg_infinity()))
    }

    fn billing(&self, version: Version, start: Option<Time>) -> Result<Billing> {
        let is_canceled = match self.columns.is_canceled {
            None => None,
            Some(column) => self.value(version, column)?,
        };
        let end = self.of_stripe(version, self.columns.period_end);
        Ok(Billing { start, end, is_canceled: is_canceled.unwrap_or(false) })
    }

    /// The months as the row said before.
    fn old_billing(&self) -> Result<Billing> {
        let start = self.time(Version::Old, self.columns.billing_start)?;
        let written = self.of_stripe(Version::Old, self.columns.period_start);
        let start = Billing::start_before(start, written, self.is_new_to_months()?, time::of(self.now));
        self.billing(Version::Old, start)
    }

    /// The months as the statement leaves them, and before it is written: as it wants them.
    fn new_billing(&self, old: Option<Time>) -> Result<Billing> {
        let is_set = !self.row.is_before() || self.row.is_update() && self.row.changes(self.columns.billing_start);
        let start = if is_set {
            self.time(Version::New, self.columns.billing_start)?
        } else {
            let is_written = self.columns.period_start.filter(|column| self.row.changes(*column));
            Billing::start_after(old, self.of_stripe(Version::New, is_written), time::of(self.now))
        };
        self.billing(Version::New, start)
    }

    /// What an UPDATE makes of the row.
    fn change(&self) -> Result<Change> {
        let billing = self.old_billing()?;
        let old_plan = self.plan(Version::Old)?;
        let (from, to): (Option<String>, Option<String>) =
            (self.row.old_value(self.columns.status)?, self.row.new_value(self.columns.status)?);
        let names_another = self.columns.stripe.is_some_and(|column| self.row.changes(column));
        let (reset_at, set) = (self.reset_at(Version::Old)?, self.reset_at(Version::New)?);
        let is_by_hand = set > reset_at && self.number(Version::New, self.columns.used)? == 0;
        let new_plan = match self.row.changes(self.columns.plan) {
            true => Some(self.terms_of(self.plan(Version::New)?.as_deref())?),
            false => None,
        };
        Ok(Change {
            reset_at,
            billing,
            is_active: from.as_deref() == Some(ACTIVE),
            plan: self.terms_of(old_plan.as_deref())?,
            new_billing: self.new_billing(billing.start)?,
            is_paid: is_paid_anew(from.as_deref().unwrap_or(""), to.as_deref().unwrap_or(""), names_another),
            new_plan,
            by_hand: is_by_hand.then_some(set),
        })
    }

    fn id(&self, version: Version, column: Column) -> Result<Uuid> {
        self.value(version, column)?.ok_or_else(|| error::unexpected_null("an id of public.subscriptions"))
    }

    /// Writes the columns that say when the month ends.
    fn replace_months(&mut self, billing: &Billing, reset_at: Time) -> Result<()> {
        let start = billing.start.map(|start| time::stored(Some(start)));
        self.row.replace(self.columns.billing_start, start)?;
        self.row.replace(self.columns.month_ends_at, Some(time::stored(billing.month_ends_at(reset_at))))
    }

    /// Whether the statement has nothing to do with months and plans, and none is over.
    fn leaves_months_alone(&self) -> Result<bool> {
        let ends_at: Option<TimestampWithTimeZone> = self.row.old_value(self.columns.month_ends_at)?;
        if ends_at.is_none_or(|ends_at| ends_at <= self.now) {
            return Ok(false);
        }
        let Columns { status, plan, stripe, reset_at, period_start, period_end, is_canceled, .. } = self.columns;
        let Columns { billing_start, month_ends_at, .. } = self.columns;
        let always = [status, plan, reset_at, billing_start, month_ends_at];
        let of_stripe = [stripe, period_start, period_end, is_canceled];
        Ok(!always.into_iter().chain(of_stripe.into_iter().flatten()).any(|column| self.row.changes(column)))
    }

    /// The change that a function of this extension is writing to the row.
    fn announced(&self) -> Result<Option<Announced>> {
        Ok(Announced::of(self.id(Version::Old, self.columns.id)?, self.counters(Version::Old)?))
    }

    /// Writes what the settled credits and the statement make of the columns.
    fn replace_credits(&mut self, settled: &[Settled]) -> Result<()> {
        let Some(last) = settled.last() else {
            return Ok(());
        };
        self.check_counters()?;
        let (shown, written) = (self.counters(Version::Old)?, self.counters(Version::New)?);
        let monthly = last.pool.monthly;
        let month = last_month(settled);
        let is_by_hand = month.is_some_and(|month| month.is_by_hand);
        let pool = if is_by_hand {
            begun_by_hand(last.pool, shown.pool(monthly), written.pool(monthly))
        } else {
            with_differences(last.pool, shown.pool(monthly), written.pool(monthly))
                .map_err(|_| error::credits_out_of_range())?
        };
        let columns = &self.columns;
        let mut replaced = vec![
            (columns.used, pool.used),
            (columns.hidden, pool.hidden),
            (columns.rollover, pool.rollover),
            (columns.bonus, pool.bonus),
            (columns.settled_rollover, pool.settled_rollover),
            (columns.settled_bonus, pool.settled_bonus),
        ];
        if month.is_some() {
            for (column, shown, written) in [
                (columns.cases, shown.cases, written.cases),
                (columns.simulations, shown.simulations, written.simulations),
            ] {
                let begins_with = if is_by_hand && written != shown { written } else { written.saturating_sub(shown) };
                replaced.push((column, begins_with.max(0)));
            }
        }
        for (column, value) in replaced {
            self.row.replace(column, Some(value))?;
        }
        // The row is locked: later charges to it have greater numbers.
        let owner = self.row.table_owner();
        let last_entry =
            roles::with_rights_of(owner, || sequence::last_value(c"public", c"credit_usage_entry_seq"))?.unwrap_or(0);
        if let Some(month) = month {
            self.row.replace(self.columns.reset_entry, Some(last_entry))?;
            self.row.replace_time(self.columns.reset_at, time::stored(Some(month.begins_at)))?;
        }
        if self.row.changes(self.columns.plan) {
            self.row.replace(self.columns.plan_change_entry, Some(last_entry))?;
        }
        Ok(())
    }
}

/// The last month that began.
fn last_month(settled: &[Settled]) -> Option<Month> {
    settled.iter().rev().find_map(|settled| match settled.step {
        Step::Month(month) => Some(month),
        Step::PlanChange => None,
    })
}

/// Before an INSERT or UPDATE of `subscriptions`: settles the months that are over and what the statement does to the
/// credits. It is called for every update, so what most of them do not touch is looked at first.
pub fn settle_row(row: &mut RowTrigger<'_>) -> Result<()> {
    if row.column(c"month_ends_at").is_none() {
        return refuse_plan_change(row);
    }
    let columns = Columns::of(row)?;
    let mut subscription = Subscription { row, columns, now: transaction::clock() };
    if !subscription.row.is_update() {
        let start = subscription.time(Version::New, subscription.columns.billing_start)?;
        let (billing, reset_at) = (subscription.new_billing(start)?, subscription.reset_at(Version::New)?);
        return subscription.replace_months(&billing, reset_at);
    }
    if let Some(announced) = subscription.announced()? {
        subscription.now = announced.at;
    }
    if subscription.leaves_months_alone()? {
        return Ok(());
    }
    let change = subscription.change()?;
    let pool = subscription.counters(Version::Old)?.pool(change.plan.monthly);
    let settled = settle(pool, &change, time::of(subscription.now)).map_err(|_| error::credits_out_of_range())?;
    subscription.replace_credits(&settled)?;
    let begun = last_month(&settled).map(|month| month.begins_at);
    let reset_at = match begun {
        Some(begun) => begun,
        None => subscription.reset_at(Version::New)?,
    };
    subscription.replace_months(&change.new_billing, reset_at)
}

/// The table is older than this library: what cannot be settled is refused until the extension is updated.
fn refuse_plan_change(row: &RowTrigger<'_>) -> Result<()> {
    let changes = |name| row.column(name).is_some_and(|column| row.changes(column));
    if row.is_update() && (changes(c"plan_id") || changes(c"usage_reset_at")) {
        return Err(error::schema_is_older());
    }
    Ok(())
}

/// After an INSERT, UPDATE or DELETE of `subscriptions`: records what it did to the credits, where no row of the ledger
/// says it.
pub fn record_row(row: &mut RowTrigger<'_>) -> Result<()> {
    let columns = Columns::of(row)?;
    let subscription = Subscription { row, columns, now: transaction::clock() };
    if subscription.row.is_update() {
        return record_update(&subscription);
    }
    // The one row that there is.
    if subscription.row.is_insert() {
        record_whole(&subscription, Version::New, Kind::Start)
    } else {
        record_whole(&subscription, Version::Old, Kind::End)
    }
}

/// An account starts or ends with this row. Nothing can be spent of the plan of a row that is gone.
fn record_whole(subscription: &Subscription<'_, '_>, version: Version, kind: Kind) -> Result<()> {
    let plan = subscription.plan(version)?;
    let monthly = subscription.terms_of(plan.as_deref())?.monthly;
    let there = subscription.counters(version)?.pool(monthly);
    let nothing = CreditPool::default();
    let (before, after) = match version {
        Version::New => (nothing, there),
        Version::Old => (there, nothing),
    };
    Recorder { subscription, version, plan: plan.as_deref() }.record(kind, None, before, after)
}

fn record_update(subscription: &Subscription<'_, '_>) -> Result<()> {
    if subscription.row.changes(subscription.columns.user) {
        // It ends in one user's statement and starts in the other's.
        record_whole(subscription, Version::Old, Kind::End)?;
        return record_whole(subscription, Version::New, Kind::Start);
    }
    let (old, new) = (subscription.counters(Version::Old)?, subscription.counters(Version::New)?);
    let announced = subscription.announced()?;
    let columns = &subscription.columns;
    let leaves_months = !subscription.row.changes(columns.plan) && !subscription.row.changes(columns.reset_at);
    if leaves_months && announced.map_or(old, |announced| announced.after) == new {
        return Ok(());
    }
    let change = subscription.change()?;
    let until = subscription.reset_at(Version::New)?.min(time::of(subscription.now));
    let shown = old.pool(change.plan.monthly);
    let settled = settle(shown, &change, until).map_err(|_| error::credits_out_of_range())?;
    let (from, to) = (subscription.plan(Version::Old)?, subscription.plan(Version::New)?);
    let mut before = shown;
    let mut begins_a_month = false;
    for Settled { step, pool } in settled {
        let (kind, plan, month) = match step {
            Step::Month(month) => (Kind::Month, &from, Some(month)),
            Step::PlanChange => (Kind::PlanChange, &to, None),
        };
        begins_a_month |= month.is_some();
        Recorder { subscription, version: Version::New, plan: plan.as_deref() }.record(kind, month, before, pool)?;
        before = pool;
    }
    let written = new.pool(before.monthly);
    if change.new_plan.is_some() {
        // The ledger of a month that begins is empty.
        record_plan_change(subscription, if begins_a_month { 0 } else { old.used }, new.used)?;
    }
    if let Some(announced) = announced {
        let (from, to) = (announced.before.pool(before.monthly), announced.after.pool(before.monthly));
        before = with_differences(before, from, to).map_err(|_| error::credits_out_of_range())?;
    }
    if before != written {
        let recorder = Recorder { subscription, version: Version::New, plan: to.as_deref() };
        recorder.record(Kind::Adjustment, None, before, written)?;
    }
    Ok(())
}

/// Writes events of a row.
struct Recorder<'a, 'row, 'call> {
    subscription: &'a Subscription<'row, 'call>,
    version: Version,
    plan: Option<&'a str>,
}

impl Recorder<'_, '_, '_> {
    fn record(&self, kind: Kind, month: Option<Month>, before: CreditPool, after: CreditPool) -> Result<()> {
        let Subscription { row, columns, .. } = self.subscription;
        // Who sent the statement, not the owner whose rights write the event.
        let made_by = roles::name_of(roles::caller());
        let event = Event {
            kind,
            user: self.subscription.id(self.version, columns.user)?,
            subscription: self.subscription.id(self.version, columns.id)?,
            plan: self.plan,
            made_by: &made_by,
            month,
            before,
            after,
        };
        row.as_owner(|| events::record(&event))
    }
}

/// Writes to the ledger what a change of plan did to the counter, so that both agree.
fn record_plan_change(subscription: &Subscription<'_, '_>, before: i32, after: i32) -> Result<()> {
    let difference = after.checked_sub(before).ok_or_else(error::credits_out_of_range)?;
    if difference == 0 {
        return Ok(());
    }
    let columns = &subscription.columns;
    let id = |column| subscription.id(Version::New, column).map(Arg::from);
    let args = args![id(columns.user)?, id(columns.id)?, PLAN_CHANGE, difference];
    subscription.row.as_owner(|| {
        extension::with_fixed_path(|| {
            spi::connected(|spi| spi.query(&RECORD_PLAN_CHANGE, Snapshot::New, args).map(drop))
        })
    })
}
