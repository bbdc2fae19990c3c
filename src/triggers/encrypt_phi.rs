//! `encrypt_patient_phi()` and `encrypt_evaluation_phi()`: BEFORE triggers that
//! keep the encrypted columns in step with the plain ones.

use std::borrow::Cow;

use pgrx::datum::Date;
use pgrx::{PgSqlErrorCode, pg_extern, pg_sys};

use crate::error::{Error, Result};
use crate::pg::trigger::{self, Column, RowTrigger, TriggeredRow};
use crate::phi::{self, columns, columns::Kind};

/// Keeps the encrypted columns of `patients`.
///
/// SECURITY DEFINER: the secret may lie in Vault, which the role that writes a
/// patient cannot read.
#[pg_extern(sql = false)]
fn encrypt_patient_phi(fcinfo: pg_sys::FunctionCallInfo) -> TriggeredRow {
    trigger::fire(fcinfo, "encrypt_patient_phi", |row| {
        keep_in_step(row, "encrypt_patient_phi", &columns::PATIENTS)
    })
}

/// Keeps the encrypted name of `evaluations`. SECURITY DEFINER as above.
#[pg_extern(sql = false)]
fn encrypt_evaluation_phi(fcinfo: pg_sys::FunctionCallInfo) -> TriggeredRow {
    trigger::fire(fcinfo, "encrypt_evaluation_phi", |row| {
        keep_in_step(row, "encrypt_evaluation_phi", &columns::EVALUATIONS)
    })
}

/// Encrypts what the statement sets or changes. Where a plaintext becomes NULL
/// its ciphertext does too, so that an erasure is not undone by a stale copy;
/// everything else stays byte for byte as it is.
fn keep_in_step(row: &mut RowTrigger<'_>, function: &str, table: &columns::Table) -> Result<()> {
    if !row.is_before() {
        return Err(Error::new(
            PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
            format!("{function}() must be a BEFORE trigger"),
        )
        .hint("An AFTER trigger can no longer change the row."));
    }
    for column in table.columns {
        let Some(plain) = row.column(column.plain) else {
            continue;
        };
        if !row.changes(plain) {
            continue;
        }
        if !row.new_is_null(plain) {
            let message = encrypted(row, plain, column.kind)?;
            row.replace(target(row, column)?, Some(message));
        } else if row.is_update() {
            row.replace(target(row, column)?, None::<Vec<u8>>);
        }
    }
    Ok(())
}

fn encrypted(row: &RowTrigger<'_>, plain: Column, kind: Kind) -> Result<Vec<u8>> {
    match kind {
        Kind::Text => phi::encrypt(&row.new_value::<Cow<'_, str>>(plain)?.unwrap_or_default()),
        Kind::Date => match row.new_value::<Date>(plain)? {
            Some(date) => phi::encrypt(&columns::iso(date)),
            None => phi::encrypt(""),
        },
    }
}

/// The column the ciphertext goes to. Fails closed: without it, nothing is
/// stored.
fn target(row: &RowTrigger<'_>, column: &columns::Column) -> Result<Column> {
    row.column(column.encrypted)
        .filter(|encrypted| row.is_bytea(*encrypted))
        .ok_or_else(|| {
            Error::new(
                PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
                format!(
                    "table \"{}\" has no column \"{}\" of type bytea",
                    row.table(),
                    column.encrypted.to_string_lossy()
                ),
            )
            .hint("Run SELECT * FROM auria.migrate().")
        })
}
