//! Rows of the ledger, `public.credit_usage`.
//!
//! Their order is that of `entry`, a number given while the subscription's row
//! or the user's free-tier lock is held; the clock (`created_at`) only says
//! whether a row is within the last 30 days.
//!
//! A use is open until its refund is written; then each names the other in
//! `counterpart`. So the latest open use is the first of an index scan, however
//! many uses a user has, and a concurrent refund of the same use finds it no
//! longer open when it gets the row's lock.

use auria_credits::free_tier::{self, Activity};
use auria_credits::{REFUND_SUFFIX, Reversal, Sources};
use pgrx::datum::TimestampWithTimeZone;
use uuid::Uuid;

use crate::error::Result;
use crate::pg::spi::{Row, Snapshot, Spi};
use crate::{args, statement};

macro_rules! use_where {
    ($condition:literal) => {
        concat!(
            "SELECT id, entry, subscription_id, credits_used, from_rollover, from_bonus, \
                    is_free, created_at, counterpart = 0, \
                    created_at > now() - make_interval(days => $3) \
               FROM public.credit_usage WHERE user_id = $1 AND operation = $2 AND ",
            $condition
        )
    };
}

statement! {
    /// A reference that was charged meanwhile conflicts, and nothing is written.
    RECORD_FREE = "INSERT INTO public.credit_usage \
               (user_id, subscription_id, operation, credits_used, reference_id, created_at, is_free) \
        VALUES ($1, $2, $3, $4, $5, clock_timestamp(), true) \
            ON CONFLICT DO NOTHING";

    REFUND_FREE = "WITH refunded AS ( \
            UPDATE public.credit_usage \
               SET counterpart = pg_catalog.nextval('public.credit_usage_entry_seq') \
             WHERE id = $1 AND counterpart = 0 \
            RETURNING entry, counterpart, user_id, subscription_id, credits_used, reference_id) \
        INSERT INTO public.credit_usage \
               (entry, user_id, subscription_id, operation, credits_used, reference_id, \
                created_at, is_free, counterpart) \
        SELECT counterpart, user_id, subscription_id, $2, -credits_used, reference_id, \
               clock_timestamp(), true, entry \
          FROM refunded";

    IS_CHARGED = "SELECT EXISTS (SELECT FROM public.credit_usage \
         WHERE user_id = $1 AND operation = $2 AND reference_id = $3 AND counterpart = 0)";

    FREE_USES = "SELECT count(*) FROM public.credit_usage \
         WHERE user_id = $1 AND operation = $2 AND is_free AND counterpart = 0 \
           AND created_at > now() - make_interval(days => $3)";

    /// Those whose charge, if there was one, no ledger has seen. A user who has
    /// entries from before the installation had a ledger then.
    SESSIONS_BEFORE = "SELECT count(DISTINCT e.session_id) \
          FROM auria.migrations AS installed \
          JOIN public.evaluations e ON e.created_at < installed.applied_at \
         WHERE installed.number = 6 AND e.user_id = $1 \
           AND e.created_at > now() - make_interval(days => $3) \
           AND NOT EXISTS (SELECT FROM public.credit_usage u \
                            WHERE u.user_id = e.user_id AND u.operation = $2 \
                              AND (u.created_at < installed.applied_at \
                                   OR u.reference_id IN (e.id, e.session_id)))";

    /// One that is open before those that were refunded.
    USE_BY_REFERENCE = use_where!("reference_id = $4 ORDER BY counterpart LIMIT 1");

    LATEST_OPEN_USE = use_where!("counterpart = 0 ORDER BY entry DESC LIMIT 1");
}

/// A use that the ledger remembers.
pub struct Use {
    pub id: Uuid,
    /// Its place in the order of the ledger.
    pub entry: i64,
    /// The subscription it was recorded under, unless that is gone.
    pub subscription: Option<Uuid>,
    /// What was charged then, by where it came from.
    pub charged: Sources,
    /// Whether no pool paid for it.
    pub is_free: bool,
    pub created_at: TimestampWithTimeZone,
    /// Whether it has not been refunded.
    pub is_open: bool,
    /// Whether it is of the last 30 days.
    pub is_recent: bool,
}

