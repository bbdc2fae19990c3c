//! What a charge and a refund need of their tables. Two implementations leave the same rows: `rows` finds
//! and writes them without SQL where the tables are ordinary, and `sql` everywhere.

use uuid::Uuid;

use super::account::Account;
use super::decide::{Entry, Posting};
use super::prices::Prices;
use super::uses::Use;
use crate::error::Error;

/// Whether the user's free uses are locked before the subscription, in the one order of locks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FreeUses {
    /// They are.
    Locked,
    /// Only of a user whose subscription does not count, or who has none: a charge of every other one does not look at
    /// them.
    LockedWithoutPool,
}

/// A user's subscription, locked until the transaction ends, and the ledger.
pub trait Books {
    /// What ends the work early: an error, or also that SQL has to do it.
    type Stop: From<Error>;
    /// Where a use was found.
    type Place;

    /// The subscription, if there is one.
    fn account(&self) -> Option<&Account>;

    /// The subscription, made where there is none: what a subscription paid for that is gone
    /// is given back all the same.
    fn account_to_credit(&mut self) -> Result<&Account, Self::Stop>;

    /// Charges a free use; false if it is one too many.
    fn charge_free(&self, operation: &str, reference: Option<Uuid>) -> Result<bool, Self::Stop>;

    /// What the operation costs, and what the plan grants, as configured now.
    fn prices(&self, plan: Option<&str>, operation: &str) -> Result<Prices, Self::Stop>;

    /// Whether the reference is charged, and not refunded.
    fn is_charged(&self, operation: &str, reference: Uuid) -> Result<bool, Self::Stop>;

    /// Writes a charge: counters and ledger.
    fn charge(&self, charge: &Posting<'_>) -> Result<(), Self::Stop>;

    /// The use with this reference, the open one before those that were refunded; else the
    /// latest open one.
    fn find_use(&self, operation: &str, reference: Option<Uuid>) -> Result<Option<(Use, Self::Place)>, Self::Stop>;

    /// Writes a refund: the use, counters and ledger.
    fn refund(&self, given: &Use, place: Self::Place, refund: &Posting<'_>) -> Result<(), Self::Stop>;

    /// Writes a refund of a use that took nothing from a pool; false when somebody else did meanwhile.
    fn refund_free(&self, given: &Use, refund: &Entry<'_>) -> Result<bool, Self::Stop>;
}
