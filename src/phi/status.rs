//! `auria.phi_status()`: how far encryption has come.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use uuid::Uuid;

use super::backfill;
use super::inspect::{PairState, inspect};
use super::keyring::{KeysInUse, Written};
use super::page::{PAGE, Record, Source, sources};
use crate::access;
use crate::error::Result;
use crate::pg::roles;
use crate::pg::spi::{self, Snapshot, Spi};
use crate::schema::owner;

/// What was found in a column. One value may count as several of the last.
#[derive(Default, Clone, Copy)]
pub struct Count {
    /// Rows of the table.
    pub rows: i64,
    /// Rows with an encrypted value.
    pub encrypted: i64,
    /// Rows with a plain value and no encrypted one.
    pub not_encrypted: i64,
    /// Encrypted values that say something else than the plain one, or whose
    /// plain one is gone; in the sealed layout, those that name another user.
    pub differing: i64,
    /// Those of them whose plain value is gone.
    pub without_plain: i64,
    /// Encrypted values that no secret opens, and those without MDC that do not say what the
    /// plain one says.
    pub unreadable: i64,
    /// Encrypted values without MDC that say what the plain one says.
    pub unprotected: i64,
    /// Encrypted values under the previous secret, or of another writer.
    pub outdated: i64,
    /// Those of them that only the previous secret opens.
    pub under_previous: i64,
}

/// Reports for each table and column with patient data: how many rows there
/// are; in how many the value is encrypted; in how many there is a plain value
/// and no encrypted one; how many encrypted values say something else than the
/// plain one, or have none beside them (in the sealed layout, which has no plain
/// values: name another user); how many no secret opens; how many are outdated,
/// which is written by another writer, under the previous secret, or without
/// the owner that a sealed value names;
/// and whether the previous secret is still needed, for one of these or for a
/// running transaction that began under another secret and may still write.
///
/// It opens every value and shows none. Errors: 55000 no key. For service_role.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)] // a result row of SQL
fn phi_status(
    fcinfo: pg_sys::FunctionCallInfo,
) -> Result<
    TableIterator<
        'static,
        (
            name!(table_name, String),
            name!(column_name, String),
            name!(rows, i64),
            name!(encrypted, i64),
            name!(not_encrypted, i64),
            name!(differing, i64),
            name!(unreadable, i64),
            name!(outdated, i64),
            name!(previous_key_needed, bool),
        ),
    >,
    ErrorReport,
> {
    access::for_the_backend_alone(fcinfo, "auria.phi_status")?;
    let mut result = Vec::new();
    spi::connected(|spi| {
        let owner = owner::of_schema(spi)?;
        roles::acting_as(owner, || {
            // Before any row is read: what an old writer commits after this
            // was reported, what it committed before is read.
            let writers_left = KeysInUse::look(spi)?.are_several();
            for source in &sources(spi)? {
                let counts = count(spi, source)?;
                for (column, count) in source.table.columns.iter().zip(counts) {
                    result.push((
                        source.table.name.to_owned(),
                        column.plain_name().to_owned(),
                        count.rows,
                        count.encrypted,
                        count.not_encrypted,
                        count.differing,
                        count.unreadable,
                        count.outdated,
                        count.under_previous > 0 || writers_left,
                    ));
                }
            }
            Ok(())
        })
    })?;
    Ok(TableIterator::new(result))
}

/// What is in each column of a table, with the rights in force.
pub fn count(spi: &Spi, source: &Source) -> Result<Vec<Count>> {
    let mut counts = vec![Count::default(); source.table.columns.len()];
    let mut next = Some(Uuid::nil());
    while let Some(first) = next {
        let see = |record: &Record<'_>| {
            for (place, count) in counts.iter_mut().enumerate() {
                let stale_digest = source.is_digested(place) && backfill::due_digest(record, place)?.is_some();
                count.add(inspect(&record.pair(place)?)?, stale_digest);
            }
            Ok(())
        };
        (_, next) = source.page(spi, Snapshot::Latest, first, PAGE, see)?;
    }
    Ok(counts)
}

impl Count {
    fn add(&mut self, state: PairState, stale_digest: bool) {
        self.rows += 1;
        match state {
            PairState::Empty => {}
            PairState::PlainOnly => self.not_encrypted += 1,
            PairState::Unreadable { .. } => {
                self.encrypted += 1;
                self.unreadable += 1;
            }
            PairState::Readable { written, has_plain, differs, is_bound, is_protected } => {
                self.encrypted += 1;
                self.differing += i64::from(differs);
                self.without_plain += i64::from(!has_plain);
                self.unprotected += i64::from(!is_protected);
                self.outdated += i64::from(written != Written::Currently || !is_bound || stale_digest);
                self.under_previous += i64::from(written == Written::UnderPrevious || stale_digest);
            }
        }
    }
}
