//! A keyed digest of names, for a unique index over names that nobody may read.
//!
//! HMAC-SHA-256 (RFC 2104) over the owner's id and the name, cut to 16 octets as RFC 2104, 5
//! allows. Without the secret nobody can test a guessed name against it, and equal names of two
//! owners have nothing in common. Two names of one owner collide by chance after 2^64 names.
//!
//! The key is derived from the secret for this purpose alone, so that digests say nothing about
//! messages under the same secret.

use crate::{Owner, purpose::PurposeKey};

const PURPOSE: &[u8] = b"auria: digest of a patient's name";

/// The first octets of the HMAC that are kept.
const DIGEST: usize = 16;

/// The key that digests names; wiped when dropped.
pub struct NameKey(PurposeKey);

impl NameKey {
    /// Derives the key from the secret that encrypts.
    pub fn new(secret: &[u8]) -> Self {
        Self(PurposeKey::new(secret, PURPOSE))
    }

    /// The digest of a name, the same each time.
    pub fn digest(&self, owner: &Owner, name: &str) -> [u8; DIGEST] {
        // The owner has a fixed length: no two pairs give the same octets.
        self.0.hmac(&[owner, name.as_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: Owner = [0xA1; 16];
    const BRUNO: Owner = [0xB2; 16];

    #[test]
    fn a_stored_digest_stays_valid() {
        // Computed with Python's hmac and hashlib: digests are stored, so they may never change.
        let key = NameKey::new(b"a secret of more than sixteen octets");
        assert_eq!(hex::encode(key.digest(&ANA, "João da Conceição")), "69bd1fd080b2dcf6391ee6b1b8a15a57");
    }

    #[test]
    fn owner_name_and_secret_each_change_the_digest() {
        let key = NameKey::new(b"a secret of more than sixteen octets");
        let digest = key.digest(&ANA, "Maria");
        assert_eq!(digest, key.digest(&ANA, "Maria"));
        assert_ne!(digest, key.digest(&BRUNO, "Maria"));
        assert_ne!(digest, key.digest(&ANA, "maria"));
        assert_ne!(digest, key.digest(&ANA, "Maria "));
        assert_ne!(digest, NameKey::new(b"another secret of thirty octets").digest(&ANA, "Maria"));
        // An empty name has a digest of its own, too.
        assert_ne!(key.digest(&ANA, ""), key.digest(&BRUNO, ""));
    }
}
