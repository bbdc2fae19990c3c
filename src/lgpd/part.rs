//! Whom a request is about, and the rows of one table that belong to them.

use std::collections::{BTreeMap, BTreeSet};

use pgrx::pg_sys;

use crate::pg::spi::quoted_identifier;
use crate::phi::columns::PhiColumn;

/// Whom a request is about. In every condition their id is `$1`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// A dentist.
    User,
    /// A patient; without `by_name`, no encrypted name is compared.
    Patient {
        /// Whether rows that carry the patient's name alone are looked for.
        by_name: bool,
    },
}

impl Subject {
    /// As `tables.sql` and a report call them.
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Patient { .. } => "patient",
        }
    }
}

/// A table with rows that belong to the subject.
pub struct Part {
    /// The stored table, quoted.
    pub stored: String,
    /// The table or view, quoted, through which it is read and written.
    pub relation: String,
    /// Which of its rows, called `t`, belong to the subject.
    pub condition: String,
    /// Whether they belong to the subject only because of other rows: then of
    /// which tables.
    pub through: BTreeSet<String>,
    /// Why its rows cannot be reached.
    pub out_of_reach: Option<String>,
    /// Tables of one number refer to each other, and their rows are deleted by
    /// one statement.
    pub cycle: usize,
    /// A team's triggers and rules for DELETE.
    pub keepers: Vec<String>,
    /// Whether it has rules for DELETE, which no statement in a WITH may have.
    pub has_rules: bool,
    /// The columns whose value is the id of whom the row belongs to.
    pub owned_by: Vec<String>,
    /// The columns, called `t.name`, by which a row is found again: the primary
    /// key, or those that say whose the row is.
    pub(super) key: Vec<String>,
    /// The columns, and the types that they are stored as.
    pub(super) columns: BTreeMap<String, pg_sys::Oid>,
}

impl Part {
    /// Whether it has a column of this name.
    pub fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column)
    }

    /// Whether it is stored without the plain values.
    pub fn is_sealed(&self) -> bool {
        self.stored != self.relation
    }

    /// Whether it has the encrypted column. A sealed table has all.
    pub fn stores_encrypted(&self, column: &PhiColumn) -> bool {
        self.is_sealed() || self.has(column.encrypted_name())
    }

    /// The key of a row, as text.
    pub fn row_key(&self) -> String {
        format!("pg_catalog.format('%s', ROW({}))", self.key.join(", "))
    }

    /// A column of row `t` whose type is an id's, and whether that is uuid;
    /// `None` where there is no such column.
    pub(super) fn id_column(&self, name: &str) -> Option<(String, bool)> {
        let oid = *self.columns.get(name)?;
        let is_id =
            [pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::VARCHAROID, pg_sys::BPCHAROID, pg_sys::INT8OID].contains(&oid);
        is_id.then(|| (format!("t.{}", quoted_identifier(name)), oid == pg_sys::UUIDOID))
    }

    /// The condition that a row has the id `$1` in one of these columns.
    pub(super) fn has_id_in(&self, columns: &[String]) -> String {
        let comparisons: Vec<String> = columns
            .iter()
            .filter_map(|name| self.id_column(name))
            .map(|(column, is_uuid)| match is_uuid {
                true => format!("{column} = $1"),
                false => format!("{column}::pg_catalog.text = $1::pg_catalog.text"),
            })
            .collect();
        comparisons.join(" OR ")
    }

    /// The condition for the stored table's rows, where a view decrypts what
    /// the condition asks about.
    pub fn stored_condition(&self) -> String {
        if self.stored == self.relation {
            return self.condition.clone();
        }
        format!("t.id IN (SELECT t.id FROM {} AS t WHERE {})", self.relation, self.condition)
    }
}
