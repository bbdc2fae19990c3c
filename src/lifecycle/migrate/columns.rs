//! Columns of the ledger that may be NULL and must not, or have no default: a
//! team's own `is_free`, for example, that was there before the migration that
//! adds it.

use pgrx::PgSqlErrorCode;

use super::Scope;
use super::run::Run;
use super::target::count;
use super::warnings::Report;
use crate::error::{Error, Result};
use crate::lifecycle::shape::{Deviation, Shape};
use crate::pg::spi::Spi;

/// The tables whose columns the functions read without asking for NULL.
const TABLES: [&str; 3] = ["public.subscriptions", "public.credit_usage", "public.rate_limits"];

/// Gives them their defaults, and makes them NOT NULL where no row is. What a NULL should have been is not
/// known: an installation stops there (42804), and a repetition reports it.
pub fn ensure(run: &mut Run<'_>) -> Result<()> {
    let Run { spi, owner, scope, report, .. } = run;
    owner.act(|| ensure_as_owner(spi, *scope, report))
}

fn ensure_as_owner(spi: &Spi, scope: Scope, report: &mut Report) -> Result<()> {
    let shape = Shape::read_again(spi)?;
    for table in TABLES {
        shape.defaults(table).iter().try_for_each(|statement| spi.execute_script(statement))?;
    }
    for deviation in shape.columns() {
        let part = deviation.part();
        if !matches!(deviation, Deviation::Nullable(_)) || !TABLES.contains(&part.relation.as_str()) {
            continue;
        }
        let (relation, name) = (&part.relation, &part.name);
        let rows = count(spi, &format!("FROM {relation} WHERE {name} IS NULL"))?;
        if rows == 0 {
            spi.execute_script(&deviation.remedy())?;
            continue;
        }
        let correct = format!("UPDATE {relation} SET {name} = the value that it should have WHERE {name} IS NULL");
        if scope != Scope::Install {
            report.warn(format!(
                "column {name} of {relation} is NULL in {rows} rows and must not be: run {correct}, \
                 then SELECT * FROM auria.migrate(again => true)"
            ));
            continue;
        }
        return Err(Error::new(
            PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
            format!("will not take over table {relation}: column {name} may be NULL and must not be"),
        )
        .detail(format!("It is NULL in {rows} rows; nothing was changed."))
        .hint(format!("Run {correct}, then create the extension again.")));
    }
    Ok(())
}
