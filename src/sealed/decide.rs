//! What a write through a view does to each column of the stored table.

use uuid::Uuid;

use crate::access;
use crate::error::{self, Result};
use crate::pg::bytes::Stored;
use crate::pg::trigger::{Column, RowTrigger};
use crate::phi::columns::PhiColumn;
use crate::phi::{self, Plain};

/// What becomes of a column of the stored table.
pub enum Decision<'row> {
    /// It stays as it is.
    Keep,
    /// NULL.
    Erase,
    /// The plain value, encrypted for its owner.
    Encrypt(Plain<'row>),
    /// What the statement gives, as it is.
    Take,
}

/// About a column that is stored as the view shows it. An INSERT changes every column.
pub fn ordinary(row: &RowTrigger<'_>, column: Column) -> Decision<'static> {
    if row.changes(column) { Decision::Take } else { Decision::Keep }
}

/// About an encrypted column. Where the row moves to another owner, each value
/// is encrypted anew, for that one.
///
/// # Errors
/// 42501 for a ciphertext that is not the plain value, encrypted for the owner,
/// unless the writer is trusted with the encrypted columns.
pub fn encrypted<'row>(
    row: &'row RowTrigger<'_>,
    names: &PhiColumn,
    column: Column,
    owner: Uuid,
) -> Result<Decision<'row>> {
    let plain = row.column(names.plain);
    if row.is_update() && plain.is_none() {
        return Ok(Decision::Keep);
    }
    let not_null = plain.filter(|plain| !row.new_is_null(*plain));
    let value = || Ok(not_null.map(|plain| Plain::written(row, plain, names.kind)).transpose()?.flatten());
    let gives = row.changes(column);
    let is_trusted = gives && access::may_write_ciphertexts(row.table_owner());
    if gives
        && !is_trusted
        && let Some(given) = row.new_stored(column)?
        && !is_of(given, value()?, owner)?
    {
        return Err(error::phi_ciphertext_refused(&row.table(), names.encrypted_name()));
    }
    let moves = row.column(c"user_id").is_some_and(|user| row.changes(user));
    let changes = row.is_update() && plain.is_some_and(|plain| row.changes(plain));
    if changes || (moves && not_null.is_some() && (!row.is_update() || is_of_old_owner(row, column)?)) {
        return Ok(value()?.map_or(Decision::Erase, Decision::Encrypt));
    }
    Ok(if is_trusted {
        Decision::Take
    } else if row.is_update() {
        Decision::Keep
    } else {
        Decision::Erase
    })
}

/// Whether the value of a row that moves is of the dentist whom the row had: only then does it become
/// the new one's. The backend reads everybody's, a copy of a third one's too.
fn is_of_old_owner(row: &RowTrigger<'_>, column: Column) -> Result<bool> {
    let owner = row.column(c"user_id").map(|user| row.old_value::<Uuid>(user)).transpose()?.flatten();
    let (Some(owner), Some(old)) = (owner, row.old_stored(column)?) else {
        return Ok(false);
    };
    Ok(phi::open(old, |_, origin| origin.may_be_given_to(owner))?.unwrap_or(false))
}

/// Whether a ciphertext that the statement gives opens to the plain value beside it, and is the
/// owner's. One of somebody else's never does: a guess at it must not be confirmed.
fn is_of(given: Stored<'_>, plain: Option<Plain<'_>>, owner: Uuid) -> Result<bool> {
    let Some(plain) = plain else {
        return Ok(false);
    };
    Ok(phi::open(given, |text, origin| origin.owner == Some(owner) && plain.equals(text))?.unwrap_or(false))
}
