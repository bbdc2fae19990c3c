//! Giving back: `refund_credits`.

use auria_credits::REFUND_HOURS;
use uuid::Uuid;

use super::books::{Books, FreeUses};
use super::decide::{self, check_operation};
use super::rows;
use super::sql::BySql;
use super::uses::Use;
use crate::error::{self, Result};
use crate::pg::direct::or_by_sql;
use crate::pg::spi;
use crate::pg::{extension, transaction};

/// Gives back the latest use not refunded, or the one with this reference;
/// false when there is none.
pub fn refund(user: Uuid, operation: &str, reference: Option<Uuid>) -> Result<bool> {
    check_operation(operation)?;
    // A free use may be under way that began before there was a subscription; and two refunds of uses whose
    // subscription is gone make one.
    let free_uses = FreeUses::Locked;
    or_by_sql(rows::with_account(user, free_uses, |books| give_back(books, operation, reference)), || {
        // The functions declare no search path.
        extension::with_fixed_path(|| {
            spi::connected(|spi| BySql::with(spi, user, free_uses, |books| give_back(books, operation, reference)))
        })
    })
}

fn give_back<B: Books>(books: &mut B, operation: &str, reference: Option<Uuid>) -> Result<bool, B::Stop> {
    loop {
        let found = books.find_use(operation, reference)?;
        let is_in_time = |given: &Use| reference.is_some() || given.is_within(REFUND_HOURS);
        let Some((given, place)) = found.filter(|(given, _)| is_in_time(given)) else {
            return Ok(false);
        };
        if !given.is_open {
            return Ok(true);
        }
        // A use that cost nothing took nothing from a pool.
        if !given.is_free && given.credits != 0 {
            let refund = decide::refund(books.account_to_credit()?, operation, &given)?;
            books.refund(&given, place, &refund)?;
            return Ok(true);
        }
        if books.refund_free(&given, &decide::free_refund(operation, &given)?)? {
            return Ok(true);
        }
        // Somebody else refunded it while this waited for its row: look again,
        // unless this transaction cannot see what others do.
        if transaction::keeps_its_snapshot() {
            return Err(error::not_serialisable().into());
        }
    }
}
