//! `verify_phi_encryption()`: a quick look at how far encryption has come,
//! table by table. `auria.phi_status()` looks at every value.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use uuid::Uuid;

use super::inspect::{PairState, inspect};
use super::page::{PAGE, Source, sources};
use crate::access;
use crate::error::Result;
use crate::pg::spi::{self, Snapshot, Spi};

/// The number of rows of a table that are compared with what they decrypt to.
const SAMPLE: i32 = PAGE;

/// Per table with patient data: how many rows there are; in how many every
/// value that is there is encrypted; in how many one is not (a row without
/// patient data is neither); and whether in a sample of 100 rows each encrypted
/// value says what the plain one says, NULL where the sample has none. In the
/// sealed layout, whether each opens and is the user's whose row it is.
///
/// Shows no patient data. Errors: 55000 no key. For service_role.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)] // a result row of SQL
fn verify_phi_encryption(
    fcinfo: pg_sys::FunctionCallInfo,
) -> Result<
    TableIterator<
        'static,
        (
            name!(table_name, String),
            name!(total_rows, i64),
            name!(encrypted_rows, i64),
            name!(unencrypted_rows, i64),
            name!(sample_match, Option<bool>),
        ),
    >,
    ErrorReport,
> {
    let called = access::for_the_backend_alone(fcinfo, "verify_phi_encryption")?;
    let tables: Vec<_> = called.with_rights_of_owner(|| {
        spi::connected(|spi| {
            sources(spi)?
                .iter()
                .map(|source| {
                    let [total, encrypted, unencrypted] = count(spi, source)?;
                    Ok((source.table.name.to_owned(), total, encrypted, unencrypted, sample_matches(spi, source)?))
                })
                .collect::<Result<_>>()
        })
    })?;
    Ok(TableIterator::new(tables))
}

fn count(spi: &Spi, source: &Source) -> Result<[i64; 3]> {
    let any = |condition: fn(&str, &str) -> String| -> String {
        source
            .table
            .columns
            .iter()
            .map(|column| condition(column.plain_name(), column.encrypted_name()))
            .collect::<Vec<_>>()
            .join(" OR ")
    };
    let is_encrypted = any(|_, encrypted| format!("{encrypted} IS NOT NULL"));
    let is_missing = if source.is_sealed {
        "false".to_owned()
    } else {
        any(|plain, encrypted| format!("{plain} IS NOT NULL AND {encrypted} IS NULL"))
    };
    let rows = spi.read_once(
        &format!(
            "SELECT count(*), count(*) FILTER (WHERE ({is_encrypted}) AND NOT ({is_missing})), \
                    count(*) FILTER (WHERE {is_missing}) \
               FROM {}",
            source.relation()
        ),
        &[],
    )?;
    rows.first().map_or(Ok([0; 3]), |row| Ok([row.expect(1)?, row.expect(2)?, row.expect(3)?]))
}

/// Whether in the sample every encrypted value beside a plain one decrypts to
/// it; `None` where there is no such pair.
fn sample_matches(spi: &Spi, source: &Source) -> Result<Option<bool>> {
    let mut matches = None;
    source.page(spi, Snapshot::Caller, Uuid::nil(), SAMPLE, |record| {
        for place in 0..record.len() {
            let fits = match inspect(&record.pair(place)?)? {
                PairState::Readable { has_plain, differs, .. } if has_plain || source.is_sealed => !differs,
                PairState::Unreadable { has_plain } if has_plain || source.is_sealed => false,
                _ => continue,
            };
            matches = Some(fits && matches != Some(false));
        }
        Ok(())
    })?;
    Ok(matches)
}
