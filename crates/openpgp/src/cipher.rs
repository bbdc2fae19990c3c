//! Symmetric ciphers and CFB, from the `pgp` crate (RFC 4880, 9.2 and 13.9).

use pgp::crypto::sym::SymmetricKeyAlgorithm;

use crate::OpenError;

/// The longest key and the longest block of any cipher here.
pub(crate) const MAX_KEY: usize = 32;
pub(crate) const MAX_BLOCK: usize = 16;

/// A cipher that pgcrypto or GnuPG may have used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Cipher {
    TripleDes,
    Cast5,
    Blowfish,
    Aes128,
    Aes192,
    Aes256,
}

impl Cipher {
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            2 => Self::TripleDes,
            3 => Self::Cast5,
            4 => Self::Blowfish,
            7 => Self::Aes128,
            8 => Self::Aes192,
            9 => Self::Aes256,
            _ => return None,
        })
    }

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::TripleDes => 2,
            Self::Cast5 => 3,
            Self::Blowfish => 4,
            Self::Aes128 => 7,
            Self::Aes192 => 8,
            Self::Aes256 => 9,
        }
    }

    /// Octets of key. OpenPGP's Blowfish is the 128-bit one.
    pub(crate) const fn key_len(self) -> usize {
        match self {
            Self::Cast5 | Self::Blowfish | Self::Aes128 => 16,
            Self::TripleDes | Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }

    pub(crate) const fn block_len(self) -> usize {
        match self {
            Self::TripleDes | Self::Cast5 | Self::Blowfish => 8,
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
        }
    }

    fn algorithm(self) -> SymmetricKeyAlgorithm {
        SymmetricKeyAlgorithm::from(self.code())
    }

    /// CFB in place from the all-zero IV, without resynchronisation: session keys (RFC 4880, 5.3)
    /// and SEIPD (5.13).
    pub(crate) fn decrypt(self, key: &[u8], data: &mut [u8]) -> Result<(), OpenError> {
        self.decrypt_from(key, &[0; MAX_BLOCK][..self.block_len()], data)
    }

    /// OpenPGP's CFB with resynchronisation after the prefix, in place: the old data packet
    /// without MDC (RFC 4880, 13.9).
    pub(crate) fn decrypt_resync(self, key: &[u8], data: &mut [u8]) -> Result<(), OpenError> {
        let block = self.block_len();
        let (prefix, rest) = data
            .split_at_mut_checked(block + 2)
            .ok_or(OpenError::WrongKeyOrCorrupt)?;
        self.decrypt_from(key, &prefix[2..], rest)?;
        self.decrypt(key, prefix)
    }

    fn decrypt_from(self, key: &[u8], iv: &[u8], data: &mut [u8]) -> Result<(), OpenError> {
        self.algorithm()
            .decrypt_with_iv_regular(key, iv, data)
            .map_err(|_| OpenError::WrongKeyOrCorrupt)
    }

    /// CFB in place from the all-zero IV. `key` has this cipher's length.
    pub(crate) fn encrypt(self, key: &[u8], data: &mut [u8]) {
        self.algorithm()
            .encrypt_with_iv_regular(key, &[0; MAX_BLOCK][..self.block_len()], data)
            .expect("fails only for a key or IV of another length than the cipher's");
    }
}
