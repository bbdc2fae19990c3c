//! The trigger functions of the views, which write to the stored tables.
//!
//! They run with the rights of whoever writes, so that row-level security
//! decides. What is written where follows from the catalogue and from
//! [`columns`](crate::phi::columns): one function of each kind serves all views.

use pgrx::{PgSqlErrorCode, pg_extern, pg_sys};
use uuid::Uuid;

use super::decide::{self, Decision};
use super::digests::Digests;
use super::statement::run;
use super::stored;
use crate::args;
use crate::error::{self, Error, Result};
use crate::pg::spi::{self, Arg, Spi, quoted_identifier};
use crate::pg::trigger::{self, Column, RowTrigger, TriggeredRow};
use crate::phi::columns::{EVALUATION_DRAFTS, PATIENTS, PhiTable};
use crate::phi::layout;

/// INSTEAD OF INSERT on a view. Errors: 42501 a ciphertext that does not open
/// to the plain value; 54000 a name that is too long, or a value; 55000 no key.
#[pg_extern(sql = false)]
fn sealed_insert(fcinfo: pg_sys::FunctionCallInfo) -> TriggeredRow {
    fire(fcinfo, "sealed_insert", insert)
}

/// INSTEAD OF UPDATE on a view. Errors as [`sealed_insert`]; 40001 where the
/// row has changed since the statement began.
#[pg_extern(sql = false)]
fn sealed_update(fcinfo: pg_sys::FunctionCallInfo) -> TriggeredRow {
    fire(fcinfo, "sealed_update", update)
}

/// INSTEAD OF DELETE on a view. Errors: 40001 where the row has changed since
/// the statement began.
#[pg_extern(sql = false)]
fn sealed_delete(fcinfo: pg_sys::FunctionCallInfo) -> TriggeredRow {
    fire(fcinfo, "sealed_delete", delete)
}

fn fire(
    fcinfo: pg_sys::FunctionCallInfo,
    function: &'static str,
    write: fn(&Spi, &mut RowTrigger<'_>, &'static PhiTable) -> Result<()>,
) -> TriggeredRow {
    trigger::fire(fcinfo, function, |row| {
        let Some(table) = PhiTable::named(&row.table()) else {
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                format!("{function}() is for the views of the sealed layout"),
            ));
        };
        if !row.is_instead() {
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                format!("{function}() must be an INSTEAD OF trigger"),
            ));
        }
        spi::connected(|spi| write(spi, row, table))
    })
}

/// What a row's write sets in the stored table.
#[derive(Default)]
struct Assignments {
    /// The columns, quoted.
    names: Vec<String>,
    values: Vec<Assigned>,
    /// Those of a name that is written.
    digests: Digests,
}

/// The error of a row that names no dentist: as in the open layout, policies are asked before NOT NULL.
fn without_owner(spi: &Spi, table: &PhiTable) -> Result<Error> {
    let is_active = "SELECT FROM pg_catalog.row_security_active($1) AS is_active WHERE is_active";
    Ok(if spi.exists(is_active, args![&layout::stored_name(table)])? {
        error::row_security_violated(table.name)
    } else {
        error::null_in_column(table.name, "user_id")
    })
}

/// A value that is set.
enum Assigned {
    AsGiven(Arg<'static>),
    Bytes(Option<Vec<u8>>),
}

impl Assignments {
    /// Decides about each column of the row, and encrypts.
    ///
    /// # Errors
    /// 23502 where NULL would be stored and must not be.
    fn of(spi: &Spi, row: &RowTrigger<'_>, table: &'static PhiTable) -> Result<Self> {
        let stored = stored::stored(spi, table)?;
        let owner = row.column(c"user_id").map(|user| row.new_value::<Uuid>(user)).transpose()?.flatten();
        let Some(owner) = owner else {
            return Err(without_owner(spi, table)?);
        };
        let mut new = Self::default();
        for (column, name) in row.columns() {
            if table.with_plain(&name).is_some() || stored.is_generated(&name) {
                continue;
            }
            let names = table.with_encrypted(&name);
            let decision = match names {
                Some(names) => decide::encrypted(row, names, column, owner)?,
                None => decide::ordinary(row, column),
            };
            let (value, is_null) = match decision {
                Decision::Keep => continue,
                Decision::Erase => (Assigned::Bytes(None), true),
                Decision::Encrypt(plain) => (Assigned::Bytes(Some(plain.encrypt(Some(owner))?)), false),
                Decision::Take => (Assigned::AsGiven(row.new_argument(column)), row.new_is_null(column)),
            };
            if is_null && stored.is_required(&name) {
                return Err(error::null_in_column(table.name, names.map_or(&name, |names| names.plain_name())));
            }
            new.set(&name, value);
        }
        let changes = |column: Option<Column>| column.is_some_and(|column| row.changes(column));
        if table.name == PATIENTS.name && (changes(row.column(c"name")) || changes(row.column(c"user_id"))) {
            new.digests = Digests::of(row, owner)?;
            new.set("name_digest", Assigned::Bytes(new.digests.first().map(Vec::from)));
        }
        Ok(new)
    }

