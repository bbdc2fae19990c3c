//! Writing: one form only.
//!
//! SKESK v4 (AES-256, iterated and salted S2K over SHA-256) whose S2K result is the session key
//! itself, then SEIPD v1 holding one literal packet, mode `u`, date 0, uncompressed (RFC 4880, 5.3,
//! 5.13, 5.9; RFC 9580 keeps all of them readable). Its file name is empty, or the 16 octets of the
//! owner's id: under the MDC, so that nobody without the secret can give a value another owner.

use aes::Aes256Enc;
use cfb_mode::cipher::KeyInit;
use rand::RngCore;
use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

use crate::{
    SealError,
    cipher::Cipher,
    keyed,
    limits::MAX_PLAINTEXT,
    literal::{self, Owner},
    packet,
    purpose::PurposeKey,
    s2k::{Hash, LaidOut, S2k, SALT},
    session_key::{self, SessionKeyPacket},
    work::Work,
};

const CIPHER: Cipher = Cipher::Aes256;
const HASH: Hash = Hash::Sha256;

/// 1,024 octets, the least that can be named. Stretching makes guessing a short passphrase dear; a
/// secret of 256 random bits cannot be guessed, so a higher count protects nothing, and costs the
/// first value of every connection.
const COUNT: u8 = 0;

/// The random block and its last two octets again.
const PREFIX: usize = CIPHER.block_len() + 2;

/// Packet header and SHA-1.
const MDC: usize = 22;

const SALTS: &[u8] = b"auria: salts of an owner's values";

/// Writes messages under one secret.
///
/// All messages of one owner have one salt, which follows from the owner's id and the secret, and
/// so they have one derived key: whoever opens thousands of them derives it once, and two owners
/// have nothing in common. Messages of nobody's have a salt that is drawn when the sealer is made.
///
/// What keeps messages under one derived key apart is CFB's own prefix of 16 fresh random octets
/// in each: the first ciphertext block is random, and every keystream block after it follows from
/// that one. This holds because the derived key encrypts nothing but such messages. It would
/// *not* hold with a session key encrypted in the SKESK packet: that encryption is CFB from an
/// all-zero IV with no prefix (RFC 4880, 5.3), so two of them under one salt would share their
/// keystream. That form is never written.
pub struct Sealer {
    secret: Zeroizing<Vec<u8>>,
    salts: PurposeKey,
    /// Of messages that name no owner.
    drawn: [u8; SALT],
    /// The last owner's, or nobody's: values come in runs of one owner.
    latest: Option<(Option<Owner>, Head)>,
}

/// What the messages of one owner have in common.
struct Head {
    key: Aes256Enc,
    /// The session key packet, the same in each message.
    session_key: Vec<u8>,
}

impl Head {
    fn new(secret: &[u8], salt: [u8; SALT]) -> Result<Self, SealError> {
        let s2k = S2k::Iterated { hash: HASH, salt, count: COUNT };
        let mut session_key = Vec::new();
        packet::write_header(&mut session_key, packet::SYMMETRIC_KEY_SESSION_KEY, 4 + SALT + 1);
        session_key::write_body(&mut session_key, CIPHER, s2k);
        let key = s2k
            .derive(secret, &mut LaidOut::default(), CIPHER, &mut Work::new(&mut || true))
            .map_err(|_| SealError::OutOfMemory)?;
        Ok(Self {
            key: Aes256Enc::new_from_slice(key.as_bytes())
                .expect("AES-256 takes the 32 octets that are derived for it"),
            session_key,
        })
    }
}

impl Sealer {
    /// Copies the secret, which is zeroised with the sealer, and draws a salt.
    pub fn new(secret: &[u8]) -> Self {
        let mut drawn = [0; SALT];
        rand::thread_rng().fill_bytes(&mut drawn);
        Self { secret: Zeroizing::new(secret.to_vec()), salts: PurposeKey::new(secret, SALTS), drawn, latest: None }
    }

