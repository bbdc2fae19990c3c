//! The extension from outside: a real server, real sessions, the roles of a front end. One module per area.

// A test that cannot do its work stops there.
#![allow(clippy::unwrap_used)]

mod access;
mod adoption;
mod adoption_refusals;
mod adoption_states;
mod catalogue;
mod crash;
mod credit_refusals;
mod credits;
mod doctor;
mod dump_restore;
mod harness_works;
mod install;
mod legacy;
#[cfg(feature = "matrix")]
mod matrix;
mod memory;
mod packaging;
mod phi_backfill;
mod phi_docs;
mod phi_keys;
mod phi_limits;
mod phi_pgcrypto;
mod phi_secrecy;
mod phi_triggers;
mod races;
mod readme;
mod replicas;
mod reset_in_batches;
mod runbook;
mod schedule;
mod schema;
mod settings;
mod settlement;
mod share_token;
mod sign_up;
mod storage;
mod upgrade;
