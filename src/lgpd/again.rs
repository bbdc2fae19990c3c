//! `auria.erase_again()`: repeats erasures. A restored backup brings erased
//! people back, and the log as it was then; the DBA keeps the digests elsewhere.

use std::collections::BTreeSet;

use pgrx::datum::Array;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use uuid::Uuid;

use super::erase::erase;
use super::part::Subject;
use super::parts;
use super::report::{Action, Line, reported};
use crate::access;
use crate::args;
use crate::error::{Result, required};
use crate::pg::roles;
use crate::pg::spi::{self, Spi, quoted_identifier};
use crate::pg::transaction;
use crate::schema::owner;

/// Erases whoever has an id of which `auria.erasures` had one of these digests,
/// and reports as `auria.erase_user()` and `auria.erase_patient()` do, for each;
/// `not found` for a digest of nobody who is stored. NULL elements are ignored.
/// Errors: as theirs. For service_role.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)] // a result row of SQL
fn erase_again(
    fcinfo: pg_sys::FunctionCallInfo,
    p_digests: Option<Array<'_, &[u8]>>,
    p_keep_payments: Option<bool>,
) -> Result<
    TableIterator<
        'static,
        (name!(action, String), name!(object, String), name!(row_count, Option<i64>), name!(detail, Option<String>)),
    >,
    ErrorReport,
> {
    const THIS: &str = "auria.erase_again";
    access::for_the_backend_alone(fcinfo, THIS)?;
    let digests = required(p_digests, THIS, "p_digests")?;
    let keep = required(p_keep_payments, THIS, "p_keep_payments")?;
    transaction::refuse_if_read_only(c"auria.erase_again()");
    let digests: BTreeSet<Vec<u8>> = digests.iter().flatten().map(<[u8]>::to_vec).collect();
    let report = spi::connected(|spi| repeat(spi, digests.into_iter().collect(), keep))?;
    Ok(reported(report))
}

fn repeat(spi: &Spi, mut digests: Vec<Vec<u8>>, keep_payments: bool) -> Result<Vec<Line>> {
    let owner = owner::of_schema(spi)?;
    let mut report = Vec::new();
    for subject in [Subject::User, Subject::Patient { by_name: true }] {
        // After the dentists, whose patients go with them.
        for (id, digest) in roles::acting_as(owner, || people(spi, subject, &digests))? {
            report.extend(erase(spi, subject, id, keep_payments)?);
            digests.retain(|known| *known != digest);
        }
    }
    report.extend(digests.iter().map(|digest| {
        Line::explained(Action::NotFound, hex::encode(digest), "nobody who is stored has an id of this digest")
    }));
    Ok(report)
}

/// The ids that rows belong to, and whose digest is one of these.
fn people(spi: &Spi, subject: Subject, digests: &[Vec<u8>]) -> Result<BTreeSet<(Uuid, Vec<u8>)>> {
    const UUID: &str = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";
    let mut found = BTreeSet::new();
    for part in parts::of(spi, subject)?.tables.iter().filter(|part| part.out_of_reach.is_none()) {
        for column in &part.owned_by {
            let sql = format!(
                "SELECT DISTINCT id::pg_catalog.uuid, digest \
                   FROM (SELECT DISTINCT t.{}::pg_catalog.text FROM {} AS t) AS stored (id) \
                  CROSS JOIN LATERAL pg_catalog.sha256(pg_catalog.convert_to(id, 'UTF8')) AS digest \
                  WHERE digest = ANY ($1) AND CASE WHEN id ~ '{UUID}' THEN true END",
                quoted_identifier(column),
                part.stored,
            );
            for row in spi.read_once(&sql, args![digests])?.iter() {
                found.insert((row.expect(1)?, row.expect(2)?));
            }
        }
    }
    Ok(found)
}
