//! Keys derived from the secret for one purpose each, so that what is computed under one says
//! nothing about messages under the secret, or about what is computed under another:
//! HKDF-SHA-256 (RFC 5869) with its default salt.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The key for one purpose; wiped when dropped.
// Boxed: to move it leaves no copy behind.
pub(crate) struct PurposeKey(Box<Zeroizing<[u8; 32]>>);

impl PurposeKey {
    /// RFC 5869 with an empty salt, for one block of output.
    pub(crate) fn new(secret: &[u8], purpose: &[u8]) -> Self {
        let extracted = Zeroizing::new(hmac_sha256(&[0; 32], &[secret]));
        let mut key = Box::new(Zeroizing::new([0; 32]));
        key.copy_from_slice(&*Zeroizing::new(hmac_sha256(&*extracted, &[purpose, &[1]])));
        Self(key)
    }

    /// The first octets of HMAC-SHA-256 over the pieces, one after the other. Cut as RFC 2104, 5
    /// allows.
    pub(crate) fn hmac<const LENGTH: usize>(&self, pieces: &[&[u8]]) -> [u8; LENGTH] {
        const { assert!(LENGTH <= 32) };
        let whole = Zeroizing::new(hmac_sha256(&**self.0, pieces));
        let mut first = [0; LENGTH];
        first.copy_from_slice(&whole[..LENGTH]);
        first
    }
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
        let key = PurposeKey::new(&[0x0b; 22], b"");
        assert_eq!(hex::encode(**key.0), "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
    }
}
