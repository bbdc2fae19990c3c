//! `auria.export_user()`, `auria.export_patient()`: everything that is stored
//! about a person, as one document.

use pgrx::datum::Uuid as SqlUuid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use super::part::{Part, Subject};
use super::parts::{self, Parts};
use super::storage;
use crate::access;
use crate::args;
use crate::error::{self, Error, Result};
use crate::pg::bytes::Jsonb;
use crate::pg::roles;
use crate::pg::spi::{self, Arg, Spi, quoted_identifier, quoted_literal};
use crate::pg::value::required_id;
use crate::phi::columns::{Kind, PhiColumn, PhiTable};
use crate::schema::owner;

/// Everything that is stored about a dentist: the rows of every table, with
/// patient data in plain, the files, and what could not be included. The account
/// in `auth.users` is the platform's to export.
///
/// A user without rows gives empty lists. Errors: 22004 NULL; 39000 a value that
/// no secret opens; 54000 more than a jsonb can hold. For service_role, also on
/// a standby.
#[pg_extern(sql = false)]
fn export_user(fcinfo: pg_sys::FunctionCallInfo, p_user_id: Option<SqlUuid>) -> Result<Jsonb, ErrorReport> {
    access::for_the_backend_alone(fcinfo, "auria.export_user")?;
    let user = required_id(p_user_id, "auria.export_user", "p_user_id")?;
    let document = spi::connected(|spi| export(spi, Subject::User, user))?;
    access::log_read("auria.export_user", &[("dentist", &[user])])?;
    Ok(document)
}

/// [`export_user`] about a patient.
#[pg_extern(sql = false)]
fn export_patient(fcinfo: pg_sys::FunctionCallInfo, p_patient_id: Option<SqlUuid>) -> Result<Jsonb, ErrorReport> {
    access::for_the_backend_alone(fcinfo, "auria.export_patient")?;
    let patient = required_id(p_patient_id, "auria.export_patient", "p_patient_id")?;
    let document = spi::connected(|spi| export(spi, Subject::Patient { by_name: true }, patient))?;
    access::log_read("auria.export_patient", &[("patient", &[patient])])?;
    Ok(document)
}

#[derive(Serialize)]
struct Object {
    bucket_id: String,
    name: String,
}

#[derive(Serialize)]
struct NotIncluded {
    table: String,
    reason: String,
}

fn export(spi: &Spi, subject: Subject, id: Uuid) -> Result<Jsonb> {
    let owner = owner::of_schema(spi)?;
    let (rows, not_included) = roles::acting_as(owner, || {
        let parts = parts::of(spi, subject)?;
        let rows = rows(spi, &parts, id, exported)?;
        let mut not_included = not_included(&parts, subject);
        not_included.extend(values_of_others(spi, &parts, id)?);
        Ok::<_, Error>((rows, not_included))
    })?;
    let rows = rows.into_datum();
    let objects: Vec<Object> = storage::objects(spi, subject, id, rows)?
        .into_iter()
        .map(|(bucket_id, name)| Object { bucket_id, name })
        .collect();
    let document = spi.read_once(
        include_str!("document.sql"),
        &[
            Arg::from(subject.word()),
            Arg::from(id),
            Arg::of_type(pg_sys::JSONBOID, rows),
            Arg::from(&json(&objects)?),
            Arg::from(&json(&not_included)?),
        ],
    )?;
    let document = document.first().map_or(Ok(None), |row| row.jsonb(1))?;
    document.ok_or_else(|| error::unexpected_null("an export"))
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|_| error::unexpected_null("an export"))
}

fn not_included(parts: &Parts, subject: Subject) -> Vec<NotIncluded> {
    let not_reached = parts.not_reached().chain(parts.copies.iter().cloned());
    let not_reached = not_reached.map(|(table, reason)| NotIncluded { table, reason });
    let mentions = parts.mentions.iter().map(|(table, columns)| NotIncluded {
        table: table.clone(),
        reason: format!("its rows belong to others and may mention the user in {columns}"),
    });
    let account = (subject == Subject::User).then(|| NotIncluded {
        table: "auth.users".to_owned(),
        reason: "the platform's: export the account with its own interface".to_owned(),
    });
    not_reached.chain(mentions).chain(account).collect()
}

