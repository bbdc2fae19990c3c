//! Refused charges, counted per operation in sequences of schema `auria`, for
//! `auria.metrics()`.
//!
//! A refusal changes no row, by contract, and its transaction may be rolled
//! back. A sequence counts it all the same, without a lock that others wait
//! for; WAL is written for one number in 32. A charge that is allowed costs
//! nothing here.

use crate::error::Result;
use crate::pg::spi::{Snapshot, Spi};
use crate::{args, statement};

statement! {
    /// The sequence of the operation, else that of all others. Without one that
    /// the schema's owner may use, nothing is counted, and the call goes on.
    COUNT = include_str!("refused.sql");
}

/// Counts a charge that was refused.
pub fn count_refusal(spi: &Spi, operation: &str) -> Result<()> {
    spi.query(&COUNT, Snapshot::New, args![operation]).map(drop)
}
