//! A migration runs as the schema's owner, so that a team's trigger, default
//! or function that it meets never has a superuser's rights. What needs other
//! rights stands in a section of its own, which begins with one of the lines
//!
//! ```text
//! -- @as superuser
//! -- @as owner of storage.buckets
//! -- @as schema owner
//! ```

use pgrx::PgSqlErrorCode;

use super::buckets;
use super::target::owner_of;
use crate::error::{Error, Result};
use crate::pg::roles;
use crate::pg::spi::Spi;
use crate::schema::owner::Owner;

/// Runs a migration, each section with its rights.
pub fn run(spi: &Spi, sql: &str, owner: &Owner) -> Result<()> {
    let mut sections = sql.split("\n-- @as ");
    let first = sections.next().unwrap_or_default();
    owner.act(|| spi.execute_script(first))?;
    for section in sections {
        let (rights, sql) = section.split_once('\n').unwrap_or((section, ""));
        match rights.trim() {
            "schema owner" => owner.act(|| spi.execute_script(sql))?,
            "superuser" => spi.execute_script(sql)?,
            other => {
                let Some(relation) = other.strip_prefix("owner of ") else {
                    return Err(Error::new(
                        PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
                        format!("a migration has a section for \"{other}\""),
                    ));
                };
                let sql = if relation == buckets::TABLE { buckets::statements(spi, sql)? } else { sql };
                let role = owner_of(spi, relation)?;
                roles::acting_as(role, || spi.execute_script(sql))?;
            }
        }
    }
    Ok(())
}
