//! `auria.migrate()`: applying the migrations and keeping the record.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use sha2::{Digest, Sha256};

use super::migrations::{MIGRATIONS, Migration};
use super::{adopt, ensure, platform};
use crate::error::{self, Error, Result};
use crate::pg::spi::{self, Arg, Spi};
use crate::pg::transaction::{self, Lock};
use crate::pg::{extension, roles};

/// What stands in a migration for the schema of pg_trgm, in the notation that
/// PostgreSQL 16 introduced for extension scripts.
const TRIGRAM_SCHEMA: &str = "@extschema:pg_trgm@";

/// The migration that gives plans their credits, and those that exist already
/// none.
const CREDITS: i32 = 6;

/// One migration that was applied.
pub struct Applied {
    number: i32,
    name: &'static str,
    /// What the DBA should know: rows that break a new constraint, and how to
    /// find them.
    findings: Vec<String>,
}

/// Applies the migrations that the record does not hold, in order, and returns
/// one row for each: its number, its name, and what it found. Nothing pending,
/// no row. With `again`, applies all of them once more: they are safe to
/// repeat, and put back policies, grants, triggers and defaults that were lost.
///
/// Superusers only (42501). 0A000 when pg_trgm is missing.
#[pg_extern(volatile, parallel_unsafe, requires = ["prepare_install"])]
#[search_path(pg_catalog, pg_temp)]
fn migrate(
    again: default!(Option<bool>, "false"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(number, i32),
            name!(name, String),
            name!(findings, String),
        ),
    >,
    ErrorReport,
> {
    let again = error::required(again, "auria.migrate", "again")?;
    let applied = run(again)?;
    Ok(TableIterator::new(applied.into_iter().map(|migration| {
        (
            migration.number,
            migration.name.to_owned(),
            migration.findings.join("\n"),
        )
    })))
}

/// Migrates, and tells each finding by a NOTICE.
pub fn run(again: bool) -> Result<Vec<Applied>> {
    if !roles::is_superuser(roles::effective()) {
        return Err(Error::new(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            "only a superuser can migrate the AURIA schema",
        )
        .hint("Connect as a superuser and call SELECT * FROM auria.migrate()."));
    }
    transaction::lock(Lock::Migration, 0);
    let applied = extension::outside_of_extension(|| {
        // The notices of IF NOT EXISTS are noise; findings are told below.
        extension::with_settings(
            &[
                (c"client_min_messages", c"warning"),
                (c"search_path", c"pg_catalog, pg_temp"),
            ],
            || spi::connected(|spi| apply_pending(spi, again)),
        )
    })?;
    for migration in &applied {
        for finding in &migration.findings {
            extension::tell(&format!("migration {}: {finding}", migration.name));
        }
    }
    Ok(applied)
}

fn apply_pending(spi: &Spi, again: bool) -> Result<Vec<Applied>> {
    let trigram_schema = trigram_schema(spi)?;
    platform::ensure_roles(spi)?;
    platform::ensure_schemas(spi)?;
    spi.execute_script(include_str!("../../sql/platform/migrations_table.sql"))?;

    let recorded = recorded(spi)?;
    let mut applied = Vec::new();
    for migration in MIGRATIONS {
        if again || !recorded.contains(&migration.number) {
            let sql = migration.sql.replace(TRIGRAM_SCHEMA, &trigram_schema);
            let mut findings = ensure::collecting_findings(|| spi.execute_script(&sql))?;
            if migration.number == CREDITS {
                findings.extend(sold_without_credits(spi)?);
            }
            record(spi, migration)?;
            applied.push(Applied {
                number: migration.number,
                name: migration.name,
                findings,
            });
        }
    }
    if recorded.is_empty() || again {
        adopt::drop_widening_policies(spi)?;
    }
    Ok(applied)
}

/// Plans that somebody pays for and that grant nothing. How much they should
/// grant is for their seller to say: a row that exists is never overwritten.
fn sold_without_credits(spi: &Spi) -> Result<Vec<String>> {
    let rows = spi.query_once(
        "SELECT pg_catalog.format('plan %s is sold and grants no credits: if it should, run \
                                   UPDATE public.subscription_plans SET credits_per_month = … WHERE id = %L', id, id) \
           FROM public.subscription_plans \
          WHERE is_active AND price_monthly > 0 AND credits_per_month = 0 ORDER BY id",
        &[],
    )?;
    rows.iter().map(|row| row.expect(1)).collect()
}

fn recorded(spi: &Spi) -> Result<Vec<i32>> {
    let rows = spi.query_once("SELECT number FROM auria.migrations", &[])?;
    rows.iter().map(|row| row.expect(1)).collect()
}

fn record(spi: &Spi, migration: &Migration) -> Result<()> {
    spi.query_once(
        "INSERT INTO auria.migrations (number, name, sha256) VALUES ($1, $2, $3) \
         ON CONFLICT (number) DO UPDATE \
            SET name = excluded.name, sha256 = excluded.sha256, applied_at = pg_catalog.now()",
        &[
            Arg::Int(migration.number),
            Arg::Text(Some(migration.name)),
            Arg::Text(Some(&checksum(migration))),
        ],
    )?;
    Ok(())
}

/// The SHA-256 of a migration file, in hexadecimal.
pub fn checksum(migration: &Migration) -> String {
    hex::encode(Sha256::digest(migration.sql))
}

/// The schema where pg_trgm lives, quoted for use in SQL.
fn trigram_schema(spi: &Spi) -> Result<String> {
    let rows = spi.query_once(
        "SELECT pg_catalog.quote_ident(n.nspname) \
           FROM pg_catalog.pg_extension e \
           JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace \
          WHERE e.extname = 'pg_trgm'",
        &[],
    )?;
    match rows.first() {
        Some(row) => row.expect(1),
        None => Err(Error::new(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            "the extension pg_trgm is missing",
        )
        .hint("Run CREATE EXTENSION pg_trgm, in whichever schema you keep extensions.")),
    }
}