    fn set(&mut self, name: &str, value: Assigned) {
        self.names.push(quoted_identifier(name));
        self.values.push(value);
    }

    /// `$1`, `$2` … for the values.
    fn places(&self) -> impl Iterator<Item = String> {
        (1..=self.values.len()).map(|place| format!("${place}"))
    }

    fn args(&self) -> Vec<Arg<'_>> {
        let values = self.values.iter();
        values
            .map(|value| match value {
                Assigned::AsGiven(arg) => *arg,
                Assigned::Bytes(bytes) => Arg::from(bytes.as_deref()),
            })
            .collect()
    }
}

fn insert(spi: &Spi, row: &mut RowTrigger<'_>, table: &'static PhiTable) -> Result<()> {
    let new = Assignments::of(spi, row, table)?;
    // A draft that is saved again replaces the last one.
    let replacing = if table.name == EVALUATION_DRAFTS.name {
        "ON CONFLICT (user_id) DO UPDATE SET draft_data_encrypted = excluded.draft_data_encrypted, \
             updated_at = pg_catalog.now()"
    } else {
        ""
    };
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ({}) {replacing}",
        layout::stored_name(table),
        new.names.join(", "),
        Vec::from_iter(new.places()).join(", "),
    );
    store(spi, row, table, &sql, &new.args())?;
    match row.column(c"id").and_then(|id| row.stored_id(id)) {
        Some(id) => new.digests.settle(spi, id),
        None => Ok(()),
    }
}

fn update(spi: &Spi, row: &mut RowTrigger<'_>, table: &'static PhiTable) -> Result<()> {
    let Some(id) = stored::lock_as_seen(spi, row, table)? else {
        row.skip();
        return Ok(());
    };
    let new = Assignments::of(spi, row, table)?;
    let mut settings: Vec<String> =
        new.names.iter().zip(new.places()).map(|(name, place)| format!("{name} = {place}")).collect();
    if settings.is_empty() {
        // The row is written all the same, as a table's would be.
        settings.push("id = id".to_owned());
    }
    let sql = format!(
        "UPDATE {} SET {} WHERE id OPERATOR(pg_catalog.=) ${}",
        layout::stored_name(table),
        settings.join(", "),
        new.values.len() + 1,
    );
    let mut args = new.args();
    args.push(Arg::from(id));
    store(spi, row, table, &sql, &args)?;
    new.digests.settle(spi, id)
}

fn delete(spi: &Spi, row: &mut RowTrigger<'_>, table: &'static PhiTable) -> Result<()> {
    let Some(id) = stored::lock_as_seen(spi, row, table)? else {
        row.skip();
        return Ok(());
    };
    let sql = format!("DELETE FROM {} WHERE id OPERATOR(pg_catalog.=) $1", layout::stored_name(table));
    let deleted = run(spi, &sql, args![id])?;
    if deleted.is_empty() {
        row.skip();
    }
    Ok(())
}

/// Runs the statement and gives the row what is stored; leaves it out where
/// row-level security hid it.
fn store(spi: &Spi, row: &mut RowTrigger<'_>, table: &PhiTable, sql: &str, args: &[Arg<'_>]) -> Result<()> {
    // Everything that is stored as it is.
    let mut returned = row.columns();
    returned.retain(|(_, name)| table.with_plain(name).is_none());
    let names: Vec<String> = returned.iter().map(|(_, name)| quoted_identifier(name)).collect();
    let rows = run(spi, &format!("{sql} RETURNING {}", names.join(", ")), args)?;
    let Some(found) = rows.first() else {
        row.skip();
        return Ok(());
    };
    for (position, (column, _)) in (1..).zip(returned) {
        row.take(column, &found, position)?;
    }
    Ok(())
}
