//! The one module that speaks to PostgreSQL's C interface. All `unsafe` of this
//! extension is here, each block with a note of what makes it sound; what the
//! modules offer to the outside is safe to call from a backend's main thread,
//! which is the only place this library runs.

#![allow(unsafe_code)]

pub mod advisory;
pub mod array;
pub mod audit;
pub mod boundary;
pub mod bytes;
pub mod calendar;
pub mod caught;
pub mod compat;
pub mod direct;
pub mod extension;
pub mod file;
mod image;
pub mod log;
pub mod memory;
pub mod panic;
mod plain_table;
pub mod planner;
pub mod procedure;
pub mod random;
pub mod relation;
mod relcache;
pub mod replica_role;
pub mod roles;
mod running;
pub mod sequence;
pub mod session;
pub mod small_table;
pub mod spi;
pub mod transaction;
pub mod trigger;
pub mod value;
