//! `encrypt_patient_phi()`, `encrypt_evaluation_phi()` and
//! `encrypt_evaluation_draft_phi()`: BEFORE triggers that keep the encrypted
//! columns in step with the plain ones.

use auria_openpgp::limits::MAX_MESSAGE;
use pgrx::datum::Date;
use pgrx::{PgSqlErrorCode, pg_extern, pg_sys};
use uuid::Uuid;

use crate::args;
use crate::error::{self, Error, Result};
use crate::pg::bytes::Stored;
use crate::pg::roles;
use crate::pg::spi;
use crate::pg::trigger::{self, Column, RowTrigger, TriggeredRow};
use crate::phi::{self, Written, columns, columns::Kind};

/// Keeps the encrypted columns of `patients`.
///
/// SECURITY INVOKER: it must see who writes. The rights that the look-up of
/// the key needs are taken for the look-up alone.
#[pg_extern(sql = false)]
fn encrypt_patient_phi(fcinfo: pg_sys::FunctionCallInfo) -> TriggeredRow {
    trigger::fire(fcinfo, "encrypt_patient_phi", |row| keep_in_step(row, "encrypt_patient_phi", &columns::PATIENTS))
}

/// Keeps the encrypted columns of `evaluations`. SECURITY INVOKER as above.
#[pg_extern(sql = false)]
fn encrypt_evaluation_phi(fcinfo: pg_sys::FunctionCallInfo) -> TriggeredRow {
    trigger::fire(fcinfo, "encrypt_evaluation_phi", |row| {
        keep_in_step(row, "encrypt_evaluation_phi", &columns::EVALUATIONS)
    })
}

/// Keeps the encrypted draft of `evaluation_drafts`. SECURITY INVOKER as above.
#[pg_extern(sql = false)]
fn encrypt_evaluation_draft_phi(fcinfo: pg_sys::FunctionCallInfo) -> TriggeredRow {
    trigger::fire(fcinfo, "encrypt_evaluation_draft_phi", |row| {
        keep_in_step(row, "encrypt_evaluation_draft_phi", &columns::EVALUATION_DRAFTS)
    })
}

/// Encrypts what the statement sets or changes. Where a plaintext becomes NULL
/// its ciphertext does too, so that an erasure is not undone by a stale copy;
/// everything else stays byte for byte as it is.
///
/// A ciphertext that the statement gives is accepted where it opens to the
/// plain value. Any other one is refused, unless the writer is trusted with the
/// encrypted columns.
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
        let encrypted = row.column(column.encrypted).filter(|encrypted| row.is_bytea(*encrypted));
        let plain_changes = row.changes(plain);
        let writes_encrypted = encrypted.is_some_and(|encrypted| row.changes(encrypted));
        if !plain_changes && !writes_encrypted {
            continue;
        }
        if let Some(encrypted) = encrypted.filter(|_| writes_encrypted) {
            match given(row, column, plain, encrypted)? {
                Given::Nothing => {}
                Given::Fits => continue,
                Given::KeepOld => {
                    row.keep_old(encrypted);
                    continue;
                }
            }
        }
        if !plain_changes {
            continue;
        }
        if !row.new_is_null(plain) {
            let message = encrypt(row, plain, column.kind)?;
            row.replace(target(row, column)?, Some(message))?;
        } else if row.is_update() {
            row.replace(target(row, column)?, None::<Vec<u8>>)?;
        }
    }
    Ok(())
}

/// What to do with what the statement wrote to an encrypted column.
enum Given {
    /// Go on as if it were not there.
    Nothing,
    /// It is the plain value, encrypted as it would be here: it stays.
    Fits,
    /// What the row had stays.
    KeepOld,
}

