//! Cipher keys already derived from one secret, so that values which share a salt cost one
//! derivation.

use std::collections::{HashMap, VecDeque};

use crate::{
    OpenError,
    cipher::Cipher,
    keyed::Keyed,
    limits::CACHED_KEYS,
    s2k::{DerivedKey, LaidOut, S2k},
    work::Work,
};

/// Bounded; a key is zeroised when it is evicted. Eviction is second chance: a salt that keeps
/// being used survives a sweep over thousands of values that each have their own.
#[derive(Default)]
pub(crate) struct DerivedKeys {
    keys: HashMap<(S2k, Cipher), Kept>,
    oldest_first: VecDeque<(S2k, Cipher)>,
    /// The key used last, ready for use: values come in runs that share a salt.
    latest: Option<((S2k, Cipher), Keyed)>,
    laid_out: LaidOut,
}

struct Kept {
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
        if self.latest.as_ref().is_none_or(|(held, _)| *held != wanted) {
            let keyed = Keyed::new(cipher, self.derive(s2k, cipher, secret, work)?)
                .ok_or(OpenError::WrongKeyOrCorrupt)?;
            self.latest = Some((wanted, keyed));
        }
        self.latest
            .as_ref()
            .map(|(_, keyed)| keyed)
            .ok_or(OpenError::WrongKeyOrCorrupt)
    }

    fn derive(
        &mut self,
        s2k: S2k,
        cipher: Cipher,
        secret: &[u8],
        work: &mut Work<'_, '_>,
    ) -> Result<&DerivedKey, OpenError> {
        let wanted = (s2k, cipher);
        if let Some(kept) = self.keys.get_mut(&wanted) {
            kept.used_again = true;
        } else {
            // First, and apart: it may be stopped, and must leave nothing half done.
            let key = s2k.derive(secret, &mut self.laid_out, cipher, work)?;
            if self.keys.len() >= CACHED_KEYS {
                self.evict_one();
            }
            self.keys.try_reserve(1)?;
            self.oldest_first.try_reserve(1)?;
            self.oldest_first.push_back(wanted);
            let kept = Kept {
                key,
                used_again: false,
            };
            self.keys.insert(wanted, kept);
        }
        self.keys
            .get(&wanted)
            .map(|kept| &kept.key)
            .ok_or(OpenError::WrongKeyOrCorrupt)
    }

    fn evict_one(&mut self) {
        while let Some(candidate) = self.oldest_first.pop_front() {
            match self.keys.get_mut(&candidate) {
                Some(kept) if kept.used_again => {
                    kept.used_again = false;
                    self.oldest_first.push_back(candidate);
                }
                _ => {
                    self.keys.remove(&candidate);
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s2k::Hash;

    fn derive(keys: &mut DerivedKeys, s2k: S2k, cipher: Cipher) -> &DerivedKey {
        keys.derive(s2k, cipher, b"secret", &mut Work::new(&mut || true))
            .expect("nobody stops it")
    }

    fn salted(number: u64) -> S2k {
        S2k::Salted {
            hash: Hash::Sha256,
            salt: number.to_be_bytes(),
        }
    }

    #[test]
    fn the_cache_stays_bounded_and_keeps_the_salt_that_is_in_use() {
        let mut keys = DerivedKeys::default();
        let in_use = salted(u64::MAX);
        for number in 0..3 * CACHED_KEYS as u64 {
            derive(&mut keys, in_use, Cipher::Aes256);
            derive(&mut keys, salted(number), Cipher::Aes256);
            assert!(keys.keys.len() <= CACHED_KEYS);
            assert_eq!(keys.keys.len(), keys.oldest_first.len());
        }
        assert!(keys.keys.contains_key(&(in_use, Cipher::Aes256)));
        assert!(!keys.keys.contains_key(&(salted(0), Cipher::Aes256)));
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
        let costly = S2k::Iterated {
            hash: Hash::Sha256,
            salt: [1; 8],
            count: 0xFF,
        };
        let mut keys = DerivedKeys::default();
        let stopped = keys
            .derive(
                costly,
                Cipher::Aes256,
                b"secret",
                &mut Work::new(&mut || false),
            )
            .err();
        assert_eq!(stopped, Some(OpenError::Stopped));
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut cancel = || -> bool { std::panic::resume_unwind(Box::new(())) };
            let _ = keys.derive(
                costly,
                Cipher::Aes256,
                b"secret",
                &mut Work::new(&mut cancel),
            );
        }));
        assert!(unwound.is_err());
        assert!(keys.keys.is_empty() && keys.oldest_first.is_empty());
        derive(&mut keys, salted(1), Cipher::Aes256);
        assert_eq!((keys.keys.len(), keys.oldest_first.len()), (1, 1));
    }
}
