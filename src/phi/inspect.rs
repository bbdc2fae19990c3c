//! How a plain value and its encrypted one stand to each other.

use super::keyring::{self, Written};
use super::page::Pair;
use crate::error::Result;
use crate::pg::memory;

/// What a row's pair of columns holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PairState {
    /// Neither value.
    Empty,
    /// A plain value alone.
    PlainOnly,
    /// An encrypted value that a secret opens.
    Readable {
        /// How it was written.
        written: Written,
        /// Whether the plain value is there.
        has_plain: bool,
        /// Whether it opens to something else than the plain value, or the plain
        /// value is gone; in the sealed layout, whether it is somebody else's.
        differs: bool,
        /// Whether it names whom it must name: in the sealed layout the row's
        /// user, in the open one nobody.
        is_bound: bool,
        /// Whether it has an MDC. Without, it equals the plain value, which is encrypted anew
        /// before anything gives the value an owner.
        is_protected: bool,
    },
    /// An encrypted value that no secret opens, or one without MDC that is not the plain value:
    /// somebody may have made it of another dentist's.
    Unreadable {
        /// Whether the plain value is there.
        has_plain: bool,
    },
}

/// Opens the encrypted value and compares. Both are in memory at most one at a
/// time with what opening takes, and gone when this returns; a value beyond
/// what may be encrypted is not fetched at all.
pub fn inspect(pair: &Pair<'_>) -> Result<PairState> {
    let has_plain = pair.plain.is_some();
    let Some(encrypted) = pair.encrypted else {
        return Ok(if has_plain { PairState::PlainOnly } else { PairState::Empty });
    };
    let opened = memory::scratch(|| {
        keyring::open(encrypted, |text, origin| {
            let is_of_another = pair.owner.is_some_and(|owner| origin.owner.is_some_and(|named| named != owner));
            let equals_plain = pair.plain.as_ref().is_some_and(|plain| plain.equals(text));
            if !origin.integrity_protected && !equals_plain {
                return PairState::Unreadable { has_plain };
            }
            PairState::Readable {
                written: origin.written,
                has_plain,
                differs: is_of_another || (pair.owner.is_none() && !equals_plain),
                is_bound: origin.owner == pair.owner,
                is_protected: origin.integrity_protected,
            }
        })
    })?;
    Ok(opened.unwrap_or(PairState::Unreadable { has_plain }))
}