    /// `plaintext` as a message of nobody's. Never twice the same.
    pub fn seal(&mut self, plaintext: &str) -> Result<Vec<u8>, SealError> {
        self.head(None)?.write(plaintext, None)
    }

    /// `plaintext` as a message that names its owner. Never twice the same.
    pub fn seal_for(&mut self, plaintext: &str, owner: &Owner) -> Result<Vec<u8>, SealError> {
        self.head(Some(owner))?.write(plaintext, Some(owner))
    }

    /// Whether the key of a message is derived as that of every message which [`Self::seal_for`]
    /// writes for this owner.
    pub fn has_key_of(&mut self, message: &[u8], owner: &Owner) -> Result<bool, SealError> {
        Ok(message.starts_with(&self.head(Some(owner))?.session_key))
    }

    fn head(&mut self, owner: Option<&Owner>) -> Result<&Head, SealError> {
        let is_latest = matches!(&self.latest, Some((latest, _)) if latest.as_ref() == owner);
        if !is_latest {
            let salt = owner.map_or(self.drawn, |owner| self.salts.hmac(&[owner]));
            self.latest = Some((owner.copied(), Head::new(&self.secret, salt)?));
        }
        match &self.latest {
            Some((_, head)) => Ok(head),
            None => unreachable!("it was there, or has just been made"),
        }
    }
}

impl Head {
    fn write(&self, plaintext: &str, owner: Option<&Owner>) -> Result<Vec<u8>, SealError> {
        if plaintext.len() > MAX_PLAINTEXT {
            return Err(SealError::TooLarge);
        }
        let literal_len = literal::header_len(owner) + plaintext.len();
        let encrypted_len = PREFIX + packet::header_len(literal_len) + literal_len + MDC;
        let mut message = Vec::new();
        message.try_reserve_exact(self.session_key.len() + 7 + encrypted_len)?;

        message.extend_from_slice(&self.session_key);
        packet::write_header(&mut message, packet::INTEGRITY_PROTECTED, 1 + encrypted_len);
        message.push(1);

        let encrypted = message.len();
        let mut random = [0; CIPHER.block_len()];
        rand::thread_rng().fill_bytes(&mut random);
        message.extend_from_slice(&random);
        message.extend_from_slice(&random[random.len() - 2..]);
        packet::write_header(&mut message, packet::LITERAL, literal_len);
        literal::write_header(&mut message, owner);
        message.extend_from_slice(plaintext.as_bytes());
        message.extend_from_slice(&[0xD3, 0x14]);
        let mdc = Sha1::digest(&message[encrypted..]);
        message.extend_from_slice(&mdc);

        keyed::encrypt(&self.key, &mut message[encrypted..]);
        Ok(message)
    }
}

/// Whether a session key packet is of the form [`Sealer`] writes. Any count is: a higher one, which
/// earlier versions wrote, is no reason to write a value anew.
pub(crate) fn is_current(packet: &SessionKeyPacket<'_>) -> bool {
    packet.cipher == CIPHER && packet.encrypted_key.is_empty() && matches!(packet.s2k, S2k::Iterated { hash: HASH, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"a secret of more than sixteen octets";

    #[test]
    fn the_salt_of_an_owner_stays_what_it_is() {
        // Computed with Python's hmac and hashlib. Every connection has to find it.
        let sealer = Sealer::new(SECRET);
        assert_eq!(hex::encode(sealer.salts.hmac::<SALT>(&[&[0xA1; 16]])), "03215395a0d9c34f");
    }

    #[test]
    fn a_message_never_moves_while_it_is_still_plain() {
        let mut sealer = Sealer::new(SECRET);
        for length in [0, 1, 100, 191, 192, 8383, 8384, 70_000] {
            let text = "x".repeat(length);
            for message in [sealer.seal(&text), sealer.seal_for(&text, &[7; 16])] {
                let message = message.expect("there is memory");
                // What was reserved is still what there is.
                let spare = message.capacity() - message.len();
                assert!(spare < 7, "{spare} octets beside {length}");
            }
        }
    }
}
