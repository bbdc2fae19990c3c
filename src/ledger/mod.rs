//! Credits on top of the tables: who is charged, under which lock, and what
//! the ledger (`credit_usage`) remembers. The arithmetic is `auria_credits`'.
//!
//! | file | what |
//! |---|---|
//! | `spend` | use_credits, can_use_credits |
//! | `refund` | refund_credits |
//! | `decide` | what a charge and a refund change, as plain values |
//! | `books` | what both need of the tables; `rows` does it without SQL, `sql` by SQL |
//! | `free` | what a user does without a subscription that counts |
//! | `account` | a user's subscription row, read or locked |
//! | `counters` | the counters of that row |
//! | `prices` | costs and plans, as configured now |
//! | `uses` | uses that the ledger remembers |
//! | `tables` | the columns of the tables |
//! | `refusal` | how many charges were refused, for `auria.metrics()` |
//! | `purchase` | add_bonus_credits, revoke_bonus_credits |
//! | `settle` | the monthly resets |
//! | `reset` | the monthly reset in batches that are committed |
//! | `cases` | the case limits from before there were credits |
//! | `row_change` | what any statement that writes a subscription's row does to its credits: months, plans, records |
//! | `announced` | which change of the counters the ledger or an event explains |
//! | `months` | the months that are over, for those who only ask |
//! | `events` | what moves credits and is no charge and no refund: `credit_events` |
//! | `statement` | `auria.credit_statement()` |
//! | `time` | PostgreSQL's times as the rules read them |
//! | `checks` | the doctor's checks |
//! | `check.sql` | what the doctor asks: does each counter agree with the ledger? |
//!
//! Locks are taken in one order: the user's free-tier lock, then the subscription's
//! row, then a row of the ledger. The free-tier lock serialises the free uses of a
//! user, who may have no subscription, and whoever may have to make one; the
//! subscription's row serialises everyone who spends from its pool or gives back to
//! it; the row of a use serialises those who refund it.

mod account;
mod announced;
mod books;
mod cases;
pub mod checks;
mod counters;
mod decide;
mod events;
mod free;
mod months;
mod prices;
mod purchase;
mod refund;
mod refusal;
mod reset;
mod row_change;
mod rows;
mod settle;
mod spend;
mod sql;
mod statement;
mod tables;
mod time;
mod uses;

use std::ffi::CStr;

use pgrx::PgSqlErrorCode;

use crate::error::{self, Result};
use crate::pg::caught;
use crate::pg::relation::ForeignKeys;

pub use cases::{can_create_case, increment_case_usage};
pub use purchase::{add_bonus, revoke_bonus};
pub use refund::refund;
pub use row_change::{record_row, settle_row};
pub use settle::reset_with_rollover;
pub use spend::{can_spend, cost_of, spend};
pub use statement::{Line, of as statement_of};

/// The doctor's question: one line for each subscription whose counter does not
/// agree with its entries since the reset.
pub const CHECK: &str = include_str!("check.sql");

/// Runs `work`, which writes a row for a user into this table of schema public.
/// Whether there is such a user is for the foreign key to say: row-level
/// security hides `auth.users` from the role that owns these functions. Every
/// other error, of another foreign key too, goes on as it is.
fn naming_unknown_user(table: &CStr, work: impl FnOnce() -> Result<()>) -> Result<()> {
    // Looked up first: after an error nothing can be.
    let rules = ForeignKeys::of(table, c"user_id", (c"auth", c"users"));
    caught::catching(work).unwrap_or_else(|error| {
        let is_unknown = error.code == PgSqlErrorCode::ERRCODE_FOREIGN_KEY_VIOLATION && rules.are_named_by(&error);
        if is_unknown { error.saying(&error::unknown_user()).raise() } else { error.raise() }
    })
}
