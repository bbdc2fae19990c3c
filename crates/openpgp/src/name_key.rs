//! A keyed digest of names, for a unique index over names that nobody may read.
//!
//! HMAC-SHA-256 (RFC 2104) over the owner's id and the name, cut to 16 octets as RFC 2104, 5
//! allows. Without the secret nobody can test a guessed name against it, and equal names of two
//! owners have nothing in common. Two names of one owner collide by chance after 2^64 names.
//!
//! The key is derived from the secret for this purpose alone, so that digests say nothing about
//! messages under the same secret: HKDF-SHA-256 (RFC 5869) with its default salt.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::Owner;

const PURPOSE: &[u8] = b"auria: digest of a patient's name";

/// The first octets of the HMAC that are kept.
const DIGEST: usize = 16;

/// The key that digests names; wiped when dropped.
// Boxed: to move it leaves no copy behind.
pub struct NameKey(Box<Zeroizing<[u8; 32]>>);

impl NameKey {
    /// Derives the key from the secret that encrypts.
    pub fn new(secret: &[u8]) -> Self {
        Self(derive(secret, PURPOSE))
    }

    /// The digest of a name, the same each time.
    pub fn digest(&self, owner: &Owner, name: &str) -> [u8; DIGEST] {
        // The owner has a fixed length: no two pairs give the same octets.
        let whole = Zeroizing::new(hmac_sha256(&**self.0, &[owner, name.as_bytes()]));
        let mut digest = [0; DIGEST];
        digest.copy_from_slice(&whole[..DIGEST]);
        digest
    }
}

/// RFC 5869 with an empty salt, for one block of output.
fn derive(secret: &[u8], purpose: &[u8]) -> Box<Zeroizing<[u8; 32]>> {
    let extracted = Zeroizing::new(hmac_sha256(&[0; 32], &[secret]));
    let mut key = Box::new(Zeroizing::new([0; 32]));
    key.copy_from_slice(&*Zeroizing::new(hmac_sha256(&*extracted, &[purpose, &[1]])));
    key
}

fn hmac_sha256(key: &[u8], pieces: &[&[u8]]) -> [u8; 32] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for piece in pieces {
        hmac.update(piece);
    }
    hmac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: Owner = [0xA1; 16];
    const BRUNO: Owner = [0xB2; 16];

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        let cases = [
            // 4.2, 4.3, 4.4, 4.7: a short key, a key of letters, a long text, a key over a block.
            (vec![0x0b; 20], b"Hi There".to_vec(), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe".to_vec(),
                b"what do ya want for nothing?".to_vec(),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (vec![0xaa; 20], vec![0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
            (
                vec![0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ];
        for (key, text, expected) in cases {
            let (first, second) = text.split_at(text.len() / 2);
            assert_eq!(hex::encode(hmac_sha256(&key, &[first, second])), expected);
        }
    }

    #[test]
    fn derivation_is_that_of_rfc_5869() {
        // Appendix A.3: without salt. There 42 octets of output, of which the first block is this.
        let key = derive(&[0x0b; 22], b"");
        assert_eq!(hex::encode(**key), "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
    }

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
