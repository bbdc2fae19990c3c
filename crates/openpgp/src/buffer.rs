//! Memory for decrypted octets: wiped when cleared, replaced, grown or dropped.
//!
//! A value may have megabytes: an allocation that fails is an error, never the end of the process.

use std::{
    collections::TryReserveError,
    ops::{Deref, DerefMut},
};

use zeroize::Zeroize;

use crate::limits::KEPT_BUFFER;

#[derive(Default)]
pub(crate) struct Buffer(Vec<u8>);

impl Buffer {
    pub(crate) fn with_capacity(capacity: usize) -> Result<Self, TryReserveError> {
        let mut memory = Vec::new();
        memory.try_reserve_exact(capacity)?;
        Ok(Self(memory))
    }

    /// For appending within the capacity; a reallocation would leave a copy behind.
    pub(crate) fn as_vec(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    pub(crate) fn is_full(&self) -> bool {
        self.0.len() == self.0.capacity()
    }

    pub(crate) fn grow_to(&mut self, capacity: usize) -> Result<(), TryReserveError> {
        let mut grown = Self::with_capacity(capacity.max(self.0.len()))?;
        grown.0.extend_from_slice(&self.0);
        *self = grown;
        Ok(())
    }

    /// Empty, with room for `length` octets. A buffer that one large value made large is not kept
    /// for the small ones after it.
    pub(crate) fn prepare(&mut self, length: usize) -> Result<(), TryReserveError> {
        self.wipe();
        self.0.try_reserve_exact(length)
    }

    pub(crate) fn wipe(&mut self) {
        // Only what was written: `Vec::zeroize` would wipe the whole capacity for each value.
        self.0.as_mut_slice().zeroize();
        self.0.clear();
        if self.0.capacity() > KEPT_BUFFER {
            self.0 = Vec::new();
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_kept_up_to_a_size_and_given_back_beyond_it() {
        for (length, kept) in [(100, 100), (KEPT_BUFFER, KEPT_BUFFER), (KEPT_BUFFER + 1, 0)] {
            let mut buffer = Buffer::with_capacity(length).expect("there is memory");
            buffer.as_vec().resize(length, 7);
            buffer.wipe();
            assert_eq!((buffer.0.len(), buffer.0.capacity()), (0, kept), "{length}");
        }
    }
}
