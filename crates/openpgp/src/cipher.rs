//! The symmetric ciphers by name, and what OpenPGP says of each (RFC 4880, 9.2).

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
}
