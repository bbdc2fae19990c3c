//! The migrations that are due, and how they are applied.

use super::run::{Applied, Run};
use super::{Scope, ensure, record, sections, warnings};
use crate::error::Result;
use crate::pg::spi::Spi;
use crate::phi::columns::{PhiTable, TABLES};
use crate::phi::layout;
use crate::schema::MIGRATIONS;

/// What stands in a migration for the schema of pg_trgm, in the notation that
/// PostgreSQL 16 introduced for extension scripts.
const TRIGRAM_SCHEMA: &str = "@extschema:pg_trgm@";

/// The migration that gives plans their credits, and those that exist already
/// none.
const CREDITS: i32 = 6;

/// Those that the record does not hold, or all.
pub fn find(run: &mut Run<'_>) -> Result<()> {
    let recorded = run.owner.act(|| record::numbers(run.spi))?;
    let is_due = |number: i32| run.scope != Scope::Pending || !recorded.contains(&number);
    run.due = MIGRATIONS.iter().filter(|migration| is_due(migration.number)).collect();
    Ok(())
}

/// Applies them in order, and records each.
pub fn apply(run: &mut Run<'_>) -> Result<()> {
    let Run { spi, owner, scope, .. } = run;
    let stored: &[&PhiTable] = if run.raw.is_empty() { &run.sealed } else { &TABLES };
    for &migration in &run.due {
        let sql = migration.sql.replace(TRIGRAM_SCHEMA, &run.trigram_schema);
        let found =
            warnings::collected(|| ensure::restoring(*scope == Scope::Again, || sections::run(spi, &sql, owner)))?;
        let mut warnings: Vec<String> =
            found.into_iter().map(|warning| layout::naming_stored(&warning, stored)).collect();
        owner.act(|| {
            if migration.number == CREDITS {
                warnings.extend(sold_without_credits(spi)?);
            }
            record::enter(spi, migration, &warnings)
        })?;
        run.applied.push(Applied { number: migration.number, name: migration.name, warnings });
    }
    Ok(())
}

/// Plans that somebody pays for and that grant nothing. How much they should
/// grant is for their seller to say: a row that exists is never overwritten.
fn sold_without_credits(spi: &Spi) -> Result<Vec<String>> {
    let rows = spi.query_once(
        "SELECT pg_catalog.format('plan %s is sold and grants no credits: if it should, run \
                                   UPDATE public.subscription_plans SET credits_per_month = N WHERE id = %L', id, id) \
           FROM public.subscription_plans \
          WHERE is_active AND price_monthly > 0 AND credits_per_month = 0 ORDER BY id",
        &[],
    )?;
    rows.column()
}
