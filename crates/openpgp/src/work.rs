//! What opening one message may cost, and who may stop it on the way.

use crate::{OpenError, limits::MAX_HASHED};

/// After this many octets the caller is asked whether to go on.
pub(crate) const STRIDE: usize = 1 << 20;

/// Asked after every mebibyte that is hashed or deciphered; `false` stops with
/// [`OpenError::Stopped`]. It may also unwind: whatever was derived or decrypted by then is wiped.
pub type KeepGoing<'a> = dyn FnMut() -> bool + 'a;

/// The work on one message.
pub(crate) struct Work<'a, 'b> {
    hashing_left: usize,
    keep_going: &'a mut KeepGoing<'b>,
}

impl<'a, 'b> Work<'a, 'b> {
    pub(crate) fn new(keep_going: &'a mut KeepGoing<'b>) -> Self {
        Self { hashing_left: MAX_HASHED, keep_going }
    }

    /// Accounts for a derivation over `octets`, derived before or not: whether a message is
    /// opened must not depend on what was opened before it.
    pub(crate) fn charge(&mut self, octets: usize) -> Result<(), OpenError> {
        self.hashing_left = self.hashing_left.checked_sub(octets).ok_or(OpenError::TooCostly)?;
        Ok(())
    }

    pub(crate) fn pause(&mut self) -> Result<(), OpenError> {
        if (self.keep_going)() { Ok(()) } else { Err(OpenError::Stopped) }
    }
}
