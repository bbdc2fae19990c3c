//! `public.credit_events`: whatever moves credits and is no charge and no refund.

use auria_credits::{Allowance, CreditPool, Month};
use uuid::Uuid;

use super::tables::event;
use super::time;
use crate::error::Result;
use crate::pg::direct::{Direct, Writing, or_by_sql};
use crate::pg::spi::{self, Arg, Snapshot};
use crate::pg::{extension, relation, roles, sequence, transaction};
use crate::{args, statement};

statement! {
    INSERT = include_str!("insert_event.sql");

    USER_EXISTS = "SELECT EXISTS (SELECT FROM auth.users WHERE id = $1)";
}

/// What an event is: `credit_events.kind`.
#[derive(Clone, Copy)]
pub enum Kind {
    Month,
    PlanChange,
    Adjustment,
    Start,
    End,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::PlanChange => "plan_change",
            Self::Adjustment => "adjustment",
            Self::Start => "start",
            Self::End => "end",
        }
    }
}

/// An event of one subscription.
pub struct Event<'a> {
    pub kind: Kind,
    pub user: Uuid,
    pub subscription: Uuid,
    /// The plan after it.
    pub plan: Option<&'a str>,
    /// The role that did it.
    pub made_by: &'a str,
    /// What it left of a month, for [`Kind::Month`].
    pub month: Option<Month>,
    pub before: CreditPool,
    pub after: CreditPool,
}

/// What a plan grants, as `subscription_plans.credits_per_month` says it.
pub fn credits_per_month(monthly: Allowance) -> i32 {
    match monthly {
        Allowance::Limited(credits) => credits,
        Allowance::Unlimited => -1,
    }
}

/// Writes it, with the rights in force: those of the tables' owner. The events of an account that is being deleted, and
/// its subscription with it, are deleted, too.
pub fn record(event: &Event<'_>) -> Result<()> {
    or_by_sql(record_by_row(event), || {
        if !user_exists(event.user)? {
            return Ok(());
        }
        let values: Vec<Arg<'_>> = values(event).into_iter().map(|(_, value)| value).collect();
        // The triggers declare no search path.
        extension::with_fixed_path(|| spi::connected(|spi| spi.query(&INSERT, Snapshot::New, &values).map(drop)))
    })
}

/// Asked as a foreign key asks: row-level security hides `auth.users` from everybody but its owner.
fn user_exists(user: Uuid) -> Result<bool> {
    let Some(owner) = relation::owner(c"auth", c"users") else {
        return Ok(false);
    };
    roles::with_rights_of(owner, || {
        extension::with_fixed_path(|| {
            spi::connected(|spi| Ok(spi.query(&USER_EXISTS, Snapshot::New, args![user])?.one()?.unwrap_or(false)))
        })
    })
}

fn record_by_row(event: &Event<'_>) -> Direct<()> {
    let writing = Writing::begin()?;
    event::TABLE.with(|table| {
        let events = table.open_to_write(&writing)?.for_insert()?;
        let values = values(event);
        events.lock_references(&values, None)?;
        let entry = sequence::next_value(c"public", c"credit_usage_entry_seq")?;
        events.insert(&[&values[..], &[(event::ENTRY, entry.into())]].concat());
        Ok(())
    })
}

/// The columns in the order of `insert_event.sql`.
fn values<'a>(event: &Event<'a>) -> [(i32, Arg<'a>); 25] {
    let Event { before, after, month, .. } = event;
    // Rows older than the rules may hold any number; the balance after it is what counts.
    let changed = |before: i32, after: i32| Arg::from(after.saturating_sub(before));
    let of_month = |value: fn(&Month) -> i32| Arg::from(month.as_ref().map(value));
    [
        (event::KIND, event.kind.name().into()),
        (event::USER, event.user.into()),
        (event::SUBSCRIPTION, event.subscription.into()),
        (event::PLAN, event.plan.into()),
        (event::MADE_BY, event.made_by.into()),
        (event::CHANGED_USED, changed(before.used, after.used)),
        (event::CHANGED_HIDDEN, changed(before.hidden, after.hidden)),
        (event::CHANGED_ROLLOVER, changed(before.rollover, after.rollover)),
        (event::CHANGED_BONUS, changed(before.bonus, after.bonus)),
        (event::CREDITS_PER_MONTH, credits_per_month(after.monthly).into()),
        (event::USED, after.used.into()),
        (event::HIDDEN, after.hidden.into()),
        (event::ROLLOVER, after.rollover.into()),
        (event::BONUS, after.bonus.into()),
        (event::SETTLED_ROLLOVER, after.settled_rollover.into()),
        (event::SETTLED_BONUS, after.settled_bonus.into()),
        (event::BEGINS_AT, Arg::from(month.map(|month| time::stored(Some(month.begins_at))))),
        (event::GRANTED, of_month(|month| credits_per_month(month.granted))),
        (event::EXPIRED, of_month(|month| month.expired)),
        (event::CARRIED_OVER, Arg::from(month.map(|_| after.rollover))),
        (event::SPENT_MONTHLY, of_month(|month| month.spent.monthly)),
        (event::SPENT_ROLLOVER, of_month(|month| month.spent.rollover)),
        (event::SPENT_BONUS, of_month(|month| month.spent.bonus)),
        (event::IS_BY_HAND, Arg::from(month.map(|month| month.is_by_hand))),
        (event::CREATED_AT, transaction::clock().into()),
    ]
}
