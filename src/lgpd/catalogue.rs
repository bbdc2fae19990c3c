//! The stored tables and the foreign keys between them, as the catalogue has them.

use std::collections::{BTreeMap, BTreeSet};

use pgrx::pg_sys;

use super::part::{Part, Subject};
use crate::args;
use crate::error::Result;
use crate::pg::extension;
use crate::pg::spi::{Spi, quoted_identifier};
use crate::schema::trust;

/// The OID of a table, as a number that can be ordered.
pub type TableId = i64;

/// A table, of which it may not be known yet which rows belong to the subject.
pub struct StoredTable {
    /// Its rows that belong to the subject.
    pub part: Part,
    /// The columns that mention the subject in rows of others.
    pub mentions: Vec<String>,
}

/// The tables by their OIDs.
pub type StoredTables = BTreeMap<TableId, StoredTable>;

/// A foreign key.
pub struct ForeignKey {
    /// The table that refers.
    pub from: TableId,
    /// The table that it refers to.
    pub to: TableId,
    /// Whether it clears its columns when the row that it refers to is deleted.
    pub clears: bool,
    /// Its columns, called `t.name`.
    pub columns: String,
    /// Those that they refer to.
    pub referred: String,
    /// Whether a query of the extension can compare the two.
    pub can_be_compared: bool,
}

/// What the catalogue says.
pub struct Catalogue {
    /// The tables.
    pub tables: StoredTables,
    /// The foreign keys between them.
    pub keys: Vec<ForeignKey>,
    /// Tables with a column by which nothing can be found, and why.
    pub unread: Vec<(String, String)>,
    /// What may hold copies, and what to do with it.
    pub copies: Vec<(String, String)>,
}

/// Reads the catalogue with the rights in force.
pub fn read(spi: &Spi, subject: Subject) -> Result<Catalogue> {
    let trusted = trust::trusted_roles(spi)?;
    // The planner expects far more rows of the recursive parts than there are.
    let rows = extension::with_settings(&[(c"jit", c"off")], || {
        spi.read_once(include_str!("tables.sql"), args![subject.word(), trusted.as_slice()])
    })?;
    let mut found =
        Catalogue { tables: StoredTables::new(), keys: foreign_keys(spi)?, unread: Vec::new(), copies: Vec::new() };
    for row in rows.iter() {
        let (stored, relation, kind): (String, String, String) = (row.expect(2)?, row.expect(3)?, row.expect(4)?);
        let (owned_by, unknown): (Vec<String>, Vec<String>) = (row.expect(5)?, row.expect(7)?);
        let names: Vec<String> = row.expect(8)?;
        if kind != "table" {
            let holds_ids =
                ["user_id", "patient_id", "session_id"].iter().any(|id| names.iter().any(|name| name == id));
            if holds_ids {
                let what = match kind.as_str() {
                    "foreign table" => "a foreign table: look there, and erase there what it holds of the person",
                    _ => "a materialized view: run REFRESH MATERIALIZED VIEW, it holds copies of what it selects",
                };
                found.copies.push((relation, what.to_owned()));
            }
            continue;
        }
        let out_of_reach: Option<String> = row.get(13)?;
        if !unknown.is_empty() && out_of_reach.is_none() {
            let reason = format!("{} cannot be compared with an id", unknown.join(", "));
            found.unread.push((relation.clone(), reason));
        }
        let quoted = |names: &[String]| names.iter().map(|name| format!("t.{}", quoted_identifier(name))).collect();
        let primary_key: Vec<String> = row.expect(10)?;
        let mut part = Part {
            stored,
            relation,
            condition: String::new(),
            through: BTreeSet::new(),
            out_of_reach,
            cycle: 0,
            keepers: row.expect(11)?,
            has_rules: row.expect(12)?,
            key: quoted(if primary_key.is_empty() { &owned_by } else { &primary_key }),
            owned_by,
            columns: names.into_iter().zip(row.expect::<Vec<pg_sys::Oid>>(9)?).collect(),
        };
        part.condition = part.has_id_in(&part.owned_by);
        found.tables.insert(row.expect(1)?, StoredTable { part, mentions: row.expect(6)? });
    }
    Ok(found)
}

fn foreign_keys(spi: &Spi) -> Result<Vec<ForeignKey>> {
    let rows = spi.read_once(include_str!("foreign_keys.sql"), &[])?;
    rows.iter()
        .map(|row| {
            Ok(ForeignKey {
                from: row.expect(1)?,
                to: row.expect(2)?,
                clears: row.expect(3)?,
                columns: row.expect(4)?,
                referred: row.expect(5)?,
                can_be_compared: row.expect(6)?,
            })
        })
        .collect()
}
