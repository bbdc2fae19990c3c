//! Patient data: keys, triggers, limits, backfill, and agreement with pgcrypto.

mod backfill;
mod ciphertexts;
mod keys;
mod limits;
mod memory;
mod pgcrypto;
mod reads;
mod secrecy;
mod triggers;
mod vault;
