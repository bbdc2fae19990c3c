//! The report of an erasure: what was done, and what is left to do.

use pgrx::prelude::*;

/// The result rows of SQL: action, object, number of rows, detail. A function for SQL writes the type out,
/// as pgrx reads it from there.
type Reported = TableIterator<
    'static,
    (name!(action, String), name!(object, String), name!(row_count, Option<i64>), name!(detail, Option<String>)),
>;

/// What was done, or is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Rows of the table were removed.
    Removed,
    /// They stay.
    Kept,
    /// They should be gone and may not be.
    NotReached,
    /// A file of the platform's is to be deleted.
    DeleteFile,
    /// The log has an entry.
    Recorded,
    /// The caller has to do it.
    ToDo,
    /// Nobody is stored who is meant.
    NotFound,
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Kept => "kept",
            Self::NotReached => "not reached",
            Self::DeleteFile => "delete file",
            Self::Recorded => "recorded",
            Self::ToDo => "to do",
            Self::NotFound => "not found",
        }
    }
}

/// A row of the report.
pub struct Line {
    /// What was done.
    pub action: Action,
    /// To which table, file or command.
    pub object: String,
    /// The number of rows, where it is known.
    pub rows: Option<i64>,
    detail: Option<String>,
}

impl Line {
    /// A number of rows.
    pub fn counted(action: Action, object: impl Into<String>, rows: i64) -> Self {
        Self { action, object: object.into(), rows: Some(rows), detail: None }
    }

    /// Something that is explained.
    pub fn explained(action: Action, object: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { action, object: object.into(), rows: None, detail: Some(detail.into()) }
    }

    /// The same, explained.
    pub fn because(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }
}

/// The lines as a result of SQL.
pub fn reported(lines: Vec<Line>) -> Reported {
    let rows = lines.into_iter();
    TableIterator::new(rows.map(|line| (line.action.word().to_owned(), line.object, line.rows, line.detail)))
}
