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
    /// Deriving the keys it names takes more than [`MAX_HASHED`](crate::limits::MAX_HASHED) octets.
    TooCostly,
    /// Intact and decrypted, but the content is not text: invalid UTF-8, or a zero byte.
    NotText,
    /// There is no memory for it.
    OutOfMemory,
    /// The caller asked to stop.
    Stopped,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongKeyOrCorrupt => "wrong key or corrupt data",
            Self::TooLarge => "message exceeds the size limit",
            Self::TooDeep => "message exceeds the nesting limit",
            Self::TooCostly => "message exceeds the work limit",
            Self::NotText => "message does not hold text",
            Self::OutOfMemory => "out of memory",
            Self::Stopped => "stopped",
        })
    }
}

impl std::error::Error for OpenError {}

/// Why a plaintext was not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealError {
    /// It exceeds [`MAX_PLAINTEXT`](crate::MAX_PLAINTEXT): it could be written, but never read
    /// again.
    TooLarge,
    /// There is no memory for the message.
    OutOfMemory,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "plaintext exceeds the size limit",
            Self::OutOfMemory => "out of memory",
        })
    }
}

impl std::error::Error for SealError {}

impl From<std::collections::TryReserveError> for OpenError {
    fn from(_: std::collections::TryReserveError) -> Self {
        Self::OutOfMemory
    }
}

impl From<std::collections::TryReserveError> for SealError {
    fn from(_: std::collections::TryReserveError) -> Self {
        Self::OutOfMemory
    }
}
