//! What a user does without a subscription that counts. Only by SQL: there is no row to lock, and none to change.

use auria_credits::free_tier::{self, Activity};
use uuid::Uuid;

use super::prices::Prices;
use crate::error::Result;
use crate::pg::advisory::{self, Lock};
use crate::pg::spi::{Snapshot, Spi};
use crate::{args, statement};

statement! {
    /// A reference that was charged meanwhile conflicts, and nothing is written.
    RECORD = "INSERT INTO public.credit_usage \
               (user_id, subscription_id, operation, credits_used, reference_id, created_at, is_free) \
        VALUES ($1, $2, $3, $4, $5, clock_timestamp(), true) \
            ON CONFLICT DO NOTHING";

    USES = "SELECT count(*) FROM public.credit_usage \
         WHERE user_id = $1 AND operation = $2 AND is_free AND counterpart = 0 \
           AND created_at > now() - make_interval(hours => $3)";

    /// Sessions whose charge, if there was one, is in no ledger. A user who has
    /// entries from before the installation had a ledger then.
    SESSIONS_BEFORE = include_str!("sessions_before.sql");
}

/// The number of advisory locks that serialise the free tier, and so the most that a
/// transaction takes, whatever the number of its users: each has an entry in the server's
/// lock table, which is small.
const LOCKS: u32 = 2048;

/// Serialises the free uses of one user, who may have no row to lock. Users
/// that share a lock merely wait for each other.
pub fn lock(user: Uuid) {
    let bytes = user.as_bytes();
    // The last bytes of an id are the random ones in every version.
    let key = u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
    advisory::lock(Lock::FreeTier, key % LOCKS);
}

/// A user on the free tier.
pub struct FreeTier<'spi> {
    spi: &'spi Spi,
    user: Uuid,
}

impl<'spi> FreeTier<'spi> {
    pub fn of(spi: &'spi Spi, user: Uuid) -> Self {
        Self { spi, user }
    }

    /// Whether the user may do this once more.
    pub fn allows(&self, snapshot: Snapshot, operation: &str) -> Result<bool> {
        let args = args![self.user, operation, free_tier::WINDOW_HOURS];
        let count = |statement| -> Result<i64> { Ok(self.spi.query(statement, snapshot, args)?.one()?.unwrap_or(0)) };
        let activity = Activity {
            uses: count(&USES)?,
            sessions_before: if free_tier::sessions_count(operation) { count(&SESSIONS_BEFORE)? } else { 0 },
        };
        Ok(free_tier::allows(operation, activity))
    }

    /// Writes a use to the ledger, under the subscription that does not count if there is
    /// one; false if it is one too many. Written or not, its reference is charged then.
    pub fn charge(&self, subscription: Option<Uuid>, operation: &str, reference: Option<Uuid>) -> Result<bool> {
        if !self.allows(Snapshot::Latest, operation)? {
            return Ok(false);
        }
        let cost = Prices::find(self.spi, Snapshot::New, None, operation)?.cost;
        super::naming_unknown_user(c"credit_usage", || {
            let args = args![self.user, subscription, operation, cost, reference];
            self.spi.query(&RECORD, Snapshot::New, args).map(drop)
        })?;
        Ok(true)
    }
}
