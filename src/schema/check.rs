//! A check of `auria.doctor()`: exported by the module that it is about, and run by `lifecycle::doctor`, which has the list.

use crate::error::Result;
use crate::pg::spi::{Arg, Spi};

/// What restores what the migrations made.
pub const REMEDY: &str = "run SELECT * FROM auria.migrate(again => true)";

/// One check of the database.
pub struct Check {
    /// What is checked.
    pub name: &'static str,
    /// Whether it reads rows of dentists: the more there are, the longer.
    pub reads_rows: bool,
    /// It reads only, with the rights of the schema's owner.
    pub run: fn(&Spi) -> Result<Findings>,
}

impl Check {
    /// A check that costs the same however many rows there are.
    pub const fn of_catalogue(name: &'static str, run: fn(&Spi) -> Result<Findings>) -> Self {
        Self { name, reads_rows: false, run }
    }

    /// A check that reads rows.
    pub const fn of_rows(name: &'static str, run: fn(&Spi) -> Result<Findings>) -> Self {
        Self { name, reads_rows: true, run }
    }
}

/// The result of a check. It names objects, counts and ids; never patient data, never a key.
#[derive(Default)]
pub struct Findings {
    /// What is wrong.
    pub failures: Vec<String>,
    /// What is worth knowing and wrong with nothing.
    pub notes: Vec<String>,
}

impl From<Vec<String>> for Findings {
    fn from(failures: Vec<String>) -> Self {
        Self { failures, notes: Vec::new() }
    }
}

impl Findings {
    /// The rows of a query, each a failure.
    pub fn of_rows(spi: &Spi, sql: &str, args: &[Arg<'_>]) -> Result<Self> {
        lines(spi, sql, args).map(Self::from)
    }

    /// Adds a failure, or a note.
    pub fn add(&mut self, text: String, is_failure: bool) {
        if is_failure { self.failures.push(text) } else { self.notes.push(text) }
    }
}

/// The first column of each row, as the caller's snapshot shows them.
pub fn lines(spi: &Spi, sql: &str, args: &[Arg<'_>]) -> Result<Vec<String>> {
    spi.read_once(sql, args)?.column()
}
