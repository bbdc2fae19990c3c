//! What stands in the way of a change of layout: whatever a team built on what
//! is to go.

use pgrx::PgSqlErrorCode;

use super::tables;
use crate::args;
use crate::error::{Error, Result};
use crate::pg::spi::Spi;
use crate::phi::columns::PhiTable;

/// How long a lock is waited for, in milliseconds: others wait behind it.
const LOCK_TIMEOUT: u32 = 10_000;

/// Gives up (55P03) where a lock is not to be had for ten seconds, unless the
/// session has chosen its own `lock_timeout`.
pub fn set_lock_timeout(spi: &Spi) -> Result<()> {
    spi.query_once(
        "SELECT pg_catalog.set_config('lock_timeout', $1, true) \
          WHERE pg_catalog.current_setting('lock_timeout') = '0'",
        args![&LOCK_TIMEOUT.to_string()],
    )?;
    Ok(())
}

/// Refuses (2BP01) what depends on the plain columns of a table, or on its row
/// type, and would break or be dropped with them.
pub fn refuse_on_table(spi: &Spi, table: &PhiTable) -> Result<()> {
    let found = spi.query_once(
        include_str!("obstacles.sql"),
        args![&format!("public.{}", table.name), plain_columns(table).as_slice()],
    )?;
    let objects: Vec<String> = found.column()?;
    refuse(&format!("table public.{}", table.name), &objects)
}

/// Refuses (2BP01) what depends on a view and would be dropped with it.
pub fn refuse_on_view(spi: &Spi, table: &PhiTable) -> Result<()> {
    let objects = tables::all_rows(spi, include_str!("on_view.sql"), table.name)?;
    refuse(&format!("view public.{}", table.name), &objects)
}

fn refuse(of: &str, objects: &[String]) -> Result<()> {
    let Some(first) = objects.first() else {
        return Ok(());
    };
    Err(Error::new(
        PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
        format!("the layout of {of} cannot be changed: {first} depends on it"),
    )
    .detail(format!("Depending on it: {}.", objects.join("; ")))
    .hint(
        "Keep the definitions, drop these objects, call the procedure again, and then make them again where they \
         still fit.",
    ))
}

/// The functions of the database whose bodies are strings that name a table and
/// one of its plain columns: PostgreSQL records no dependency of theirs.
pub fn mentioning(spi: &Spi, table: &PhiTable) -> Result<Vec<String>> {
    let rows = spi.query_once(include_str!("mentioning.sql"), args![table.name, plain_columns(table).as_slice()])?;
    rows.column()
}

fn plain_columns(table: &PhiTable) -> Vec<String> {
    table.columns.iter().map(|column| column.plain.to_string_lossy().into_owned()).collect()
}

/// The publications that a table is in: they go on publishing the stored table.
pub fn publications(spi: &Spi, table: &PhiTable) -> Result<Vec<String>> {
    tables::all_rows(
        spi,
        "SELECT pg_catalog.quote_ident(p.pubname) \
           FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid \
          WHERE r.prrelid = pg_catalog.to_regclass('public.' || $1) ORDER BY 1",
        table.name,
    )
}
