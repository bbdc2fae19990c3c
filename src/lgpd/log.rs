//! The log of erasures, `auria.erasures`: what was erased, when and by whom, as
//! numbers of rows per table. It names neither the person nor anything that was
//! stored about them: a digest of the id lets an erasure be repeated.

use pgrx::PgSqlErrorCode;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::part::Subject;
use super::report::{Action, Line};
use crate::args;
use crate::error::{Error, Result};
use crate::pg::spi::Spi;
use crate::schema::owner::as_owner_of_record;

const TABLE: &str = "auria.erasures";

/// Who asks: the login, and the role whose rights are in force.
pub struct Caller {
    login: String,
    role: String,
}

impl Caller {
    /// Whoever calls; asked before the rights change.
    pub fn now(spi: &Spi) -> Result<Self> {
        let rows = spi.read_once("SELECT session_user::pg_catalog.text, current_user::pg_catalog.text", &[])?;
        let (login, role) = match rows.first() {
            Some(row) => (row.expect(1)?, row.expect(2)?),
            None => Default::default(),
        };
        Ok(Self { login, role })
    }
}

/// Writes an entry in the transaction of the erasure: both or neither. With the
/// rights of the log's owner, a superuser: nobody else can write it, the owner
/// of the schema included. Returns the entry's id.
pub fn record(spi: &Spi, caller: &Caller, subject: Subject, id: Uuid, report: &[Line]) -> Result<i64> {
    if !spi.exists("SELECT WHERE pg_catalog.to_regclass($1) IS NOT NULL", args![TABLE])? {
        return Err(Error::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the log of erasures, auria.erasures, is missing",
        )
        .detail("Nothing was erased.")
        .hint("Run SELECT * FROM auria.migrate(), which makes it."));
    }
    let of = |action| report.iter().filter(move |line| line.action == action);
    let counts = |action| json(of(action));
    let complete = of(Action::NotReached).next().is_none();
    let files = of(Action::DeleteFile).count() as i64;
    as_owner_of_record(spi, TABLE, || {
        spi.query_once(
            "INSERT INTO auria.erasures (subject, login, role, removed, kept, not_reached, files, complete, digest) \
             VALUES ($1, $2, $3, $4::pg_catalog.jsonb, $5::pg_catalog.jsonb, $6::pg_catalog.jsonb, $7, $8, \
                     pg_catalog.sha256(pg_catalog.convert_to($9::pg_catalog.text, 'UTF8'))) \
             RETURNING id",
            args![
                subject.word(),
                &caller.login,
                &caller.role,
                &counts(Action::Removed),
                &counts(Action::Kept),
                &counts(Action::NotReached),
                files,
                complete,
                id,
            ],
        )?
        .one()?
        .ok_or_else(|| crate::error::unexpected_null(TABLE))
    })
}

/// Tables with their numbers of rows, as an object of JSON; null where the
/// number is not known.
fn json<'a>(lines: impl Iterator<Item = &'a Line>) -> String {
    let counts: Map<String, Value> = lines.map(|line| (line.object.clone(), Value::from(line.rows))).collect();
    Value::Object(counts).to_string()
}
