//! What can go wrong, and no more of it than a caller may learn.

use std::fmt;

/// Why a message was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenError {
    /// The secret does not fit, or the bytes are damaged, or they are no message at all. One
    /// answer for all of them: distinguishing them is what makes a decryption oracle
    /// (RFC 9580, 13.4).
    WrongKeyOrCorrupt,
    /// The message, or what it inflates to, exceeds [`MAX_PLAINTEXT`](crate::MAX_PLAINTEXT).
    TooLarge,
    /// Compressed packets within compressed packets beyond what any writer makes.
    TooDeep,
    /// Intact and decrypted, but the content is not text: invalid UTF-8, or a zero byte.
    NotText,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongKeyOrCorrupt => "wrong key or corrupt data",
            Self::TooLarge => "message exceeds the size limit",
            Self::TooDeep => "message exceeds the nesting limit",
            Self::NotText => "message does not hold text",
        })
    }
}

impl std::error::Error for OpenError {}

/// The plaintext exceeds [`MAX_PLAINTEXT`](crate::MAX_PLAINTEXT): it could be written, but never
/// read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaintextTooLarge;

impl fmt::Display for PlaintextTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plaintext exceeds the size limit")
    }
}

impl std::error::Error for PlaintextTooLarge {}
