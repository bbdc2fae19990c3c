//! Patient data: keys, triggers, limits, backfill, and agreement with pgcrypto.

mod backfill;
mod keys;
mod limits;
mod pgcrypto;
mod secrecy;
mod triggers;
