//! What comes of work that is tried without SQL.

use std::fmt;

use crate::error::{Error, Result};

/// Done, or not: `?` passes both on, that SQL has to do it and an error.
pub type Direct<T> = Result<T, Undone>;

/// Why something was not done without SQL. Nothing has been written then.
#[derive(Debug)]
pub enum Undone {
    /// SQL has to do it.
    BySql(Reason),
    /// SQL would fail in the same way.
    Failed(Error),
}

/// Why SQL has to do it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    IsolationLevel,
    Parallel,
    Audited,
    Replication,
    NoTable,
    NoPlainHeap,
    NotTheOwners,
    UpdateDoesMore,
    InsertDoesMore,
    NoIndex,
    NoReference,
    RowChanged,
    NoRow,
    NotCached,
    FreeTier,
    MonthIsOver,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IsolationLevel => "the transaction keeps its snapshot, or has none",
            Self::Parallel => "the transaction runs in parallel",
            Self::Audited => "an extension checks what each statement touches",
            Self::Replication => "session_replication_role is not origin",
            Self::NoTable => "a table or column is missing or has another type",
            Self::NoPlainHeap => "a table is no plain heap",
            Self::NotTheOwners => "the role in force does not own a table with all rights, or rules or policies apply",
            Self::UpdateDoesMore => "an UPDATE may do more than to write the row",
            Self::InsertDoesMore => "an INSERT may do more than to write the row",
            Self::NoIndex => "no index finds every row",
            Self::NoReference => "a referenced row was not found",
            Self::RowChanged => "a row changed meanwhile",
            Self::NoRow => "there is no row",
            Self::NotCached => "prices and plans are not cached",
            Self::FreeTier => "no pool pays for it",
            Self::MonthIsOver => "the month is over and not settled",
        })
    }
}

impl From<Reason> for Undone {
    fn from(reason: Reason) -> Self {
        Self::BySql(reason)
    }
}

impl From<Error> for Undone {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Leaves it to SQL unless the condition is met.
pub fn require(condition: bool, reason: Reason) -> Result<(), Reason> {
    if condition { Ok(()) } else { Err(reason) }
}

/// What was done directly, or else by SQL; the reason is logged at level DEBUG1.
pub fn or_by_sql<T>(done: Direct<T>, by_sql: impl FnOnce() -> Result<T>) -> Result<T> {
    match done {
        Ok(value) => Ok(value),
        Err(Undone::Failed(error)) => Err(error),
        Err(Undone::BySql(reason)) => {
            pgrx::debug1!("auria: by SQL, as {reason}");
            by_sql()
        }
    }
}
