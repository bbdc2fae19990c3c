//! Indexes of tables that hold rows.

use super::target::Target;
use crate::args;
use crate::error::Result;
use crate::lifecycle::shape;

/// An index that is there.
struct Index {
    name: String,
    /// With its schema, as SQL takes it.
    qualified: String,
    is_valid: bool,
    /// Whether it belongs to a constraint or to the index of a partitioned table, and cannot be dropped by itself.
    is_part: bool,
}

/// Makes an index where the table has none of that name and none of the same
/// definition. With `restoring`, it replaces one of that name and another definition.
pub fn ensure(target: &Target<'_>, definition: &str, restoring: bool) -> Result<()> {
    let (spi, table) = (target.spi, target.table);
    let alike = alike(target, definition)?;
    let make = || spi.execute_script(&format!("CREATE INDEX {} ON {table} {definition}", target.quoted()));
    let Some(own) = usable(target)? else {
        return if alike.is_empty() { make() } else { Ok(()) };
    };
    let is_another = alike.iter().all(|one| one.name != own.name);
    if !restoring || !is_another || own.is_part {
        return Ok(());
    }
    spi.execute_script(&format!("DROP INDEX {}", own.qualified))?;
    match alike.first() {
        Some(other) => spi.execute_script(&format!("ALTER INDEX {} RENAME TO {}", other.qualified, target.quoted())),
        None => make(),
    }
}

/// Whether a valid index of that name is there; an invalid one is dropped.
pub fn is_usable(target: &Target<'_>) -> Result<bool> {
    Ok(usable(target)?.is_some())
}

fn usable(target: &Target<'_>) -> Result<Option<Index>> {
    let found = indexes(target, None)?.into_iter().find(|index| index.name == target.name);
    match found {
        Some(index) if !index.is_valid => {
            target.spi.execute_script(&format!("DROP INDEX {}", index.qualified))?;
            Ok(None)
        }
        found => Ok(found),
    }
}

/// The valid indexes of this definition, whatever their names and storage parameters.
///
/// As PostgreSQL writes it back, it is in the list of what a new database has. An index that is not there yet is to be
/// written in that form.
fn alike(target: &Target<'_>, definition: &str) -> Result<Vec<Index>> {
    let as_given = || match definition.trim().strip_prefix("USING ") {
        Some(definition) => definition.to_owned(),
        None => format!("btree {definition}"),
    };
    let written_back = shape::index(target.table, target.name).map_or_else(as_given, str::to_owned);
    Ok(indexes(target, Some(&written_back))?.into_iter().filter(|index| index.is_valid).collect())
}

/// The indexes of the table, those of one definition or all.
fn indexes(target: &Target<'_>, definition: Option<&str>) -> Result<Vec<Index>> {
    let rows = target.spi.query_once(include_str!("indexes.sql"), args![target.table, definition])?;
    rows.iter()
        .map(|row| {
            Ok(Index {
                name: row.expect(1)?,
                qualified: row.expect(2)?,
                is_valid: row.expect(3)?,
                is_part: row.expect(4)?,
            })
        })
        .collect()
}