impl Use {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            id: row.expect::<Uuid>(1)?,
            entry: row.expect(2)?,
            subscription: row.get::<Uuid>(3)?,
            charged: Sources::of_use(row.expect(4)?, row.expect(5)?, row.expect(6)?),
            is_free: row.expect(7)?,
            created_at: row.expect(8)?,
            is_open: row.expect(9)?,
            is_recent: row.expect(10)?,
        })
    }
}

/// The name under which the ledger writes refunds of an operation.
pub fn refund_of(operation: &str) -> String {
    format!("{operation}{REFUND_SUFFIX}")
}

/// What a refund's row says in `from_rollover`, `from_bonus` and `from_hidden`:
/// as in a use, but negative, because it goes back. The rest of its amount is
/// off the counter.
pub fn refunded_to(reversal: &Reversal) -> [i32; 3] {
    [-reversal.to_rollover, -reversal.to_bonus, -reversal.off_hidden]
}

/// Writes a use that no pool paid for; false when its reference was charged
/// meanwhile.
pub fn record_free(
    spi: &Spi,
    user: Uuid,
    subscription: Option<Uuid>,
    operation: &str,
    credits: i32,
    reference: Option<Uuid>,
) -> Result<bool> {
    let rows = spi.query(&RECORD_FREE, Snapshot::New, args![user, subscription, operation, credits, reference])?;
    Ok(!rows.is_empty())
}

/// Gives a free use back; false when somebody else did meanwhile.
pub fn refund_free(spi: &Spi, given: &Use, operation: &str) -> Result<bool> {
    let rows = spi.query(&REFUND_FREE, Snapshot::New, args![given.id, &refund_of(operation)])?;
    Ok(!rows.is_empty())
}

/// Whether the reference is charged, and not refunded.
pub fn is_charged(spi: &Spi, user: Uuid, operation: &str, reference: Uuid) -> Result<bool> {
    let rows = spi.query(&IS_CHARGED, Snapshot::Latest, args![user, operation, reference])?;
    Ok(rows.one()?.unwrap_or(false))
}

/// What the user did of this operation within the free tier's window.
pub fn free_activity(spi: &Spi, snapshot: Snapshot, user: Uuid, operation: &str) -> Result<Activity> {
    let args = args![user, operation, free_tier::WINDOW_DAYS,];
    let count = |statement| -> Result<i64> {
        let rows = spi.query(statement, snapshot, args)?;
        Ok(rows.one()?.unwrap_or(0))
    };
    Ok(Activity {
        uses: count(&FREE_USES)?,
        sessions_before: if free_tier::sessions_count(operation) { count(&SESSIONS_BEFORE)? } else { 0 },
    })
}

/// The use with this reference, however long ago: the open one, else one that
/// was refunded.
pub fn use_by_reference(spi: &Spi, user: Uuid, operation: &str, reference: Uuid) -> Result<Option<Use>> {
    let rows =
        spi.query(&USE_BY_REFERENCE, Snapshot::Latest, args![user, operation, free_tier::WINDOW_DAYS, reference])?;
    rows.first().map(|row| Use::from_row(&row)).transpose()
}

/// The latest use that was not refunded, if it is of the last 30 days.
pub fn latest_open_use(spi: &Spi, user: Uuid, operation: &str) -> Result<Option<Use>> {
    let rows = spi.query(&LATEST_OPEN_USE, Snapshot::Latest, args![user, operation, free_tier::WINDOW_DAYS])?;
    let latest = rows.first().map(|row| Use::from_row(&row)).transpose()?;
    Ok(latest.filter(|latest| latest.is_recent))
}
