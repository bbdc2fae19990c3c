//! Uses that the ledger, `public.credit_usage`, remembers.
//!
//! Their order is that of `entry`, a number that is drawn while the subscription's row
//! or the user's free tier is locked; the clock (`created_at`) only decides whether a use is
//! within the last 30 days.
//!
//! A use is open until its refund is written; then each names the other in
//! `counterpart`. So the latest open use is the first of an index scan, however
//! many uses a user has, and a concurrent refund of the same use finds it no
//! longer open when it gets the row's lock.

use auria_credits::Sources;
use pgrx::datum::TimestampWithTimeZone;
use uuid::Uuid;

use super::tables::usage;
use crate::error::Result;
use crate::pg::spi::{Snapshot, Spi};
use crate::pg::transaction;
use crate::pg::value::Fields;
use crate::{args, statement};

statement! {
    IS_CHARGED = "SELECT EXISTS (SELECT FROM public.credit_usage \
         WHERE user_id = $1 AND operation = $2 AND reference_id = $3 AND counterpart = 0)";

    /// One that is open before those that were refunded.
    USE_BY_REFERENCE =
        concat!(include_str!("select_use.sql"), "AND reference_id = $3 ORDER BY counterpart LIMIT 1");

    LATEST_OPEN_USE =
        concat!(include_str!("select_use.sql"), "AND counterpart = 0 ORDER BY entry DESC LIMIT 1");
}

/// A use that the ledger remembers.
pub struct Use {
    pub id: Uuid,
    /// Its place in the order of the ledger.
    pub entry: i64,
    /// The subscription it was recorded under, unless that is gone.
    pub subscription: Option<Uuid>,
    /// What was charged then.
    pub credits: i32,
    /// The same, by where it came from.
    pub charged: Sources,
    /// Whether no pool paid for it.
    pub is_free: bool,
    pub created_at: TimestampWithTimeZone,
    /// Whether it has not been refunded.
    pub is_open: bool,
    pub reference: Option<Uuid>,
}

impl Use {
    /// Reads the columns of `select_use.sql`, which are the first of the table's description.
    pub(super) fn from_fields(row: &impl Fields) -> Result<Self> {
        let credits = row.expect(usage::CREDITS)?;
        Ok(Self {
            id: row.expect(usage::ID)?,
            entry: row.expect(usage::ENTRY)?,
            subscription: row.get(usage::SUBSCRIPTION)?,
            credits,
            charged: Sources::of_use(credits, row.expect(usage::FROM_ROLLOVER)?, row.expect(usage::FROM_BONUS)?),
            is_free: row.expect(usage::IS_FREE)?,
            created_at: row.expect(usage::CREATED_AT)?,
            is_open: row.expect::<i64>(usage::COUNTERPART)? == 0,
            reference: row.get(usage::REFERENCE)?,
        })
    }

    /// Whether it is of the last hours, as many as this.
    pub fn is_within(&self, hours: i32) -> bool {
        self.created_at > transaction::hours_from_start(-hours)
    }
}

/// Whether the reference is charged, and not refunded.
pub fn is_charged(spi: &Spi, user: Uuid, operation: &str, reference: Uuid) -> Result<bool> {
    let rows = spi.query(&IS_CHARGED, Snapshot::Latest, args![user, operation, reference])?;
    Ok(rows.one()?.unwrap_or(false))
}

/// The use with this reference, the open one before those that were refunded; else the
/// latest open one.
pub fn find(spi: &Spi, user: Uuid, operation: &str, reference: Option<Uuid>) -> Result<Option<Use>> {
    let rows = match reference {
        Some(reference) => spi.query(&USE_BY_REFERENCE, Snapshot::Latest, args![user, operation, reference])?,
        None => spi.query(&LATEST_OPEN_USE, Snapshot::Latest, args![user, operation])?,
    };
    rows.first().map(|row| Use::from_fields(&row)).transpose()
}
