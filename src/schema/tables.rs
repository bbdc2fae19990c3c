//! Checks of what is there: tables, row security, and the extension that indexes of names build on.

use super::check::Findings;
use super::{TABLES, citus};
use crate::args;
use crate::error::Result;
use crate::pg::spi::Spi;

/// Whether every table is there, on this server.
pub fn missing(spi: &Spi) -> Result<Findings> {
    let mut findings = Findings::of_rows(
        spi,
        "SELECT 'public.' || name || ' is missing: run SELECT * FROM auria.migrate(again => true)' \
           FROM pg_catalog.unnest($1) AS name \
          WHERE pg_catalog.to_regclass('public.' || name) IS NULL",
        args![TABLES],
    )?;
    citus::check(spi, &mut findings)?;
    Ok(findings)
}

/// Whether row security is on, and not for the owner.
pub fn row_security(spi: &Spi) -> Result<Findings> {
    Findings::of_rows(spi, include_str!("row_security.sql"), args![TABLES])
}

/// Whether pg_trgm is there.
pub fn trigrams(spi: &Spi) -> Result<Findings> {
    Findings::of_rows(
        spi,
        "SELECT 'missing: run CREATE EXTENSION pg_trgm' \
          WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'pg_trgm')",
        &[],
    )
}

/// Whether a table or view of this name, with its schema, is there.
pub fn exists(spi: &Spi, name: &str) -> Result<bool> {
    spi.exists("SELECT WHERE pg_catalog.to_regclass($1) IS NOT NULL", args![name])
}
