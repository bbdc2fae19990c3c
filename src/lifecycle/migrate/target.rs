//! The tables that migrations work on: what is ensured on them, their rows and owners.

use pgrx::pg_sys;

use crate::args;
use crate::error::{self, Result};
use crate::pg::spi::{Spi, quoted_identifier};

/// A constraint or an index that is ensured: its table and its name.
pub struct Target<'a> {
    pub spi: &'a Spi,
    pub table: &'a str,
    pub name: &'a str,
}

impl Target<'_> {
    /// The name, quoted where SQL needs it.
    pub fn quoted(&self) -> String {
        quoted_identifier(self.name)
    }

    /// Runs ALTER TABLE with this change.
    pub fn alter(&self, change: &str) -> Result<()> {
        self.spi.execute_script(&format!("ALTER TABLE {} {change}", self.table))
    }
}

/// How many rows `SELECT count(*) FROM …` counts.
pub fn count(spi: &Spi, from: &str) -> Result<i64> {
    let rows = spi.query_once(&format!("SELECT count(*) {from}"), &[])?;
    Ok(rows.one()?.unwrap_or(0))
}

/// The role that owns a relation which a migration names.
pub fn owner_of(spi: &Spi, relation: &str) -> Result<pg_sys::Oid> {
    let rows = spi.query_once(
        "SELECT relowner FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass($1)",
        args![relation],
    )?;
    rows.one()?.ok_or_else(|| error::unexpected_null("a relation of a migration"))
}
