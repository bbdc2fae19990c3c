//! The layout that a table with patient data has: open, or sealed, in which a stored table in
//! `auria_raw` holds its rows and a view has its name.

use super::columns::{PhiTable, TABLES};
use crate::args;
use crate::error::Result;
use crate::pg::spi::Spi;

/// The stored table's name, with its schema.
pub fn stored_name(table: &PhiTable) -> String {
    format!("auria_raw.{}_raw", table.name)
}

/// A message about tables by their names in the open layout, with those of the
/// stored ones: a statement in it then names the table that has its columns.
pub fn naming_stored(text: &str, sealed: &[&PhiTable]) -> String {
    sealed.iter().fold(text.to_owned(), |text, table| {
        let name = format!("public.{}", table.name);
        let mut parts = text.split(&name);
        let mut renamed = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let is_whole = !part.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_');
            renamed.push_str(&if is_whole { stored_name(table) } else { name.clone() });
            renamed.push_str(part);
        }
        renamed
    })
}

/// The tables that are sealed.
pub fn sealed(spi: &Spi) -> Result<Vec<&'static PhiTable>> {
    let mut sealed = Vec::new();
    for table in TABLES {
        let query = "SELECT FROM pg_catalog.pg_class c \
            WHERE c.oid = pg_catalog.to_regclass($1) AND c.relkind IN ('r', 'p')";
        if spi.exists(query, args![&stored_name(table)])? {
            sealed.push(table);
        }
    }
    Ok(sealed)
}
