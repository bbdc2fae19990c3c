//! `auria.metrics()`: numbers for a monitoring system.
//!
//! | group | what it reads |
//! |---|---|
//! | `ledger` | the last 500 pages of the ledger; a sequence |
//! | `charges` | how charges go: the definitions of two tables, as the backend caches them |
//! | `refusals` | the last numbers of sequences |
//! | `calls` | PostgreSQL's counters of function calls, where `track_functions` is `all` |
//! | `subscriptions` | a sample of 200 pages |
//! | `phi` | a sample of 200 pages of each table |
//! | `purchases` | those that are pending, by an index that holds no others |
//! | `rows` | the planner's estimates |
//! | `jobs` | the last runs of pg_cron's jobs |
//! | `doctor` | the doctor's checks that read the catalogue alone |
//!
//! A charge that was refused changes no row, by contract; `ledger::refusal`
//! counts it in a sequence.

mod ledger;

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::access;
use crate::args;
use crate::error::{Error, Result};
use crate::ledger::checks::charges_obstacle;
use crate::lifecycle::{catalogue_failures, last_runs};
use crate::pg::bytes::Jsonb;
use crate::pg::spi::{self, Rows, Spi, quoted_literal};
use crate::pg::transaction;
use crate::phi;
use crate::phi::columns::PhiTable;
use crate::schema::TABLES;
use crate::schema::owner::Owner;

/// A name, its labels, and the number.
type Metric = (String, Option<Jsonb>, f64);

type Group = (&'static str, fn(&Spi) -> Result<Vec<Metric>>);

const GROUPS: &[Group] = &[
    ("ledger", ledger::metrics),
    ("charges", charges),
    ("refusals", |spi| metrics_of(&spi.read_once(include_str!("refusals.sql"), &[])?)),
    ("calls", |spi| metrics_of(&spi.read_once(include_str!("calls.sql"), &[])?)),
    ("subscriptions", |spi| metrics_of(&spi.read_once(include_str!("subscriptions.sql"), &[])?)),
    ("phi", not_encrypted),
    ("purchases", |spi| metrics_of(&spi.read_once(include_str!("purchases.sql"), &[])?)),
    ("rows", |spi| metrics_of(&spi.read_once(include_str!("rows.sql"), args![TABLES])?)),
    ("jobs", |spi| last_runs(spi, metrics_of).map(Option::unwrap_or_default)),
    ("doctor", doctor_failures),
];

/// Numbers for a monitoring system: a row for each metric and set of labels. With
/// `p_group`, those of one group alone. Ages are in seconds. Cheap at any size:
/// what it reads is bounded.
///
/// Each group stands by itself: `collected` is 1 for a group whose numbers are
/// here, 0 for one whose reading failed. Names no patient, no user and no key.
/// Changes nothing; works on a standby.
///
/// It reads as the schema's owner. 22023 for a group that does not exist. For
/// service_role, and for the role of an exporter that a DBA grants EXECUTE.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)] // a result row of SQL
fn metrics(
    fcinfo: pg_sys::FunctionCallInfo,
    p_group: Option<&str>,
) -> Result<TableIterator<'static, (name!(metric, String), name!(labels, Option<Jsonb>), name!(value, f64))>, ErrorReport>
{
    access::for_the_backend_alone(fcinfo, "auria.metrics")?;
    let is_asked = |group: &&Group| p_group.is_none_or(|asked| asked == group.0);
    if !GROUPS.iter().any(|group| is_asked(&group)) {
        let groups: Vec<_> = GROUPS.iter().map(|group| group.0).collect();
        return Err(Error::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "auria.metrics() has no such group")
            .hint(format!("The groups are {}.", groups.join(", ")))
            .into());
    }
    let mut all = Vec::new();
    for (group, read) in GROUPS.iter().filter(is_asked) {
        let read = transaction::attempt(|| spi::connected(|spi| Owner::of(spi)?.act(|| read(spi))));
        let is_collected = read.is_ok();
        all.extend(read.unwrap_or_default());
        all.extend(spi::connected(|spi| {
            metrics_of(&spi.read_once(
                "SELECT 'collected', pg_catalog.jsonb_build_object('group', $1), $2::double precision",
                args![*group, i32::from(is_collected)],
            )?)
        })?);
    }
    Ok(TableIterator::new(all))
}

/// Rows of a name, labels and a number.
fn metrics_of(rows: &Rows<'_>) -> Result<Vec<Metric>> {
    rows.iter().map(|row| Ok((row.expect(1)?, row.jsonb(2)?, row.expect(3)?))).collect()
}

/// Whether charges go by rows, or else why not.
fn charges(spi: &Spi) -> Result<Vec<Metric>> {
    let why = charges_obstacle();
    metrics_of(&spi.read_once(
        "SELECT 'charges_by_rows', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('why', $1)), \
                ($1 IS NULL)::integer::double precision",
        args![why.as_deref()],
    )?)
}

/// For each column with patient data, how many values of a sample have no
/// encrypted form beside them. A stored table without the plain columns has
/// none.
fn not_encrypted(spi: &Spi) -> Result<Vec<Metric>> {
    let mut all = Vec::new();
    for source in &phi::sources(spi)? {
        if source.is_sealed {
            continue;
        }
        let PhiTable { name, columns } = *source.table;
        let (names, counts): (Vec<_>, Vec<_>) = columns
            .iter()
            .map(|column| {
                let plain = column.plain.to_string_lossy();
                let encrypted = column.encrypted.to_string_lossy();
                (
                    quoted_literal(&plain),
                    format!("count(*) FILTER (WHERE t.{plain} IS NOT NULL AND t.{encrypted} IS NULL)"),
                )
            })
            .unzip();
        all.extend(metrics_of(
            &spi.read_once(
                &include_str!("sample.sql")
                    .replace("TABLE_NAME", name)
                    .replace("COUNTS", &counts.join(", "))
                    .replace("COLUMNS", &names.join(", ")),
                &[],
            )?,
        )?);
    }
    Ok(all)
}

/// How many of the doctor's checks fail, of those that cost the same however
/// many rows there are.
fn doctor_failures(spi: &Spi) -> Result<Vec<Metric>> {
    let checks: Vec<(&str, bool)> = catalogue_failures().collect();
    let names: Vec<&str> = checks.iter().map(|(name, _)| *name).collect();
    let failing: Vec<&str> = checks.iter().filter(|(_, fails)| *fails).map(|(name, _)| *name).collect();
    metrics_of(&spi.read_once(
        "SELECT 'doctor_failing', pg_catalog.jsonb_build_object('check', name), \
                (name = ANY ($2))::integer::double precision \
           FROM pg_catalog.unnest($1) AS name",
        args![names.as_slice(), failing.as_slice()],
    )?)
}
