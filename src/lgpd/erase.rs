//! `auria.erase_user()`, `auria.erase_patient()`: removes what is stored about a
//! person, and reports what was removed, what was kept, and what is left to do.

use pgrx::datum::Uuid as SqlUuid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use uuid::Uuid;

use super::belonging::{NAMED_DRAFT, NAMED_EVALUATION};
use super::export::{rows, stored};
use super::log::{self, Caller};
use super::part::{Part, Subject};
use super::parts::{self, Parts};
use super::report::{Action, Line, reported};
use super::storage;
use crate::access;
use crate::args;
use crate::error::{self, Error, Result, required};
use crate::pg::roles;
use crate::pg::spi::{self, Spi};
use crate::pg::transaction;
use crate::pg::value::required_id;
use crate::schema::owner;

/// What tax law makes a company keep, for five years as a rule.
const PAYMENTS: [&str; 3] = ["public.payment_history", "public.credit_pack_purchases", "public.webhook_events"];

const KEPT: &str = "a payment, which tax law keeps: p_keep_payments is true";

/// Removes what is stored about a dentist, their patients included, and reports
/// it: `removed` and `kept` with the number of rows, `not reached` for a table
/// that is not read, or rows that a team's trigger or rule kept, `delete file` for each file,
/// `recorded` with the entry in the log of erasures, and `to do`. With `p_keep_payments`, payments and purchases stay. The account in
/// `auth.users` is the platform's to delete.
///
/// Safe to repeat: nothing is left to remove then. All or nothing. Errors: 22004
/// NULL; 23503 a team's rows that refer to what is removed; 25006 read-only;
/// 55000 without the log. For service_role.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)] // a result row of SQL
fn erase_user(
    fcinfo: pg_sys::FunctionCallInfo,
    p_user_id: Option<SqlUuid>,
    p_keep_payments: Option<bool>,
) -> Result<
    TableIterator<
        'static,
        (name!(action, String), name!(object, String), name!(row_count, Option<i64>), name!(detail, Option<String>)),
    >,
    ErrorReport,
> {
    const THIS: &str = "auria.erase_user";
    access::for_the_backend_alone(fcinfo, THIS)?;
    let user = required_id(p_user_id, THIS, "p_user_id")?;
    let keep = required(p_keep_payments, THIS, "p_keep_payments")?;
    transaction::refuse_if_read_only(c"auria.erase_user()");
    let report = spi::connected(|spi| erase(spi, Subject::User, user, keep))?;
    Ok(reported(report))
}

/// [`erase_user`] about a patient.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)] // a result row of SQL
fn erase_patient(
    fcinfo: pg_sys::FunctionCallInfo,
    p_patient_id: Option<SqlUuid>,
) -> Result<
    TableIterator<
        'static,
        (name!(action, String), name!(object, String), name!(row_count, Option<i64>), name!(detail, Option<String>)),
    >,
    ErrorReport,
> {
    access::for_the_backend_alone(fcinfo, "auria.erase_patient")?;
    let patient = required_id(p_patient_id, "auria.erase_patient", "p_patient_id")?;
    transaction::refuse_if_read_only(c"auria.erase_patient()");
    let report = spi::connected(|spi| erase(spi, Subject::Patient { by_name: true }, patient, false))?;
    Ok(reported(report))
}