/// The rows of each table that can be read, as an object of arrays: what
/// `select` makes of each row.
pub fn rows(spi: &Spi, parts: &Parts, id: Uuid, select: fn(&Part) -> String) -> Result<Jsonb> {
    let tables: Vec<String> = parts
        .tables
        .iter()
        .filter(|part| part.out_of_reach.is_none())
        .map(|part| format!("({}, {})", quoted_literal(&part.relation), select(part)))
        .collect();
    // PostgreSQL needs to see $1 where no table uses it.
    let sql = format!(
        "SELECT COALESCE(pg_catalog.jsonb_object_agg(name, rows), '{{}}') \
           FROM (VALUES {}) AS tables (name, rows) WHERE $1 IS NOT NULL",
        tables.join(", ")
    );
    let rows = spi.read_once(&sql, args![id])?;
    let rows = rows.first().map_or(Ok(None), |row| row.jsonb(1))?;
    rows.ok_or_else(|| error::unexpected_null("an export"))
}

/// The columns with patient data that a table stores encrypted.
fn encrypted_columns(part: &Part) -> impl Iterator<Item = &'static PhiColumn> {
    let table = part.relation.strip_prefix("public.").and_then(PhiTable::named);
    table.map_or(&[][..], |table| table.columns).iter().filter(|column| part.stores_encrypted(column))
}

/// The text of an encrypted column, where it is a value of the dentist whose
/// row it is; else NULL.
fn opened(part: &Part, encrypted: &str) -> String {
    format!("auria.open_for_owner(t.{}, t.user_id, {})", quoted_identifier(encrypted), part.is_sealed())
}

/// The rows as the person may read them: without ciphertexts, and where there
/// is nothing else, decrypted.
fn exported(part: &Part) -> String {
    let mut row = "pg_catalog.to_jsonb(t)".to_owned();
    if part.is_sealed() {
        row = format!("({row} - 'name_digest')");
    }
    for column in encrypted_columns(part) {
        let (plain, encrypted) = (column.plain_name(), column.encrypted_name());
        let value = opened(part, encrypted);
        let value = match column.kind {
            Kind::Jsonb => format!("{value}::pg_catalog.jsonb"),
            Kind::Text | Kind::Date => format!("pg_catalog.to_jsonb({value})"),
        };
        let value = if part.is_sealed() {
            value
        } else {
            let plain = quoted_identifier(plain);
            format!("CASE WHEN t.{plain} IS NULL THEN {value} ELSE pg_catalog.to_jsonb(t.{plain}) END")
        };
        row = format!(
            "(({row}) - {}) || pg_catalog.jsonb_build_object({}, {value})",
            quoted_literal(encrypted),
            quoted_literal(plain),
        );
    }
    all(&row, &part.stored, &part.stored_condition())
}

/// Values that lie in a row and are another dentist's: by bytes that somebody
/// copied. They are named and not shown.
fn values_of_others(spi: &Spi, parts: &Parts, id: Uuid) -> Result<Vec<NotIncluded>> {
    let mut found = Vec::new();
    for part in parts.tables.iter().filter(|part| part.out_of_reach.is_none()) {
        for column in encrypted_columns(part) {
            let (plain, encrypted) = (column.plain_name(), column.encrypted_name());
            let is_shown =
                if part.is_sealed() { "true".to_owned() } else { format!("t.{} IS NULL", quoted_identifier(plain)) };
            let sql = format!(
                "SELECT t.id FROM {} AS t WHERE ({}) AND {is_shown} AND t.{} IS NOT NULL AND {} IS NULL ORDER BY 1",
                part.stored,
                part.stored_condition(),
                quoted_identifier(encrypted),
                opened(part, encrypted),
            );
            let ids: Vec<Uuid> = spi.read_once(&sql, args![id])?.column()?;
            found.extend(ids.into_iter().map(|row| NotIncluded {
                table: part.relation.clone(),
                reason: format!("{plain} of row {row} is a value of another dentist"),
            }));
        }
    }
    Ok(found)
}

/// The rows as they are stored, of a sealed table without what is encrypted.
pub fn stored(part: &Part) -> String {
    all("pg_catalog.to_jsonb(t)", &part.stored, &part.stored_condition())
}

/// From the oldest to the newest, whatever the plan and the layout.
fn all(row: &str, relation: &str, condition: &str) -> String {
    format!(
        "(SELECT COALESCE(pg_catalog.jsonb_agg({row} \
                 ORDER BY ({row}) OPERATOR(pg_catalog.->>) 'created_at', {row}), '[]') \
            FROM {relation} AS t WHERE {condition})"
    )
}
