//! Which change of a subscription's counters the ledger or an event explains: a function of this extension that writes
//! by SQL announces it to the triggers of the row, which record every other change as somebody's adjustment.
//!
//! An announcement lasts as long as the call that writes. It is taken back by a drop, so that no error leaves one.

use std::cell::Cell;

use pgrx::datum::TimestampWithTimeZone;
use uuid::Uuid;

use super::counters::Counters;

/// A change that is being written.
#[derive(Clone, Copy)]
pub struct Announced {
    pub subscription: Uuid,
    /// The counters as they were read, under the row's lock.
    pub before: Counters,
    pub after: Counters,
    /// When it was decided: a month that ends later is not settled by it.
    pub at: TimestampWithTimeZone,
}

thread_local! {
    static ANNOUNCED: Cell<Option<Announced>> = const { Cell::new(None) };
}

struct TakenBack(Option<Announced>);

impl Drop for TakenBack {
    fn drop(&mut self) {
        ANNOUNCED.set(self.0);
    }
}

impl Announced {
    /// Runs `work`, which writes this change.
    pub fn during<T>(self, work: impl FnOnce() -> T) -> T {
        let _outer = TakenBack(ANNOUNCED.replace(Some(self)));
        work()
    }

    /// The change of this subscription that is being written, if its row was as this says before. A trigger of a team's
    /// that writes the same row once more finds another.
    pub fn of(subscription: Uuid, before: Counters) -> Option<Self> {
        ANNOUNCED.get().filter(|announced| announced.subscription == subscription && announced.before == before)
    }
}
