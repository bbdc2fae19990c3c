//! String-to-key: from the secret to a cipher key (RFC 4880, 3.7; RFC 9580, 3.7.1).
//!
//! Derivation hashes the repeated `salt || secret` from one long buffer: handing the hash a few
//! octets at a time, as most implementations do, costs four times as much.

use md5::Md5;
use ripemd::Ripemd160;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use crate::{
    OpenError,
    cipher::{Cipher, MAX_KEY},
    work::{STRIDE, Work},
};

pub(crate) const SALT: usize = 8;

/// How much of the repeated salt and secret is laid out at once: well within the first-level
/// cache of any processor.
const LAID_OUT: usize = 8 << 10;

/// RFC 4880, 9.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Hash {
    Md5,
    Sha1,
    Ripemd160,
    Sha256,
    Sha384,
    Sha512,
    Sha224,
}

impl Hash {
    fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Md5,
            2 => Self::Sha1,
            3 => Self::Ripemd160,
            8 => Self::Sha256,
            9 => Self::Sha384,
            10 => Self::Sha512,
            11 => Self::Sha224,
            _ => return None,
        })
    }

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Md5 => 1,
            Self::Sha1 => 2,
            Self::Ripemd160 => 3,
            Self::Sha256 => 8,
            Self::Sha384 => 9,
            Self::Sha512 => 10,
            Self::Sha224 => 11,
        }
    }
}

/// A string-to-key specifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum S2k {
    Simple { hash: Hash },
    Salted { hash: Hash, salt: [u8; SALT] },
    Iterated { hash: Hash, salt: [u8; SALT], count: u8 },
}

impl S2k {
    /// Reads a specifier from the front of `input` and returns what follows it.
    pub(crate) fn parse(input: &[u8]) -> Result<(Self, &[u8]), OpenError> {
        let [kind, hash, rest @ ..] = input else {
            return Err(OpenError::WrongKeyOrCorrupt);
        };
        let hash = Hash::from_code(*hash).ok_or(OpenError::WrongKeyOrCorrupt)?;
        match (kind, rest) {
            (0, rest) => Ok((Self::Simple { hash }, rest)),
            (1, [a, b, c, d, e, f, g, h, rest @ ..]) => {
                Ok((Self::Salted { hash, salt: [*a, *b, *c, *d, *e, *f, *g, *h] }, rest))
            }
            (3, [a, b, c, d, e, f, g, h, count, rest @ ..]) => {
                Ok((Self::Iterated { hash, salt: [*a, *b, *c, *d, *e, *f, *g, *h], count: *count }, rest))
            }
            _ => Err(OpenError::WrongKeyOrCorrupt),
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Simple { hash } => out.extend_from_slice(&[0, hash.code()]),
            Self::Salted { hash, salt } => {
                out.extend_from_slice(&[1, hash.code()]);
                out.extend_from_slice(salt);
            }
            Self::Iterated { hash, salt, count } => {
                out.extend_from_slice(&[3, hash.code()]);
                out.extend_from_slice(salt);
                out.push(*count);
            }
        }
    }

    /// The key of `cipher` that `secret` gives.
    pub(crate) fn derive(
        &self,
        secret: &[u8],
        laid_out: &mut LaidOut,
        cipher: Cipher,
        work: &mut Work<'_, '_>,
    ) -> Result<DerivedKey, OpenError> {
        let mut key = DerivedKey(Zeroizing::new(vec![0; cipher.key_len()]));
        let out = &mut key.0[..];
        let (Self::Simple { hash } | Self::Salted { hash, .. } | Self::Iterated { hash, .. }) = *self;
        match hash {
            Hash::Md5 => self.fill::<Md5>(secret, laid_out, out, work),
            Hash::Sha1 => self.fill::<Sha1>(secret, laid_out, out, work),
            Hash::Ripemd160 => self.fill::<Ripemd160>(secret, laid_out, out, work),
            Hash::Sha256 => self.fill::<Sha256>(secret, laid_out, out, work),
            Hash::Sha384 => self.fill::<Sha384>(secret, laid_out, out, work),
            Hash::Sha512 => self.fill::<Sha512>(secret, laid_out, out, work),
            Hash::Sha224 => self.fill::<Sha224>(secret, laid_out, out, work),
        }?;
        Ok(key)
    }

    /// A key longer than one digest takes further ones, each preloaded with one zero octet more
    /// (RFC 4880, 3.7.1.1).
    fn fill<H: Digest>(
        &self,
        secret: &[u8],
        laid_out: &mut LaidOut,
        key: &mut [u8],
        work: &mut Work<'_, '_>,
    ) -> Result<(), OpenError> {
        let repeated = self.repeated(secret, laid_out)?;
        let mut until_pause = STRIDE;
        let total = self.octets_hashed(secret);
        for (round, part) in key.chunks_mut(<H as Digest>::output_size()).enumerate() {
            let mut hash = H::new();
            hash.update(&[0; MAX_KEY][..round]);
            let mut left = total;
            while left > repeated.len() {
                hash.update(repeated);
                left -= repeated.len();
                until_pause = until_pause.saturating_sub(repeated.len());
                if until_pause == 0 {
                    until_pause = STRIDE;
                    work.pause()?;
                }
            }
            hash.update(&repeated[..left]);
            let mut digest = hash.finalize();
            part.copy_from_slice(&digest[..part.len()]);
            zeroize::Zeroize::zeroize(digest.as_mut_slice());
        }
        Ok(())
    }

    /// How many octets of the endlessly repeated salt and secret are hashed: the decoded count,
    /// and never less than one whole salt and secret (RFC 4880, 3.7.1.3).
    pub(crate) fn octets_hashed(&self, secret: &[u8]) -> usize {
        match self {
            Self::Simple { .. } => secret.len(),
            Self::Salted { .. } => SALT + secret.len(),
            Self::Iterated { count, .. } => decoded(*count).max(SALT + secret.len()),
        }
    }

