//! `encrypt_patient_phi()`, `encrypt_evaluation_phi()` and
//! `encrypt_evaluation_draft_phi()`: BEFORE triggers that keep the encrypted
//! columns in step with the plain ones.

use pgrx::{PgSqlErrorCode, pg_extern, pg_sys};
use uuid::Uuid;

use crate::access;
use crate::args;
use crate::error::{self, Error, Result};
use crate::pg::bytes::Stored;
use crate::pg::spi;
use crate::pg::trigger::{self, Column, RowTrigger, TriggeredRow};
use crate::phi::columns::{self, PhiColumn, PhiTable};
use crate::phi::{self, Plain, Written};

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

/// What becomes of an encrypted column.
enum Decision {
    /// What the statement gave, or what the row had where it gave nothing.
    Keep,
    /// What the row had, whatever the statement gave.
    KeepOld,
    /// NULL.
    Erase,
    /// The plain value, encrypted.
    Encrypt,
}

/// Encrypts what the statement sets or changes. Where a plaintext becomes NULL
/// its ciphertext does too, so that an erasure is not undone by a stale copy;
/// everything else stays byte for byte as it is.
///
/// A ciphertext that the statement gives is accepted where it opens to the
/// plain value. Any other one is refused, unless the writer is trusted with the
/// encrypted columns.
fn keep_in_step(row: &mut RowTrigger<'_>, function: &str, table: &PhiTable) -> Result<()> {
    if !row.is_before() {
        return Err(Error::new(
            PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
            format!("{function}() must be a BEFORE trigger"),
        )
        .hint("An AFTER trigger can no longer change the row."));
    }
    for names in table.columns {
        let Some(plain) = row.column(names.plain) else {
            continue;
        };
        let encrypted = row.column(names.encrypted).filter(|encrypted| row.is_bytea(*encrypted));
        let decision = decide(row, names, plain, encrypted)?;
        let message = match decision {
            Decision::Keep => continue,
            Decision::Encrypt => {
                Plain::written(row, plain, names.kind)?.map(|plain| plain.encrypt(None)).transpose()?
            }
            Decision::Erase | Decision::KeepOld => None,
        };
        // Fails closed: without a column for the ciphertext, nothing is stored.
        let encrypted = encrypted.ok_or_else(|| missing(row, names))?;
        match decision {
            Decision::KeepOld => row.keep_old(encrypted),
            _ => row.replace(encrypted, message)?,
        }
    }
    Ok(())
}

fn decide(row: &RowTrigger<'_>, names: &PhiColumn, plain: Column, encrypted: Option<Column>) -> Result<Decision> {
    if let Some(encrypted) = encrypted.filter(|encrypted| row.changes(*encrypted))
        && let Some(decision) = decide_by_ciphertext(row, names, plain, encrypted)?
    {
        return Ok(decision);
    }
    Ok(match (row.changes(plain), row.new_is_null(plain)) {
        (false, _) => Decision::Keep,
        (true, false) => Decision::Encrypt,
        (true, true) if row.is_update() => Decision::Erase,
        (true, true) => Decision::Keep,
    })
}

/// Decides about an encrypted column that the statement writes, and an UPDATE
/// changes; `None` where the plain value decides.
///
/// # Errors
/// 42501 when the writer may not write it.
fn decide_by_ciphertext(
    row: &RowTrigger<'_>,
    names: &PhiColumn,
    plain: Column,
    encrypted: Column,
) -> Result<Option<Decision>> {
    let is_trusted = || access::may_write_ciphertexts(row.table_owner());
    let plain_is_null = row.new_is_null(plain);
    let Some(ciphertext) = row.new_stored(encrypted)? else {
        // NULL is no ciphertext, but an UPDATE by a client must not take away
        // what it leaves the plain value of. Without a plain value it erases.
        let takes_away = row.is_update() && !plain_is_null && !row.changes(plain);
        return Ok((takes_away && !is_trusted()).then_some(Decision::KeepOld));
    };
    // On UPDATE, whoever is trusted with it need not prove that it fits: where
    // the plain value changes it is encrypted anew in any case.
    if row.is_update() && is_trusted() {
        return Ok(None);
    }
    if !plain_is_null && let Some(plain) = Plain::written(row, plain, names.kind)? {
        match phi::open(ciphertext, |text, origin| plain.equals(text).then_some(origin.written))?.flatten() {
            Some(Written::Currently) => return Ok(Some(Decision::Keep)),
            // Accepted, and on INSERT written as it is written today.
            Some(_) => return Ok(None),
            None => {}
        }
    }
    if is_trusted() || (!row.is_update() && is_stored_already(row, names, ciphertext)?) {
        return Ok(None);
    }
    Err(error::phi_ciphertext_refused(&row.table(), names.encrypted_name()))
}

/// Whether a row with the same id holds this ciphertext already, as when a
/// client reads a row, changes its name and sends all of it back by INSERT … ON
/// CONFLICT DO UPDATE. Asked with the writer's own rights.
fn is_stored_already(row: &RowTrigger<'_>, names: &PhiColumn, ciphertext: Stored<'_>) -> Result<bool> {
    let id = row.column(c"id").map(|id| row.new_value::<Uuid>(id)).transpose()?.flatten();
    let Some(id) = id else {
        return Ok(false);
    };
    let query = format!(
        "SELECT FROM {} WHERE id OPERATOR(pg_catalog.=) $1 AND {} OPERATOR(pg_catalog.=) $2",
        row.qualified_table(),
        names.encrypted_name()
    );
    spi::connected(|spi| spi.exists(&query, args![id, ciphertext.read()]))
}

fn missing(row: &RowTrigger<'_>, names: &PhiColumn) -> Error {
    Error::new(
        PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
        format!("table \"{}\" has no column \"{}\" of type bytea", row.table(), names.encrypted_name()),
    )
    .hint("Run SELECT * FROM auria.migrate().")
}
