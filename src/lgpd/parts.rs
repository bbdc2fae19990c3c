//! Which rows of which table belong to a person. Derived from the catalogue, so
//! that a table that a team has added is found like one of the migrations:
//!
//! 1. A row belongs to a user by a column `user_id`, or by a foreign key to
//!    `auth.users` that would delete it with the user or keep the user from
//!    being deleted. A foreign key that would clear its column only mentions
//!    the user.
//! 2. A row belongs to a patient by a column `patient_id` or a foreign key to
//!    the patients; by the session of one of the patient's evaluations; an
//!    evaluation without `patient_id` and a draft also by the patient's name.
//! 3. A row that belongs to nobody directly belongs to whom the rows belong
//!    that it refers to.

use super::catalogue::{self, Catalogue, TableId};
use super::part::{Part, Subject};
use super::{belonging, order};
use crate::error::Result;
use crate::pg::relation;
use crate::pg::spi::Spi;

/// What is stored about a subject.
pub struct Parts {
    /// The tables, those that refer before those that are referred to.
    pub tables: Vec<Part>,
    /// Tables whose rows mention the subject and belong to somebody else, with
    /// the columns.
    pub mentions: Vec<(String, String)>,
    /// Tables with a column by which nothing can be found, and why.
    pub unread: Vec<(String, String)>,
    /// Materialized views and foreign tables that may hold copies, and what to
    /// do with them.
    pub copies: Vec<(String, String)>,
}

impl Parts {
    /// What was not looked at, and why.
    pub fn not_reached(&self) -> impl Iterator<Item = (String, String)> {
        let tables = self.tables.iter().filter_map(|part| Some((part.relation.clone(), part.out_of_reach.clone()?)));
        tables.chain(self.unread.iter().cloned())
    }
}

/// Reads the catalogue with the rights in force, which must be those of the
/// schema's owner.
pub fn of(spi: &Spi, subject: Subject) -> Result<Parts> {
    let Catalogue { mut tables, keys, mut unread, copies } = catalogue::read(spi, subject)?;
    let found_by = belonging::find(&mut tables, &keys, subject, &mut unread);
    let has_rows = |table: &TableId| tables.get(table).is_some_and(|table| !table.part.condition.is_empty());
    let with_rows = tables.keys().copied().filter(has_rows).collect();
    // The deletion of a subscription is an event of the account: events go after it.
    let id = |name| relation::find(c"public", name).map(|table| TableId::from(table.to_u32()));
    let recorded = id(c"subscriptions").zip(id(c"credit_events"));
    let before = found_by.into_iter().chain(keys.iter().map(|key| (key.from, key.to))).chain(recorded);

    let mut parts = Vec::new();
    for (cycle, oids) in order::referring_first(with_rows, before).into_iter().enumerate() {
        for oid in oids {
            parts.extend(tables.remove(&oid).map(|table| Part { cycle, ..table.part }));
        }
    }
    let mentions = tables
        .into_values()
        .filter(|table| !table.mentions.is_empty())
        .map(|table| (table.part.relation, table.mentions.join(", ")))
        .collect();
    Ok(Parts { tables: parts, mentions, unread, copies })
}
