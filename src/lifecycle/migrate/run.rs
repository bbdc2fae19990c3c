//! What the steps work on and leave behind.

use super::Scope;
use super::warnings::Report;
use crate::pg::spi::Spi;
use crate::phi::columns::PhiTable;
use crate::schema::Migration;
use crate::schema::owner::Owner;

/// A migration of the schema on its way through the steps.
pub struct Run<'a> {
    pub spi: &'a Spi,
    pub scope: Scope,
    /// The role that owns the schema.
    pub owner: Owner,
    /// The schema where pg_trgm lives, quoted for use in SQL.
    pub trigram_schema: String,
    /// The migrations to apply.
    pub due: Vec<&'static Migration>,
    /// The tables that the original had brought to `public.*_raw`.
    pub raw: Vec<&'static PhiTable>,
    /// The tables that were sealed before.
    pub sealed: Vec<&'static PhiTable>,
    /// The migrations that were applied.
    pub applied: Vec<Applied>,
    /// What concerns no migration: functions and policies.
    pub report: Report,
}

/// One migration that was applied.
pub struct Applied {
    pub number: i32,
    pub name: &'static str,
    pub warnings: Vec<String>,
}
