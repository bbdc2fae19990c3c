//! The sealed layout: tables whose patient data stands nowhere in the clear,
//! and views in their place that clients use as they used the tables.
//!
//! | file | what |
//! |---|---|
//! | `read` | opening a value for whoever may see it |
//! | `write` | the trigger functions of the views |
//! | `decide` | what a write does to each column: keep, erase, encrypt, take |
//! | `digests` | the digests that keep a dentist's names apart |
//! | `replica` | writes under `session_replication_role = replica`, which no trigger would store |
//! | `statement` | statements on the stored tables, their guard, their errors |
//! | `stored` | what a stored table is, and the lock of its rows |

mod decide;
mod digests;
pub mod read;
mod replica;
mod statement;
mod stored;
mod write;

pub use replica::refuse_what_is_stored_nowhere;