/// Erases one person, as [`erase_user`] says.
pub fn erase(spi: &Spi, mut subject: Subject, id: Uuid, keep_payments: bool) -> Result<Vec<Line>> {
    let mut notes = Vec::new();
    let caller = Caller::now(spi)?;
    transaction::check_constraints_now();
    let owner = owner::of_schema(spi)?;
    let (parts, all_rows) = roles::acting_as(owner, || {
        if subject == (Subject::Patient { by_name: true }) && !names_can_be_read(spi, id) {
            subject = Subject::Patient { by_name: false };
            notes.push(to_do(
                "public.evaluations",
                "a value of this dentist cannot be decrypted, so evaluations and drafts that carry the \
                 patient's name alone were not looked for: see auria.phi_status()",
            ));
        }
        let parts = parts::of(spi, subject)?;
        lock(spi, &parts, subject, id)?;
        let all_rows = match subject {
            Subject::User => None,
            Subject::Patient { .. } => rows(spi, &parts, id, stored)?.into_datum(),
        };
        Ok::<_, Error>((parts, all_rows))
    })?;
    let files = storage::objects(spi, subject, id, all_rows)?;
    let mut report = roles::acting_as(owner, || remove(spi, &parts, id, keep_payments))?;
    report.extend(parts.mentions.iter().map(|(table, columns)| {
        let detail = format!(
            "the rows belong to others; where {columns} mentions the user, it is cleared when the account is deleted"
        );
        Line::explained(Action::Kept, table, detail)
    }));
    report.extend(files.into_iter().map(|(bucket, name)| {
        let file = format!("{bucket}/{name}");
        Line::explained(Action::DeleteFile, file, "delete it with the API of the file store")
    }));
    let entry = log::record(spi, &caller, subject, id, &report)?;
    let entry = format!("entry {entry}: note it with the request, because the log names nobody");
    report.push(Line::explained(Action::Recorded, "auria.erasures", entry));
    report.append(&mut notes);
    if subject == Subject::User {
        report.push(to_do(
            "auth.users",
            if keep_payments {
                "keep the row, which the payments refer to and would be deleted with: clear its email, phone \
                 and metadata with the platform's interface, and ban the account"
            } else {
                "delete the account with the platform's interface"
            },
        ));
    }
    report.push(to_do(
        "VACUUM FULL",
        "old row versions stay in the files of the tables above and of pg_catalog.pg_statistic until then, and \
         in WAL, standbys and backups until these are recycled",
    ));
    Ok(report)
}

fn to_do(object: &str, detail: &str) -> Line {
    Line::explained(Action::ToDo, object, detail)
}

/// Whether the names that would be compared can be read: where a view decrypts
/// them, one damaged value must not keep a patient from being erased. A fault that may pass is
/// raised: an erasure that did not look at names would be taken for a complete one.
fn names_can_be_read(spi: &Spi, id: Uuid) -> bool {
    transaction::attempt_finally(|| {
        let sql = format!(
            "SELECT (SELECT pg_catalog.count(*) FROM public.evaluations t WHERE {NAMED_EVALUATION}) \
                  + (SELECT pg_catalog.count(*) FROM public.evaluation_drafts t WHERE {NAMED_DRAFT})"
        );
        spi.read_once(&sql, args![id])?.one::<i64>()
    })
    .is_ok()
}

/// Keeps others from adding rows that refer to the patient: their evaluations
/// would stay and lose the reference.
fn lock(spi: &Spi, parts: &Parts, subject: Subject, id: Uuid) -> Result<()> {
    let patients = parts.tables.iter().find(|part| part.relation == "public.patients");
    if let (Subject::Patient { .. }, Some(patients)) = (subject, patients) {
        spi.execute(&format!("SELECT FROM {} WHERE id = $1 FOR UPDATE", patients.stored), args![id])?;
    }
    Ok(())
}

