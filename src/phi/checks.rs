//! The doctor's checks of patient data: the key, the layout, and whether every value is encrypted.

use super::columns::TABLES;
use super::layout;
use crate::args;
use crate::error::Result;
use crate::pg::spi::Spi;
use crate::schema::check::{Findings, REMEDY, lines};

/// Checked with the rights of the schema's owner, who owns the functions that
/// use the key.
pub fn key(_: &Spi) -> Result<Findings> {
    Ok(super::check_key().err().map(|error| error.summary()).into_iter().collect::<Vec<_>>().into())
}

/// Whether patient data is sealed, and if so, whether views, triggers and grants
/// are as they must be.
pub fn layout(spi: &Spi) -> Result<Findings> {
    let sealed: Vec<&str> = layout::sealed(spi)?.into_iter().map(|table| table.name).collect();
    let mut findings = Findings::default();
    if sealed.is_empty() {
        return Ok(findings);
    }
    findings.notes.push("patient data is sealed".to_owned());
    for table in TABLES {
        if !sealed.contains(&table.name) {
            findings.failures.push(format!("table public.{} is not sealed: run CALL auria.phi_seal()", table.name));
        }
    }
    for wrong in lines(spi, include_str!("layout.sql"), args![sealed.as_slice()])? {
        findings.failures.push(if wrong.contains(": run ") { wrong } else { format!("{wrong}: {REMEDY}") });
    }
    Ok(findings)
}

/// Whether every plain value has an encrypted one beside it that opens and equals it.
pub fn encrypted(spi: &Spi) -> Result<Findings> {
    let mut findings = Vec::new();
    for source in &super::sources(spi)? {
        let (name, columns) = (source.table.name, source.table.columns);
        let before = findings.len();
        for column in columns {
            let encrypted = column.encrypted.to_string_lossy();
            if !column_exists(spi, source.relation(), &encrypted)? {
                findings.push(format!("{name}.{encrypted} is missing"));
            }
        }
        if findings.len() > before {
            continue;
        }
        for (column, count) in columns.iter().zip(super::count(spi, source)?) {
            let plain = column.plain.to_string_lossy();
            let backfill = "run CALL auria.phi_backfill()";
            let erase = format!(
                "erase what was to be erased with UPDATE public.{name} SET {plain}_encrypted = NULL WHERE {plain} IS NULL"
            );
            let states = if source.is_sealed {
                vec![
                    (
                        count.differing,
                        "have a value that names another user",
                        "find out who wrote it, and write the value again through the view",
                    ),
                    (
                        count.unreadable,
                        "have a value that no key opens, or one without MDC",
                        "restore the key that wrote it, or write the value again through the view",
                    ),
                ]
            } else {
                vec![
                    (count.not_encrypted, "are not encrypted", backfill),
                    (
                        count.differing - count.without_plain,
                        "have an encrypted value that says something else",
                        backfill,
                    ),
                    (count.without_plain, "have an encrypted value and no plain one", &erase),
                    (
                        count.unreadable,
                        "have an encrypted value that no key opens, or one without MDC and plain value",
                        "restore the key that wrote it, or run CALL auria.phi_backfill() to encrypt the plain value",
                    ),
                ]
            };
            for (rows, state, advice) in states.into_iter().filter(|(rows, ..)| *rows > 0) {
                findings.push(format!("{rows} rows of {name}.{plain} {state}: {advice}"));
            }
        }
    }
    Ok(findings.into())
}

fn column_exists(spi: &Spi, relation: &str, column: &str) -> Result<bool> {
    spi.exists(
        "SELECT FROM pg_catalog.pg_attribute a \
          WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attname = $2 \
            AND NOT a.attisdropped",
        args![relation, column],
    )
}
