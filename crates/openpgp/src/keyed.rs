//! A cipher with its key, in OpenPGP's CFB (RFC 4880, 13.9).

use aes::Aes256Enc;
use cfb_mode::cipher::{AsyncStreamCipher, InnerIvInit, KeyInit};
use pgp::crypto::sym::SymmetricKeyAlgorithm;

use crate::{
    OpenError,
    cipher::{Cipher, MAX_BLOCK},
    s2k::DerivedKey,
    work::{STRIDE, Work},
};

/// The ciphers are those of the `pgp` crate. AES-256, which every value of our own is encrypted
/// with, is the same code held with its key already expanded: for a short value, expanding it
/// costs as much as encrypting.
// One of them exists per opener, and one more for a moment: not worth an allocation.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Keyed {
    Expanded(Aes256Enc),
    Other(Cipher, DerivedKey),
}

impl Keyed {
    /// `None` when the key is not of the cipher's length.
    pub(crate) fn new(cipher: Cipher, key: &DerivedKey) -> Option<Self> {
        if key.as_bytes().len() != cipher.key_len() {
            return None;
        }
        Some(match cipher {
            Cipher::Aes256 => Self::Expanded(Aes256Enc::new_from_slice(key.as_bytes()).ok()?),
            other => Self::Other(other, key.clone()),
        })
    }

    pub(crate) fn block_len(&self) -> usize {
        match self {
            Self::Expanded(_) => Cipher::Aes256.block_len(),
            Self::Other(cipher, _) => cipher.block_len(),
        }
    }

    /// CFB in place from the all-zero IV, without resynchronisation: session keys (RFC 4880, 5.3)
    /// and SEIPD (5.13).
    pub(crate) fn decrypt(&self, data: &mut [u8], work: &mut Work<'_, '_>) -> Result<(), OpenError> {
        self.decrypt_from([0; MAX_BLOCK], data, work)
    }

    /// CFB in place, resynchronised after the prefix: the old data packet without MDC
    /// (RFC 4880, 13.9).
    pub(crate) fn decrypt_resync(&self, data: &mut [u8], work: &mut Work<'_, '_>) -> Result<(), OpenError> {
        let (prefix, rest) = data.split_at_mut_checked(self.block_len() + 2).ok_or(OpenError::WrongKeyOrCorrupt)?;
        let mut iv = [0; MAX_BLOCK];
        iv[..self.block_len()].copy_from_slice(&prefix[2..]);
        self.decrypt_from(iv, rest, work)?;
        self.decrypt(prefix, work)
    }

    /// In strides: 3DES takes a second for what a message may hold. What follows a block in CFB
    /// depends on that block's ciphertext alone.
    fn decrypt_from(&self, mut iv: [u8; MAX_BLOCK], data: &mut [u8], work: &mut Work<'_, '_>) -> Result<(), OpenError> {
        let block = self.block_len();
        for stride in data.chunks_mut(STRIDE) {
            let mut last = [0; MAX_BLOCK];
            if stride.len() == STRIDE {
                last[..block].copy_from_slice(&stride[STRIDE - block..]);
                work.pause()?;
            }
            self.decrypt_stride(&iv[..block], stride)?;
            iv = last;
        }
        Ok(())
    }

    fn decrypt_stride(&self, iv: &[u8], data: &mut [u8]) -> Result<(), OpenError> {
        match self {
            Self::Expanded(cipher) => {
                cfb_mode::Decryptor::inner_iv_slice_init(cipher, iv)
                    .map_err(|_| OpenError::WrongKeyOrCorrupt)?
                    .decrypt(data);
                Ok(())
            }
            Self::Other(cipher, key) => SymmetricKeyAlgorithm::from(cipher.code())
                .decrypt_with_iv_regular(key.as_bytes(), iv, data)
                .map_err(|_| OpenError::WrongKeyOrCorrupt),
        }
    }
}

/// AES-256 in place from the all-zero IV.
pub(crate) fn encrypt(cipher: &Aes256Enc, data: &mut [u8]) {
    cfb_mode::Encryptor::inner_iv_init(cipher, &[0; 16].into()).encrypt(data);
}
