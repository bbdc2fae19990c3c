//! Rows of the ledger, `public.credit_usage`.
//!
//! A free use must be told from a charged one for ever: refunded after the
//! user has subscribed, it must not pay credits into the pool that it never
//! took out. Its row has an id of UUID version 8 (RFC 9562 section 5.8); all
//! others have the default, version 4.
//!
//! `created_at` is the clock under the lock, not the start of the transaction,
//! so that the order of the rows is the order in which they were charged.

use auria_credits::REFUND_SUFFIX;
use auria_credits::free_tier::{self, Activity};
use uuid::{Uuid, Version};

use crate::error::Result;
use crate::pg::spi::{Arg, Row, Sees, Spi};
use crate::statement;

statement! {
    RECORD_FREE = "INSERT INTO public.credit_usage \
               (id, user_id, subscription_id, operation, credits_used, reference_id, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp())";

    HAS_REFERENCE = "SELECT EXISTS (SELECT FROM public.credit_usage \
         WHERE user_id = $1 AND operation = $2 AND reference_id = $3)";

    FREE_ACTIVITY = "SELECT \
               count(*) FILTER (WHERE operation = $2), \
               count(*) FILTER (WHERE operation = $3) \
          FROM public.credit_usage \
         WHERE user_id = $1 AND operation IN ($2, $3) \
           AND created_at > now() - make_interval(days => $4)";

    SESSIONS = "SELECT count(DISTINCT session_id) FROM public.evaluations \
         WHERE user_id = $1 AND created_at > now() - make_interval(days => $2)";

    USE_BY_REFERENCE = "SELECT id, subscription_id, credits_used, reference_id, created_at \
          FROM public.credit_usage \
         WHERE user_id = $1 AND operation = $2 AND reference_id = $3 \
         ORDER BY created_at DESC LIMIT 1";

    /// A use with a reference was refunded when a refund has that reference.
    /// Those without form a stack: read backwards from now, the first use at
    /// which uses outnumber refunds is the latest one not refunded.
    LATEST_USE_NOT_REFUNDED = "SELECT id, subscription_id, credits_used, reference_id, created_at \
          FROM ( \
            (SELECT u.id, u.subscription_id, u.credits_used, u.reference_id, u.created_at \
               FROM public.credit_usage u \
              WHERE u.user_id = $1 AND u.operation = $2 AND u.reference_id IS NOT NULL \
                AND u.created_at > now() - make_interval(days => $4) \
                AND NOT EXISTS (SELECT FROM public.credit_usage r \
                                 WHERE r.user_id = u.user_id AND r.operation = $3 \
                                   AND r.reference_id = u.reference_id) \
              ORDER BY u.created_at DESC LIMIT 1) \
            UNION ALL \
            (SELECT id, subscription_id, credits_used, reference_id, created_at \
               FROM (SELECT *, sum(CASE WHEN operation = $3 THEN 1 ELSE -1 END) \
                                   OVER (ORDER BY created_at DESC, operation = $3 DESC, id \
                                         ROWS UNBOUNDED PRECEDING) AS refunds_ahead \
                       FROM public.credit_usage \
                      WHERE user_id = $1 AND operation IN ($2, $3) AND reference_id IS NULL \
                        AND created_at > now() - make_interval(days => $4)) AS history \
              WHERE refunds_ahead = -1 \
              ORDER BY created_at DESC LIMIT 1)) AS candidates \
         ORDER BY created_at DESC LIMIT 1";
}

/// A use that the ledger remembers.
pub struct Use {
    id: Uuid,
    /// The subscription it was recorded under.
    pub subscription: Option<Uuid>,
    /// What was charged then, in credits.
    pub charged: i32,
    /// The evaluation or simulation it paid for, if the caller said so.
    pub reference: Option<Uuid>,
}

impl Use {
    /// Whether no pool paid for it.
    pub fn was_free(&self) -> bool {
        self.subscription.is_none() || self.id.get_version() == Some(Version::Custom)
    }

    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            id: row.expect_uuid(1)?,
            subscription: row.uuid(2)?,
            charged: row.expect(3)?,
            reference: row.uuid(4)?,
        })
    }
}

/// The name under which the ledger writes refunds of an operation.
pub fn refund_of(operation: &str) -> String {
    format!("{operation}{REFUND_SUFFIX}")
}

/// Writes a row that no pool paid for, or that gives back such a use.
pub fn record_free(
    spi: &Spi,
    user: Uuid,
    subscription: Option<Uuid>,
    operation: &str,
    credits: i32,
    reference: Option<Uuid>,
) -> Result<()> {
    let id = Uuid::new_v8(*Uuid::from_bytes(crate::pg::random::bytes()).as_bytes());
    spi.query(
        &RECORD_FREE,
        Sees::OwnSnapshot,
        &[
            Arg::Uuid(Some(id)),
            Arg::Uuid(Some(user)),
            Arg::Uuid(subscription),
            Arg::Text(Some(operation)),
            Arg::Int(credits),
            Arg::Uuid(reference),
        ],
    )?;
    Ok(())
}

/// Whether the ledger has a row of this user, operation and reference.
pub fn has_reference(spi: &Spi, user: Uuid, operation: &str, reference: Uuid) -> Result<bool> {
    let rows = spi.query(
        &HAS_REFERENCE,
        Sees::LatestCommitted,
        &[
            Arg::Uuid(Some(user)),
            Arg::Text(Some(operation)),
            Arg::Uuid(Some(reference)),
        ],
    )?;
    rows.first().map_or(Ok(false), |row| row.expect(1))
}

/// What the user did of this operation within the free tier's window.
pub fn free_activity(spi: &Spi, sees: Sees, user: Uuid, operation: &str) -> Result<Activity> {
    let window = Arg::Int(free_tier::WINDOW_DAYS);
    let rows = spi.query(
        &FREE_ACTIVITY,
        sees,
        &[
            Arg::Uuid(Some(user)),
            Arg::Text(Some(operation)),
            Arg::Text(Some(&refund_of(operation))),
            window,
        ],
    )?;
    let (uses, refunds) = match rows.first() {
        Some(row) => (row.expect(1)?, row.expect(2)?),
        None => (0, 0),
    };
    let sessions = if free_tier::sessions_count(operation) {
        let rows = spi.query(&SESSIONS, sees, &[Arg::Uuid(Some(user)), window])?;
        rows.first().map_or(Ok(0), |row| row.expect(1))?
    } else {
        0
    };
    Ok(Activity {
        uses,
        refunds,
        sessions,
    })
}

/// The use with this reference, however long ago.
pub fn use_by_reference(
    spi: &Spi,
    user: Uuid,
    operation: &str,
    reference: Uuid,
) -> Result<Option<Use>> {
    let rows = spi.query(
        &USE_BY_REFERENCE,
        Sees::LatestCommitted,
        &[
            Arg::Uuid(Some(user)),
            Arg::Text(Some(operation)),
            Arg::Uuid(Some(reference)),
        ],
    )?;
    rows.first().map(|row| Use::from_row(&row)).transpose()
}

/// The latest use of the window that was not refunded.
pub fn latest_use_not_refunded(spi: &Spi, user: Uuid, operation: &str) -> Result<Option<Use>> {
    let rows = spi.query(
        &LATEST_USE_NOT_REFUNDED,
        Sees::LatestCommitted,
        &[
            Arg::Uuid(Some(user)),
            Arg::Text(Some(operation)),
            Arg::Text(Some(&refund_of(operation))),
            Arg::Int(free_tier::WINDOW_DAYS),
        ],
    )?;
    rows.first().map(|row| Use::from_row(&row)).transpose()
}
