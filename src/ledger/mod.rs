//! Credits on top of the tables: who is charged, under which lock, and what
//! the ledger (`credit_usage`) remembers. The arithmetic is `auria_credits`'.
//!
//! | file | what |
//! |---|---|
//! | `account` | a user's subscription row, read or locked |
//! | `entry` | rows of the ledger |
//! | `spend` | use_credits, can_use_credits |
//! | `refund` | refund_credits |
//! | `purchase` | add_bonus_credits |
//! | `settle` | the monthly resets |
//! | `reset` | the monthly reset in batches that are committed |
//! | `cases` | the case limits from before there were credits |
//!
//! Locks are taken in one order: the subscription's row, then the user's
//! free-tier lock. The row serialises everyone who spends from its pool; the
//! other lock serialises a user who may have no row.

mod account;
mod cases;
mod entry;
mod purchase;
mod refund;
mod reset;
mod settle;
mod spend;

pub use cases::{can_create_case, increment_case_usage, reset_case_usage};
pub use purchase::add_bonus;
pub use refund::refund;
pub use settle::reset_with_rollover;
pub use spend::{can_spend, cost_of, spend};
