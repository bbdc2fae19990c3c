//! Symmetric-key encrypted session key packets, version 4 (RFC 4880, 5.3).

use zeroize::Zeroizing;

use crate::{
    OpenError,
    cipher::{Cipher, MAX_KEY},
    derived_keys::DerivedKeys,
    keyed::Keyed,
    s2k::{DerivedKey, S2k},
    work::Work,
};

const VERSION: u8 = 4;

/// How the session key of a message comes from the secret.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionKeyPacket<'a> {
    pub(crate) cipher: Cipher,
    pub(crate) s2k: S2k,
    /// Empty when the S2K result is itself the session key.
    pub(crate) encrypted_key: &'a [u8],
}

impl<'a> SessionKeyPacket<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, OpenError> {
        let [VERSION, cipher, rest @ ..] = body else {
            return Err(OpenError::WrongKeyOrCorrupt);
        };
        let cipher = Cipher::from_code(*cipher).ok_or(OpenError::WrongKeyOrCorrupt)?;
        let (s2k, encrypted_key) = S2k::parse(rest)?;
        if encrypted_key.len() > 1 + MAX_KEY {
            return Err(OpenError::WrongKeyOrCorrupt);
        }
        Ok(Self { cipher, s2k, encrypted_key })
    }

    /// Calls `attempt` with the session key, if the secret gives one.
    pub(crate) fn with_key<T>(
        &self,
        secret: &[u8],
        keys: &mut DerivedKeys,
        work: &mut Work<'_, '_>,
        attempt: impl FnOnce(&Keyed, &mut Work<'_, '_>) -> Result<T, OpenError>,
    ) -> Result<T, OpenError> {
        let derived = keys.keyed(self.s2k, self.cipher, secret, work)?;
        if self.encrypted_key.is_empty() {
            return attempt(derived, work);
        }
        let mut opened = Zeroizing::new([0; 1 + MAX_KEY]);
        let opened = &mut opened[..self.encrypted_key.len()];
        opened.copy_from_slice(self.encrypted_key);
        derived.decrypt(opened, work)?;
        let session_key = DerivedKey::from_slice(&opened[1..]);
        Cipher::from_code(opened[0])
            .and_then(|cipher| Keyed::new(cipher, &session_key))
            .ok_or(OpenError::WrongKeyOrCorrupt)
            .and_then(|keyed| attempt(&keyed, work))
    }
}

/// Appends the body of a packet whose S2K result is the session key.
pub(crate) fn write_body(out: &mut Vec<u8>, cipher: Cipher, s2k: S2k) {
    out.extend_from_slice(&[VERSION, cipher.code()]);
    s2k.write(out);
}