/// Judges what the statement wrote to an encrypted column, which an UPDATE
/// changes by it.
///
/// # Errors
/// 42501 when the writer may not write it.
fn given(row: &RowTrigger<'_>, names: &columns::Column, plain: Column, encrypted: Column) -> Result<Given> {
    let plain_is_null = row.new_is_null(plain);
    let plain_changes = row.changes(plain);
    let Some(ciphertext) = row.new_stored(encrypted)? else {
        // NULL is no ciphertext, but an UPDATE by a client must not take away
        // what it leaves the plain value of. Without a plain value it erases.
        let takes_away = row.is_update() && !plain_is_null && !plain_changes;
        return Ok(if takes_away && !is_trusted(row) { Given::KeepOld } else { Given::Nothing });
    };
    // On UPDATE, whoever is trusted with it need not prove that it fits: where
    // the plain value changes it is encrypted anew in any case.
    if row.is_update() && is_trusted(row) {
        return Ok(Given::Nothing);
    }
    if !plain_is_null {
        match opens_to(row, ciphertext, plain, names.kind)? {
            Some(Written::Currently) => return Ok(Given::Fits),
            // Accepted, and on INSERT written as it is written today.
            Some(_) => return Ok(Given::Nothing),
            None => {}
        }
    }
    if is_trusted(row) || (!row.is_update() && is_stored_already(row, names, encrypted)?) {
        return Ok(Given::Nothing);
    }
    Err(error::phi_ciphertext_refused(&row.table(), &names.encrypted.to_string_lossy()))
}

/// Whether whoever writes is trusted with the encrypted columns: the backend,
/// the owner of the table and its members, superusers.
fn is_trusted(row: &RowTrigger<'_>) -> bool {
    let writer = roles::effective();
    roles::is_superuser(writer)
        || roles::has_rights_of_role(writer, row.table_owner())
        || roles::has_rights_of(writer, c"service_role")
}

/// How a ciphertext was written, if it opens to the plain value of the row.
fn opens_to(row: &RowTrigger<'_>, ciphertext: Stored<'_>, plain: Column, kind: Kind) -> Result<Option<Written>> {
    if ciphertext.len() > MAX_MESSAGE {
        return Ok(None);
    }
    let opened = match kind {
        Kind::Text | Kind::Jsonb => {
            let Some(text) = row.new_stored(plain)? else {
                return Ok(None);
            };
            phi::decrypt(ciphertext.read(), |found| text.says(found.as_bytes()))
        }
        Kind::Date => {
            let Some(date) = row.new_value::<Date>(plain)? else {
                return Ok(None);
            };
            phi::decrypt(ciphertext.read(), |found| columns::iso(date) == found)
        }
    };
    match opened {
        Ok((fits, written)) => Ok(fits.then_some(written)),
        Err(error) if error.is_about_a_stored_value() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a row with the same id holds this ciphertext already, as when a
/// client reads a row, changes its name and sends all of it back by INSERT … ON
/// CONFLICT DO UPDATE. Asked with the writer's own rights.
fn is_stored_already(row: &RowTrigger<'_>, names: &columns::Column, encrypted: Column) -> Result<bool> {
    let Some(id) = row.column(c"id") else {
        return Ok(false);
    };
    let Some(id) = row.new_value::<Uuid>(id)? else {
        return Ok(false);
    };
    let Some(ciphertext) = row.new_stored(encrypted)? else {
        return Ok(false);
    };
    let query = format!(
        "SELECT FROM {} WHERE id OPERATOR(pg_catalog.=) $1 AND {} OPERATOR(pg_catalog.=) $2",
        row.qualified_table(),
        names.encrypted.to_string_lossy()
    );
    spi::connected(|spi| spi.exists(&query, args![id, ciphertext.read()]))
}

fn encrypt(row: &RowTrigger<'_>, plain: Column, kind: Kind) -> Result<Vec<u8>> {
    match kind {
        Kind::Text | Kind::Jsonb => phi::encrypt(row.new_stored(plain)?.map_or(&[][..], |text| text.read())),
        Kind::Date => match row.new_value::<Date>(plain)? {
            Some(date) => phi::encrypt(columns::iso(date).as_bytes()),
            None => phi::encrypt(b""),
        },
    }
}

/// The column the ciphertext goes to. Fails closed: without it, nothing is
/// stored.
fn target(row: &RowTrigger<'_>, column: &columns::Column) -> Result<Column> {
    row.column(column.encrypted).filter(|encrypted| row.is_bytea(*encrypted)).ok_or_else(|| {
        Error::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
            format!("table \"{}\" has no column \"{}\" of type bytea", row.table(), column.encrypted.to_string_lossy()),
        )
        .hint("Run SELECT * FROM auria.migrate().")
    })
}
