//! `auria.migrations`: which migrations were applied, and what they warned of.

use sha2::{Digest, Sha256};

use crate::args;
use crate::error::Result;
use crate::pg::spi::Spi;
use crate::schema::check::{Findings, lines};
use crate::schema::{MIGRATIONS, Migration, tables};

/// The numbers of the migrations that were applied.
pub fn numbers(spi: &Spi) -> Result<Vec<i32>> {
    spi.query_once("SELECT number FROM auria.migrations", &[])?.column()
}

/// Records a migration that was applied.
pub fn enter(spi: &Spi, migration: &Migration, warnings: &[String]) -> Result<()> {
    spi.execute(
        "INSERT INTO auria.migrations (number, name, sha256, warnings) VALUES ($1, $2, $3, NULLIF($4, '')) \
         ON CONFLICT (number) DO UPDATE \
            SET name = excluded.name, sha256 = excluded.sha256, warnings = excluded.warnings",
        args![migration.number, migration.name, &checksum(migration), &warnings.join("\n")],
    )?;
    Ok(())
}

/// The SHA-256 of a migration file, in hexadecimal.
fn checksum(migration: &Migration) -> String {
    hex::encode(Sha256::digest(migration.sql))
}

/// Whether every migration was applied, as it is; what they warned of is a note.
pub fn check(spi: &Spi) -> Result<Findings> {
    if !tables::exists(spi, "auria.migrations")? {
        return Ok(vec!["none was applied: run SELECT * FROM auria.migrate()".to_owned()].into());
    }
    let mut findings = Findings::default();
    for migration in MIGRATIONS {
        let rows = spi.read_once("SELECT sha256 FROM auria.migrations WHERE number = $1", args![migration.number])?;
        match rows.one::<String>()? {
            None => findings.failures.push(format!("{} is pending: run SELECT * FROM auria.migrate()", migration.name)),
            Some(recorded) if recorded != checksum(migration) => findings.failures.push(format!(
                "{} has changed since it was applied: run SELECT * FROM auria.migrate(again => true)",
                migration.name
            )),
            Some(_) => {}
        }
    }
    findings.notes = lines(
        spi,
        "SELECT pg_catalog.format('migration %s warned: %s', name, warnings) \
           FROM auria.migrations WHERE warnings IS NOT NULL ORDER BY number",
        &[],
    )?;
    Ok(findings)
}
