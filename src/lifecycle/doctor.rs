//! `auria.doctor()`: whether this database is as the extension means it to be.
//!
//! It only reads, so a monitoring job can call it, also on a standby. What it
//! reports names objects, counts and ids; never patient data, never a key.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::install::{trust, version};
use super::migrate::{policies, record};
use super::{cron, profiles, shape};
use crate::access::for_the_backend_alone;
use crate::error::{Result, sqlstate};
use crate::ledger::checks as ledger;
use crate::pg::caught::Caught;
use crate::pg::spi::{self, Spi};
use crate::pg::{extension, transaction};
use crate::phi::checks as phi;
use crate::schema::check::{Check, Findings};
use crate::schema::owner::{self, Owner};
use crate::schema::{access, functions, tables};

/// What is checked, in the order of the answer. Each check is with what it is about.
const CHECKS: &[Check] = &[
    Check::of_catalogue("versions", version::check),
    Check::of_catalogue("migrations", record::check),
    Check::of_catalogue("tables", tables::missing),
    Check::of_catalogue("columns", shape::check_columns),
    Check::of_catalogue("constraints", shape::check_constraints),
    Check::of_catalogue("layout", phi::layout),
    Check::of_catalogue("row security", tables::row_security),
    Check::of_catalogue("policies", policies::check),
    Check::of_catalogue("other policies", access::check_other_policies),
    Check::of_catalogue("grants", access::check_grants),
    Check::of_catalogue("owners", trust::check_owners),
    Check::of_catalogue("functions", functions::check),
    Check::of_catalogue("triggers", shape::check_triggers),
    Check::of_catalogue("API roles", access::check_api_roles),
    Check::of_catalogue("PHI key", phi::key),
    Check::of_rows("PHI encrypted", phi::encrypted),
    Check::of_catalogue("charges", ledger::charges),
    Check::of_rows("ledger", ledger::ledger),
    Check::of_rows("sequence", ledger::sequence),
    Check::of_rows("months", ledger::months),
    Check::of_rows("profiles", missing_profiles),
    Check::of_rows("subscriptions", ledger::subscriptions),
    Check::of_rows("webhooks", ledger::webhooks),
    Check::of_rows("plans", ledger::plans),
    Check::of_catalogue("pg_trgm", tables::trigrams),
    Check::of_catalogue("jobs", cron::check),
];

/// One row for each check: what was checked, whether all is well, and what is
/// wrong if not. A note is something to know that is no failure. Each check
/// runs by itself: one that fails with an error is reported as such. Changes
/// nothing.
///
/// It reads as the schema's owner. For service_role, as a monitoring job that
/// needs no superuser.
#[pg_extern(sql = false)]
fn doctor(
    fcinfo: pg_sys::FunctionCallInfo,
) -> Result<TableIterator<'static, (name!(check, String), name!(ok, bool), name!(detail, String))>, ErrorReport> {
    for_the_backend_alone(fcinfo, "auria.doctor")?;
    let rows: Vec<_> = CHECKS
        .iter()
        .map(|check| {
            let (is_ok, detail) = outcome(check);
            (check.name.to_owned(), is_ok, detail)
        })
        .collect();
    Ok(TableIterator::new(rows))
}

/// Whether each check fails, of those that read the catalogue and no rows, and
/// so cost the same however many there are.
pub fn catalogue_failures() -> impl Iterator<Item = (&'static str, bool)> {
    CHECKS.iter().filter(|check| !check.reads_rows).map(|check| (check.name, !outcome(check).0))
}

/// Whether all is well, and what is wrong if not.
fn outcome(check: &Check) -> (bool, String) {
    let outcome = transaction::attempt(|| {
        extension::with_settings(extension::AS_COMPARED, || {
            spi::connected(|spi| Owner::of(spi)?.act(|| (check.run)(spi)))
        })
    });
    match outcome {
        Ok(findings) => (findings.failures.is_empty(), in_brief(&findings)),
        Err(caught) if sqlstate(caught.code) == "42501" => {
            let of_superuser = transaction::attempt(|| spi::connected(owner::superuser_of_schema)).ok().flatten();
            (false, of_superuser.unwrap_or_else(|| failed(&caught)))
        }
        Err(caught) => (false, failed(&caught)),
    }
}

/// What is reported of a check that failed. The message is shown where it is
/// about an object and its privileges; others may quote a row.
fn failed(caught: &Caught) -> String {
    let code = sqlstate(caught.code);
    let message = if code.starts_with("42") { format!(": {}", caught.message()) } else { String::new() };
    format!("the check itself failed with SQLSTATE {code}{message}")
}

/// Failures first, then notes.
fn in_brief(findings: &Findings) -> String {
    let notes = abbreviated(&findings.notes).into_iter().map(|note| format!("note: {note}"));
    abbreviated(&findings.failures).into_iter().chain(notes).collect::<Vec<_>>().join("; ")
}

/// The first of the objects, and how many others there are.
fn abbreviated(lines: &[String]) -> Vec<String> {
    const NAMED: usize = 5;
    let mut parts = lines[..lines.len().min(NAMED)].to_vec();
    if lines.len() > NAMED {
        parts.push(format!("and {} more", lines.len() - NAMED));
    }
    parts
}

/// Users without a profile. Where a team replaced `handle_new_user()`, whether a user has one is the
/// team's decision.
fn missing_profiles(spi: &Spi) -> Result<Findings> {
    let mut findings = Findings::default();
    if !tables::exists(spi, "public.profiles")? {
        return Ok(findings);
    }
    let missing = profiles::missing(spi)?;
    if missing > 0 {
        let is_compiled = functions::compiled(spi)?.contains(&"public.handle_new_user()");
        findings
            .add(format!("{missing} users have no profile: run SELECT auria.create_missing_profiles()"), is_compiled);
    }
    Ok(findings)
}
