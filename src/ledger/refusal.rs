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
    COUNT = "SELECT pg_catalog.nextval(counter.oid) \
        FROM (SELECT c.oid FROM pg_catalog.pg_class c \
               WHERE c.relnamespace = 'auria'::pg_catalog.regnamespace AND c.relkind = 'S' \
                 AND c.relname IN ('refused_' || $1, 'refused_other') \
                 AND pg_catalog.has_sequence_privilege(c.oid, 'USAGE') \
               ORDER BY c.relname = 'refused_other' LIMIT 1) AS counter";
}

/// Counts a charge that was refused.
pub fn count_refusal(spi: &Spi, operation: &str) -> Result<()> {
    spi.query(&COUNT, Snapshot::New, args![operation]).map(drop)
}