    /// Salt and secret, as often as they fit and are needed.
    fn repeated<'laid>(&self, secret: &[u8], laid_out: &'laid mut LaidOut) -> Result<&'laid [u8], OpenError> {
        let (salt, times) = match self {
            Self::Simple { .. } => (&[][..], 1),
            Self::Salted { salt, .. } => (&salt[..], 1),
            Self::Iterated { salt, .. } => {
                let unit = SALT + secret.len();
                let wanted = self.octets_hashed(secret).div_ceil(unit);
                (&salt[..], wanted.min((LAID_OUT / unit).max(1)))
            }
        };
        laid_out.repeat(salt, secret, times)
    }
}

/// Salt and secret again and again, kept from one derivation from a secret to the next, which
/// replaces the salt: laid out anew and wiped each time, they would cost a third of the hash of a
/// value with the least count. Zeroised when dropped.
#[derive(Default)]
pub(crate) struct LaidOut {
    octets: Zeroizing<Vec<u8>>,
    unit: usize,
}

impl LaidOut {
    fn repeat(&mut self, salt: &[u8], secret: &[u8], times: usize) -> Result<&[u8], OpenError> {
        let unit = salt.len() + secret.len();
        let length = unit * times;
        if self.unit == unit && self.octets.len() >= length {
            for place in self.octets[..length].chunks_exact_mut(unit.max(1)) {
                place[..salt.len()].copy_from_slice(salt);
            }
        } else {
            // Reserved in full: a reallocation would leave a copy of the secret behind.
            let mut octets = Zeroizing::new(Vec::new());
            octets.try_reserve_exact(length)?;
            octets.extend_from_slice(salt);
            octets.extend_from_slice(secret);
            while octets.len() < length {
                let more = octets.len().min(length - octets.len());
                octets.extend_from_within(..more);
            }
            *self = Self { octets, unit };
        }
        Ok(&self.octets[..length])
    }
}

/// RFC 4880, 3.7.1.3: 1,024 to 65,011,712 octets in one octet.
const fn decoded(count: u8) -> usize {
    (16 + (count & 15) as usize) << ((count >> 4) + 6)
}

/// A cipher key, zeroised when dropped. On the heap, so that moving it copies no key.
#[derive(Clone)]
pub(crate) struct DerivedKey(Zeroizing<Vec<u8>>);

impl DerivedKey {
    pub(crate) fn from_slice(key: &[u8]) -> Self {
        Self(Zeroizing::new(key.to_vec()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgp::{crypto::hash::HashAlgorithm, types::StringToKey};

    const HASHES: [Hash; 7] =
        [Hash::Md5, Hash::Sha1, Hash::Ripemd160, Hash::Sha256, Hash::Sha384, Hash::Sha512, Hash::Sha224];

    #[test]
    fn derives_what_the_reference_derives_for_every_hash_mode_and_secret_length() {
        let salts = [[7, 1, 2, 3, 4, 5, 6, 200], [0; SALT]];
        for (hash, salt) in HASHES.into_iter().flat_map(|hash| salts.map(|salt| (hash, salt))) {
            let hash_alg = HashAlgorithm::from(hash.code());
            for secret_len in [0, 1, 7, 8, 16, 55, 56, 64, 1000, 9000, 70_000] {
                let secret: Vec<u8> = (0..secret_len).map(|i| (i % 251) as u8).collect();
                let mut laid_out = LaidOut::default();
                for cipher in [Cipher::Aes128, Cipher::TripleDes, Cipher::Aes256] {
                    let pairs = [
                        (S2k::Simple { hash }, StringToKey::Simple { hash_alg }),
                        (S2k::Salted { hash, salt }, StringToKey::Salted { hash_alg, salt }),
                        (
                            S2k::Iterated { hash, salt, count: 0 },
                            StringToKey::IteratedAndSalted { hash_alg, salt, count: 0 },
                        ),
                        (
                            S2k::Iterated { hash, salt, count: 0x63 },
                            StringToKey::IteratedAndSalted { hash_alg, salt, count: 0x63 },
                        ),
                    ];
                    for (ours, reference) in pairs {
                        let expected = reference.derive_key(&secret, cipher.key_len()).expect("known hash");
                        let key = ours
                            .derive(&secret, &mut laid_out, cipher, &mut Work::new(&mut || true))
                            .expect("nobody stops it");
                        assert_eq!(key.as_bytes(), expected.as_ref(), "{ours:?} {cipher:?} secret of {secret_len}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_laid_out_stays_in_the_first_level_cache() {
        for secret_len in [0, 1, 8, 36, 250] {
            let secret = vec![b'x'; secret_len];
            let unit = SALT + secret_len;
            let mut laid_out = LaidOut::default();
            // 1,024 octets are hashed, then 65,536.
            for (count, at_least) in [(0, 1024), (0x60, LAID_OUT - unit)] {
                let s2k = S2k::Iterated { hash: Hash::Sha256, salt: [1; SALT], count };
                let length = s2k.repeated(&secret, &mut laid_out).expect("there is memory").len();
                assert!((at_least..=8192).contains(&length), "{length}");
                assert_eq!(laid_out.octets.len(), length);
            }
        }
    }

    #[test]
    fn an_unknown_hash_or_mode_or_a_cut_specifier_is_refused() {
        for bytes in [&[][..], &[3], &[0, 99], &[2, 8], &[3, 8, 1, 2, 3], &[1, 2, 0]] {
            assert!(S2k::parse(bytes).is_err());
        }
    }
}
