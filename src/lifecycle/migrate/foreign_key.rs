//! Foreign keys of tables that hold rows.

use pgrx::PgSqlErrorCode;
use uuid::Uuid;

use super::target::{Target, count};
use super::warnings;
use crate::args;
use crate::error::{self, Error, Result};
use crate::pg::roles;
use crate::pg::spi::{Spi, quoted_identifier};

/// What a foreign key is, besides its table and name.
pub struct ForeignKey<'a> {
    /// Quoted.
    pub column: String,
    /// The table that it refers to.
    pub references: &'a str,
    /// The column there, quoted.
    pub referenced: String,
    pub on_delete: &'a str,
}

/// A foreign key that is there.
struct Existing {
    name: String,
    is_valid: bool,
    /// `pg_constraint.confdeltype`.
    on_delete: String,
}

/// Adds it, or replaces one with another ON DELETE action, and validates it
/// where the rows allow.
pub fn ensure(target: &Target<'_>, key: &ForeignKey<'_>) -> Result<()> {
    let (spi, table) = (target.spi, target.table);
    let action = match key.on_delete {
        "NO ACTION" => "a",
        "CASCADE" => "c",
        "SET NULL" => "n",
        _ => {
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                "p_on_delete must be NO ACTION, CASCADE or SET NULL",
            ));
        }
    };
    let mut existing = existing(target, key)?;
    let name = existing.as_ref().map_or(target.name, |existing| &existing.name).to_owned();
    let quoted = quoted_identifier(&name);
    if existing.as_ref().is_some_and(|existing| existing.on_delete != action) {
        target.alter(&format!("DROP CONSTRAINT {quoted}"))?;
        existing = None;
    }
    if existing.as_ref().is_some_and(|existing| existing.is_valid) {
        return Ok(());
    }
    let ForeignKey { column, references, referenced, on_delete } = key;
    let orphans = format!(
        "FROM {table} AS child WHERE child.{column} IS NOT NULL AND NOT EXISTS \
         (SELECT FROM {references} AS parent WHERE parent.{referenced} = child.{column})"
    );
    let add = format!(
        "ADD CONSTRAINT {quoted} FOREIGN KEY ({column}) REFERENCES {references} ({referenced}) ON DELETE {on_delete}"
    );
    let is_hidden =
        *references == USERS && spi.exists("SELECT WHERE pg_catalog.row_security_active('auth.users')", &[])?;
    let orphan_count = || if is_hidden { count_without_user(spi, table, column) } else { count(spi, &orphans) };
    if existing.is_none() && is_partitioned(spi, table)? {
        // PostgreSQL adds it to a partitioned table validated, or not at all.
        let rows = orphan_count()?;
        if rows == 0 {
            return target.alter(&add);
        }
        warnings::warn(format!(
            "constraint {name} was not added to the partitioned table {table}: {rows} rows break it. \
             See them with SELECT * {orphans}; once they are corrected, run SELECT * FROM auria.migrate(again => true)"
        ));
        return Ok(());
    }
    if existing.is_none() {
        target.alter(&format!("{add} NOT VALID"))?;
    }
    let rows = orphan_count()?;
    if rows == 0 {
        return target.alter(&format!("VALIDATE CONSTRAINT {quoted}"));
    }
    warnings::warn(format!(
        "constraint {name} holds for new rows only: {rows} rows of {table} break it. \
         See them with SELECT * {orphans}; once they are corrected, run \
         ALTER TABLE {table} VALIDATE CONSTRAINT {quoted}"
    ));
    Ok(())
}

/// The constraint of that name, or the foreign key of another name over the
/// same columns.
fn existing(target: &Target<'_>, key: &ForeignKey<'_>) -> Result<Option<Existing>> {
    let rows = target.spi.query_once(
        include_str!("foreign_key.sql"),
        args![target.table, target.name, &key.column, key.references, &key.referenced],
    )?;
    rows.first()
        .map(|row| Ok(Existing { name: row.expect(1)?, is_valid: row.expect(2)?, on_delete: row.expect(3)? }))
        .transpose()
}

/// The users of the platform.
const USERS: &str = "auth.users";

/// How many rows refer to a user who does not exist, where row security hides
/// `auth.users` from the schema's owner, as Supabase's does.
///
/// Which users exist is asked with the rights of that table's owner, by a
/// statement that is fixed: the caller's text is never run with these rights.
fn count_without_user(spi: &Spi, table: &str, column: &str) -> Result<i64> {
    let referenced: Vec<Uuid> =
        spi.query_once(&format!("SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL"), &[])?.column()?;
    let owner =
        spi.query_once("SELECT relowner FROM pg_catalog.pg_class WHERE oid = 'auth.users'::pg_catalog.regclass", &[])?;
    let owner = owner.one()?.ok_or_else(|| error::unexpected_null(USERS))?;
    let missing: Vec<Uuid> = roles::acting_as(owner, || {
        spi.query_once(
            "SELECT referenced.id FROM pg_catalog.unnest($1) AS referenced (id) \
              WHERE NOT EXISTS (SELECT FROM auth.users AS parent \
                                 WHERE parent.id OPERATOR(pg_catalog.=) referenced.id)",
            args![referenced.as_slice()],
        )?
        .column()
    })?;
    let rows =
        spi.query_once(&format!("SELECT count(*) FROM {table} WHERE {column} = ANY ($1)"), args![missing.as_slice()])?;
    Ok(rows.one()?.unwrap_or(0))
}

fn is_partitioned(spi: &Spi, table: &str) -> Result<bool> {
    spi.exists("SELECT FROM pg_catalog.pg_class WHERE oid = $1::pg_catalog.regclass AND relkind = 'p'", args![table])
}
