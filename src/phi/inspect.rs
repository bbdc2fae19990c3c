//! How a plain value and its encrypted one stand to each other.

use auria_openpgp::limits::{MAX_MESSAGE, MAX_PLAINTEXT};

use super::keyring::{self, Written};
use super::page::{Plain, Value};
use crate::error::Result;
use crate::pg::memory;

/// What was found in a row's pair of columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// Neither value.
    Nothing,
    /// A plain value alone.
    PlainOnly,
    /// An encrypted value that a secret opens.
    Readable {
        /// How it was written.
        written: Written,
        /// Whether the plain value is there.
        has_plain: bool,
        /// Whether it says something else than the plain value, or the plain
        /// value is gone; in the sealed layout, whether it is somebody else's.
        differs: bool,
        /// Whether it names whom it must name: in the sealed layout the row's
        /// user, in the open one nobody.
        is_bound: bool,
    },
    /// An encrypted value that no secret opens.
    Unreadable {
        /// Whether the plain value is there.
        has_plain: bool,
    },
}

/// Opens the encrypted value and compares. Both are in memory at most one at a
/// time with what opening takes, and gone when this returns; a value beyond
/// what may be encrypted is not fetched at all.
pub fn inspect(value: &Value<'_>) -> Result<Found> {
    let has_plain = !matches!(value.plain, Plain::Null | Plain::Sealed);
    let Some(encrypted) = value.encrypted else {
        return Ok(if has_plain { Found::PlainOnly } else { Found::Nothing });
    };
    if encrypted.len() > MAX_MESSAGE {
        return Ok(Found::Unreadable { has_plain });
    }
    let opened = memory::scratch(|| {
        keyring::decrypt_bound(encrypted.read(), |text, origin| {
            let is_of_another = value.owner.is_some_and(|owner| origin.owner.is_some_and(|named| named != owner));
            Found::Readable {
                written: origin.written,
                has_plain,
                differs: is_of_another || !value.plain.agrees_with(text),
                is_bound: origin.owner == value.owner,
            }
        })
    });
    match opened {
        Ok(found) => Ok(found),
        Err(error) if error.is_about_a_stored_value() => Ok(Found::Unreadable { has_plain }),
        Err(error) => Err(error),
    }
}

/// Whether the plain value is within what may be encrypted.
pub fn can_be_encrypted(plain: &Plain<'_>) -> bool {
    match plain {
        Plain::Text(text) => text.len() <= MAX_PLAINTEXT,
        Plain::Date(_) | Plain::Null | Plain::Sealed => true,
    }
}
