//! Cipher keys already derived from one secret, so that values which share a salt cost one
//! derivation.

use std::collections::HashMap;

use crate::{
    OpenError,
    cipher::Cipher,
    keyed::Keyed,
    limits::CACHED_KEYS,
    s2k::{DerivedKey, LaidOut, S2k},
    work::Work,
};

/// What a key was derived from, and for which cipher.
type Origin = (S2k, Cipher);

/// Bounded; a key is zeroised when another takes its slot.
#[derive(Default)]
pub(crate) struct DerivedKeys {
    /// In the order in which they were derived, which is the order in which a listing meets
    /// them: the next one wanted is mostly the next slot.
    slots: Vec<Slot>,
    by_origin: HashMap<Origin, usize>,
    /// The slot that the next key replaces, once all are taken, unless its own was used again.
    hand: usize,
    /// The key used last, ready for use, and its slot: values come in runs that share a salt.
    latest: Option<(Origin, usize, Keyed)>,
    laid_out: LaidOut,
}

struct Slot {
    origin: Origin,
    key: DerivedKey,
    used_again: bool,
}

impl DerivedKeys {
    /// The cipher ready for use, its key derived unless it has been before.
    pub(crate) fn keyed(
        &mut self,
        s2k: S2k,
        cipher: Cipher,
        secret: &[u8],
        work: &mut Work<'_, '_>,
    ) -> Result<&Keyed, OpenError> {
        work.charge(s2k.octets_hashed(secret))?;
        let wanted = (s2k, cipher);
        let (same, next) = match &self.latest {
            Some((origin, slot, _)) => (*origin == wanted, slot + 1),
            None => (false, 0),
        };
        if !same {
            let slot = self.slot_of(wanted, next, secret, work)?;
            let keyed = Keyed::new(cipher, &self.slots[slot].key).ok_or(OpenError::WrongKeyOrCorrupt)?;
            self.latest = Some((wanted, slot, keyed));
        }
        self.latest.as_ref().map(|(_, _, keyed)| keyed).ok_or(OpenError::WrongKeyOrCorrupt)
    }

    fn is_in(&self, slot: usize, wanted: &Origin) -> bool {
        self.slots.get(slot).is_some_and(|slot| slot.origin == *wanted)
    }

    /// Where the key of this origin is, which is looked for in slot `next` first; derived unless
    /// it has been before.
    fn slot_of(
        &mut self,
        wanted: Origin,
        next: usize,
        secret: &[u8],
        work: &mut Work<'_, '_>,
    ) -> Result<usize, OpenError> {
        let known = if self.is_in(next, &wanted) { Some(next) } else { self.by_origin.get(&wanted).copied() };
        if let Some(slot) = known {
            self.slots[slot].used_again = true;
            return Ok(slot);
        }
        // First, and apart: it may be stopped, and must leave nothing half done.
        let (s2k, cipher) = wanted;
        let key = s2k.derive(secret, &mut self.laid_out, cipher, work)?;
        let derived = Slot { origin: wanted, key, used_again: false };
        self.by_origin.try_reserve(1)?;
        self.slots.try_reserve(1)?;
        let slot = if self.slots.len() < CACHED_KEYS {
            self.slots.push(derived);
            self.slots.len() - 1
        } else {
            let slot = self.free_one();
            self.slots[slot] = derived;
            slot
        };
        self.by_origin.insert(wanted, slot);
        Ok(slot)
    }

    /// Second chance: a salt that keeps being used survives a sweep over thousands of values that
    /// each have their own.
    fn free_one(&mut self) -> usize {
        loop {
            let slot = self.hand;
            self.hand = (slot + 1) % self.slots.len();
            let candidate = &mut self.slots[slot];
            if !std::mem::take(&mut candidate.used_again) {
                self.by_origin.remove(&candidate.origin);
                return slot;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s2k::Hash;

    fn derive(keys: &mut DerivedKeys, s2k: S2k, cipher: Cipher) -> &DerivedKey {
        let mut nobody_stops_it = || true;
        let mut work = Work::new(&mut nobody_stops_it);
        let slot = keys.slot_of((s2k, cipher), 0, b"secret", &mut work);
        &keys.slots[slot.expect("nobody stops it")].key
    }

    fn salted(number: u64) -> S2k {
        S2k::Salted { hash: Hash::Sha256, salt: number.to_be_bytes() }
    }

    #[test]
    fn the_cache_stays_bounded_and_keeps_the_salt_that_is_in_use() {
        let mut keys = DerivedKeys::default();
        let in_use = salted(u64::MAX);
        for number in 0..3 * CACHED_KEYS as u64 {
            derive(&mut keys, in_use, Cipher::Aes256);
            derive(&mut keys, salted(number), Cipher::Aes256);
            assert!(keys.slots.len() <= CACHED_KEYS);
            assert_eq!(keys.slots.len(), keys.by_origin.len());
        }
        assert!(keys.by_origin.contains_key(&(in_use, Cipher::Aes256)));
        assert!(!keys.by_origin.contains_key(&(salted(0), Cipher::Aes256)));
        for (origin, slot) in &keys.by_origin {
            assert!(keys.is_in(*slot, origin));
        }
    }

    #[test]
    fn the_same_salt_for_another_cipher_is_another_key() {
        let mut keys = DerivedKeys::default();
        let short = derive(&mut keys, salted(1), Cipher::Aes128).clone();
        let long = derive(&mut keys, salted(1), Cipher::Aes256).clone();
        assert_eq!((short.as_bytes().len(), long.as_bytes().len()), (16, 32));
    }

    #[test]
    fn a_derivation_that_is_stopped_or_unwinds_leaves_nothing_in_the_cache() {
        let costly = S2k::Iterated { hash: Hash::Sha256, salt: [1; 8], count: 0xFF };
        let mut keys = DerivedKeys::default();
        let stopped = keys.slot_of((costly, Cipher::Aes256), 0, b"secret", &mut Work::new(&mut || false)).err();
        assert_eq!(stopped, Some(OpenError::Stopped));
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut cancel = || -> bool { std::panic::resume_unwind(Box::new(())) };
            let _ = keys.slot_of((costly, Cipher::Aes256), 0, b"secret", &mut Work::new(&mut cancel));
        }));
        assert!(unwound.is_err());
        assert!(keys.slots.is_empty() && keys.by_origin.is_empty());
        derive(&mut keys, salted(1), Cipher::Aes256);
        assert_eq!((keys.slots.len(), keys.by_origin.len()), (1, 1));
    }
}
