//! What must be true: one practice after the other, each changed by one client at a time, and the practices that all
//! clients charge at once.

pub mod books;
pub mod crowd;
pub mod months;
pub mod records;
pub mod statement;

use uuid::Uuid;

use books::{Books, Written};
use records::Records;

/// A user, and everything the database must have about them.
pub struct Practice {
    pub user: Uuid,
    pub books: Books,
    pub records: Records,
    /// References that were sent with a charge.
    pub references: Vec<(&'static str, Uuid)>,
    /// What Stripe has said of the subscription, for what it says again, late and out of order.
    pub webhooks: Vec<Written>,
    /// Sessions of packs that were bought or paid back, with their credits.
    pub packs: Vec<(String, i64)>,
    /// A violation was found in it: what is expected is not known any more.
    pub is_broken: bool,
}

impl Practice {
    pub fn new(user: Uuid) -> Self {
        Practice {
            user,
            books: Books::default(),
            records: Records::default(),
            references: Vec::new(),
            webhooks: Vec::new(),
            packs: Vec::new(),
            is_broken: false,
        }
    }
}
