//! What has the name of a managed table or function and cannot become it.
//!
//! PostgreSQL would stop there as well, in the middle of the script and with
//! words that say neither which object it is nor what to do.

use pgrx::prelude::*;

use crate::args;
use crate::error::{Error, Result};
use crate::lifecycle::migrate::raw_tables;
use crate::lifecycle::shape::{Deviation, Shape};
use crate::pg::spi::Spi;
use crate::schema::{FUNCTIONS, TABLES};

/// Refuses what is no table but has the name of one (42809), users whose id is
/// no uuid (42804), columns that are missing (42703) or of another type (42804), and what is no trigger function but has the signature of
/// one (42P13).
pub fn refuse(spi: &Spi) -> Result<()> {
    refuse_no_table(spi)?;
    refuse_other_user_ids(spi)?;
    refuse_other_shape(spi, |deviation| deviation.stops_migrations())?;
    refuse_no_trigger_function(spi)
}

/// The same for what the migrations made of the tables: a column that they
/// neither add nor change.
pub fn refuse_after_migrations(spi: &Spi) -> Result<()> {
    refuse_other_shape(spi, |deviation| !matches!(deviation, Deviation::Nullable(_)))
}

/// A table of another kind with the name of a managed one, or a column of a
/// type that the functions do not work with.
fn refuse_other_shape(spi: &Spi, is_refused: impl Fn(&Deviation<'_>) -> bool) -> Result<()> {
    let shape = Shape::read_again(spi)?;
    let found: Vec<_> = shape.columns().filter(is_refused).collect();
    let Some(first) = found.first() else {
        return Ok(());
    };
    let relation = &first.part().relation;
    let of_table = found.iter().filter(|deviation| deviation.part().relation == *relation);
    let columns: Vec<&str> = of_table.map(|deviation| deviation.part().name.as_str()).collect();
    let code = match first {
        Deviation::Missing(_) => PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
        _ => PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
    };
    Err(Error::new(code, format!("will not take over table {relation}: {}", first.what()))
        .detail(format!("Such columns are {}; nothing was changed.", columns.join(", ")))
        .hint(format!(
            "If it is AURIA's table, run {}; if it is another's, rename it or move it to another schema. \
             Then create the extension again.",
            first.remedy()
        )))
}

/// The foreign keys to `auth.users` compare ids with the operator of the
/// column's type, and with the rights of the schema's owner: only the built-in
/// type will do.
fn refuse_other_user_ids(spi: &Spi) -> Result<()> {
    let rows = spi.query_once(
        "SELECT a.atttypid::pg_catalog.regtype::text \
           FROM pg_catalog.pg_attribute a \
          WHERE a.attrelid = pg_catalog.to_regclass('auth.users') AND a.attname = 'id' \
            AND NOT a.attisdropped AND a.atttypid <> 'pg_catalog.uuid'::pg_catalog.regtype",
        &[],
    )?;
    let Some(row) = rows.first() else {
        return Ok(());
    };
    Err(Error::new(PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH, "auth.users.id must be of type uuid")
        .detail(format!("It is of type {}; nothing was changed.", row.expect::<String>(1)?))
        .hint("Find out whose table it is: Supabase's has ids of type uuid."))
}

/// A partition is refused, too: a query of its parent reads it past its policies.
fn refuse_no_table(spi: &Spi) -> Result<()> {
    // The original's views over its raw tables are replaced.
    let raw: Vec<_> = raw_tables::found(spi)?.iter().map(|table| table.name).collect();
    let rows = spi.query_once(include_str!("no_tables.sql"), args![TABLES, raw.as_slice()])?;
    let Some(row) = rows.first() else {
        return Ok(());
    };
    let (kind, name): (String, String) = (row.expect(1)?, row.expect(2)?);
    Err(Error::new(
        PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
        format!("will not take over {kind} {name}: it is no table of its own"),
    )
    .detail(format!("{} such objects were found; nothing was changed.", rows.len()))
    .hint("Rename it, move it to another schema or drop it, then create the extension again."))
}

/// The migrations make triggers that call these functions. What is no function
/// or returns something else cannot be called by a trigger, so it cannot stay
/// as the team's own either.
fn refuse_no_trigger_function(spi: &Spi) -> Result<()> {
    let trigger_functions: Vec<&str> =
        FUNCTIONS.iter().filter(|function| function.returns == "trigger").map(|function| function.signature).collect();
    let rows = spi.query_once(include_str!("no_trigger_functions.sql"), args![trigger_functions.as_slice()])?;
    let Some(row) = rows.first() else {
        return Ok(());
    };
    let (signature, difference): (String, String) = (row.expect(1)?, row.expect(2)?);
    Err(Error::new(
        PgSqlErrorCode::ERRCODE_INVALID_FUNCTION_DEFINITION,
        format!("will not take over {signature}: it is no trigger function"),
    )
    .detail(format!("{difference} {} such functions were found; nothing was changed.", rows.len()))
    .hint(format!(
        "ALTER ROUTINE {signature} RENAME TO another name keeps what depends on it; \
         DROP ROUTINE does not. Then create the extension again."
    )))
}
