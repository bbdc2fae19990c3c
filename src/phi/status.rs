//! `auria.phi_status()`: how far encryption has come.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use uuid::Uuid;

use super::keyring::{self, Written};
use super::page::{self, SOURCES, Source};
use crate::error::Result;
use crate::pg::spi::{self, Sees, Spi};

/// Rows read at a time.
const PAGE: i32 = 500;

#[derive(Default, Clone, Copy)]
struct Count {
    rows: i64,
    encrypted: i64,
    not_encrypted: i64,
    outdated: i64,
    unreadable: i64,
}

/// Per table and column with patient data: how many rows there are; in how
/// many the value is encrypted; in how many there is a plain value and no
/// encrypted one; how many encrypted values are outdated, which is written by
/// another writer or under the previous secret; and how many no secret reads.
///
/// The previous secret can go when nothing is outdated. It opens every value
/// and shows none. Errors: 55000 no key. For service_role.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)] // a result row of SQL
fn phi_status() -> Result<
    TableIterator<
        'static,
        (
            name!(table_name, String),
            name!(column_name, String),
            name!(rows, i64),
            name!(encrypted, i64),
            name!(not_encrypted, i64),
            name!(outdated, i64),
            name!(unreadable, i64),
        ),
    >,
    ErrorReport,
> {
    let mut result = Vec::new();
    for source in &SOURCES {
        let counts = spi::connected(|spi| count(spi, source))?;
        for (column, count) in source.table.columns.iter().zip(counts) {
            result.push((
                source.table.name.to_owned(),
                column.plain.to_string_lossy().into_owned(),
                count.rows,
                count.encrypted,
                count.not_encrypted,
                count.outdated,
                count.unreadable,
            ));
        }
    }
    Ok(TableIterator::new(result))
}

fn count(spi: &Spi, source: &Source) -> Result<Vec<Count>> {
    let mut counts = vec![Count::default(); source.table.columns.len()];
    let mut next = Some(Uuid::nil());
    while let Some(first) = next {
        let records = source.page(spi, Sees::CallersSnapshot, first, PAGE)?;
        next = records.last().and_then(|record| page::after(record.id));
        for record in &records {
            pgrx::check_for_interrupts!();
            for (value, count) in record.values.iter().zip(&mut counts) {
                count.rows += 1;
                let Some(encrypted) = &value.encrypted else {
                    count.not_encrypted += i64::from(value.plain.is_some());
                    continue;
                };
                count.encrypted += 1;
                match keyring::decrypt(encrypted, |_| ()) {
                    Ok(((), Written::Currently)) => {}
                    Ok(((), Written::Formerly)) => count.outdated += 1,
                    Err(error) if error.is_about_a_stored_value() => count.unreadable += 1,
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(counts)
}
