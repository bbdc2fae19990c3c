//! Cipher keys already derived from one secret, so that values which share a salt cost one
//! derivation.

use std::collections::{HashMap, VecDeque};

use crate::{
    cipher::Cipher,
    keyed::Keyed,
    limits::CACHED_KEYS,
    s2k::{DerivedKey, S2k},
};

/// Bounded; a key is zeroised when it is evicted. Eviction is second chance: a salt that keeps
/// being used survives a sweep over thousands of values that each have their own.
#[derive(Default)]
pub(crate) struct DerivedKeys {
    keys: HashMap<(S2k, Cipher), Kept>,
    oldest_first: VecDeque<(S2k, Cipher)>,
    /// The key used last, ready for use: values come in runs that share a salt.
    latest: Option<((S2k, Cipher), Keyed)>,
}

struct Kept {
    key: DerivedKey,
    used_again: bool,
}

impl DerivedKeys {
    /// The cipher ready for use, its key derived unless it has been before.
    pub(crate) fn keyed(&mut self, s2k: S2k, cipher: Cipher, secret: &[u8]) -> Option<&Keyed> {
        let wanted = (s2k, cipher);
        if self.latest.as_ref().is_none_or(|(held, _)| *held != wanted) {
            let keyed = Keyed::new(cipher, self.derive(s2k, cipher, secret))?;
            self.latest = Some((wanted, keyed));
        }
        self.latest.as_ref().map(|(_, keyed)| keyed)
    }

    fn derive(&mut self, s2k: S2k, cipher: Cipher, secret: &[u8]) -> &DerivedKey {
        let wanted = (s2k, cipher);
        if self.keys.len() >= CACHED_KEYS && !self.keys.contains_key(&wanted) {
            self.evict_one();
        }
        let oldest_first = &mut self.oldest_first;
        let kept = self
            .keys
            .entry(wanted)
            .and_modify(|kept| kept.used_again = true)
            .or_insert_with(|| {
                oldest_first.push_back(wanted);
                Kept {
                    key: s2k.derive(secret, cipher),
                    used_again: false,
                }
            });
        &kept.key
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
            keys.derive(in_use, Cipher::Aes256, b"secret");
            keys.derive(salted(number), Cipher::Aes256, b"secret");
            assert!(keys.keys.len() <= CACHED_KEYS);
            assert_eq!(keys.keys.len(), keys.oldest_first.len());
        }
        assert!(keys.keys.contains_key(&(in_use, Cipher::Aes256)));
        assert!(!keys.keys.contains_key(&(salted(0), Cipher::Aes256)));
    }

    #[test]
    fn the_same_salt_for_another_cipher_is_another_key() {
        let mut keys = DerivedKeys::default();
        let short = keys.derive(salted(1), Cipher::Aes128, b"secret").clone();
        let long = keys.derive(salted(1), Cipher::Aes256, b"secret").clone();
        assert_eq!((short.as_bytes().len(), long.as_bytes().len()), (16, 32));
    }
}