/// Removes the rows of each table and counts them; what is to be kept is
/// counted.
fn remove(spi: &Spi, parts: &Parts, id: Uuid, keep_payments: bool) -> Result<Vec<Line>> {
    let mut kept = Vec::new();
    if keep_payments {
        kept.extend(PAYMENTS.map(str::to_owned));
        // Rows that belong to a payment alone are kept with it. A table that is referred to comes last.
        for part in parts.tables.iter().rev() {
            if !part.through.is_empty() && part.through.iter().all(|table| kept.contains(table)) {
                kept.push(part.relation.clone());
            }
        }
    }
    let is_kept = |part: &Part| kept.contains(&part.relation);
    let is_removed = |part: &Part| part.out_of_reach.is_none() && !is_kept(part);
    // Asked first: afterwards, the rows by which these are found may be gone.
    let mut counts = Vec::new();
    let mut keys = Vec::new();
    for part in &parts.tables {
        counts.push(if is_kept(part) && part.out_of_reach.is_none() { still_there(spi, part, id)? } else { 0 });
        keys.push(if is_removed(part) && !part.keepers.is_empty() { row_keys(spi, part, id)? } else { Vec::new() });
    }
    // The second time takes what a team's trigger has written meanwhile.
    for _ in 0..2 {
        let mut at = 0;
        for cycle in parts.tables.chunk_by(|one, other| one.cycle == other.cycle) {
            let deleted: Vec<&Part> = cycle.iter().filter(|part| is_removed(part)).collect();
            let mut found = delete(spi, &deleted, id)?.into_iter();
            for (part, count) in cycle.iter().zip(&mut counts[at..]) {
                if is_removed(part) {
                    *count += found.next().unwrap_or_default();
                }
            }
            at += cycle.len();
        }
    }
    let mut report = Vec::new();
    for ((part, count), keys) in parts.tables.iter().zip(counts).zip(keys) {
        if part.out_of_reach.is_some() {
            continue;
        }
        if is_kept(part) {
            report.push(Line::counted(Action::Kept, &part.relation, count).because(KEPT));
            continue;
        }
        report.push(Line::counted(Action::Removed, &part.relation, count));
        let left = still_there(spi, part, id)?.max(still_there_by_key(spi, part, &keys)?);
        if left > 0 {
            let by = if part.keepers.is_empty() { "a trigger".to_owned() } else { part.keepers.join(", ") };
            let why = format!("the rows are still there after the deletion: see {by}");
            report.push(Line::counted(Action::NotReached, &part.relation, left).because(why));
        }
    }
    report.extend(parts.not_reached().map(|(table, reason)| Line::explained(Action::NotReached, table, reason)));
    report.extend(parts.copies.iter().map(|(relation, what)| to_do(relation, what)));
    Ok(report)
}

/// How many rows belong to the subject now.
fn still_there(spi: &Spi, part: &Part, id: Uuid) -> Result<i64> {
    let sql = format!("SELECT pg_catalog.count(*) FROM {} AS t WHERE {}", part.relation, part.condition);
    Ok(spi.query_once(&sql, args![id])?.one()?.unwrap_or(0))
}

/// The keys by which the subject's rows are found again, when the rows that they
/// were found by are gone.
fn row_keys(spi: &Spi, part: &Part, id: Uuid) -> Result<Vec<String>> {
    let sql = format!("SELECT DISTINCT {} FROM {} AS t WHERE {}", part.row_key(), part.relation, part.condition);
    spi.query_once(&sql, args![id])?.column()
}

fn still_there_by_key(spi: &Spi, part: &Part, keys: &[String]) -> Result<i64> {
    if keys.is_empty() {
        return Ok(0);
    }
    let sql = format!("SELECT pg_catalog.count(*) FROM {} AS t WHERE {} = ANY ($1)", part.stored, part.row_key());
    Ok(spi.query_once(&sql, args![keys])?.one()?.unwrap_or(0))
}

/// Deletes the rows of tables that refer to each other by one statement, after
/// which PostgreSQL checks their foreign keys. How many it deleted of each.
fn delete(spi: &Spi, parts: &[&Part], id: Uuid) -> Result<Vec<i64>> {
    let statement = |part: &Part| format!("DELETE FROM {} AS t WHERE {}", part.stored, part.stored_condition());
    // A statement of a WITH may have no rules.
    if parts.len() < 2 || parts.iter().any(|part| part.has_rules) {
        return parts.iter().map(|part| Ok(spi.execute(&statement(part), args![id])? as i64)).collect();
    }
    let (deletes, counts): (Vec<String>, Vec<String>) = parts
        .iter()
        .enumerate()
        .map(|(at, part)| {
            let delete = format!("of_{at} AS ({} RETURNING 1)", statement(part));
            (delete, format!("(SELECT pg_catalog.count(*) FROM of_{at})"))
        })
        .unzip();
    let sql = format!("WITH {} SELECT {}", deletes.join(", "), counts.join(", "));
    let rows = spi.query_once(&sql, args![id])?;
    let row = rows.first().ok_or_else(|| error::unexpected_null("a deletion"))?;
    (1..=parts.len() as i32).map(|at| row.expect(at)).collect()
}
