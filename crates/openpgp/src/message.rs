//! The outer structure of a message: session key packets, then one packet of encrypted data
//! (RFC 4880, 11.3). All of it is readable without the secret.

use crate::{
    Cipher, OpenError, S2k,
    limits::{MAX_MESSAGE, MAX_PACKETS, MAX_SESSION_KEYS},
    packet::{self, Body, Packet},
    session_key::SessionKeyPacket,
    write,
};

pub(crate) struct Message<'a> {
    session_keys: [Option<SessionKeyPacket<'a>>; MAX_SESSION_KEYS],
    pub(crate) data: Body<'a>,
    /// SEIPD with MDC, rather than the old packet without.
    pub(crate) integrity_protected: bool,
}

impl<'a> Message<'a> {
    pub(crate) fn parse(message: &'a [u8]) -> Result<Self, OpenError> {
        if message.len() > MAX_MESSAGE {
            return Err(OpenError::TooLarge);
        }
        let mut session_keys = [None; MAX_SESSION_KEYS];
        let mut found = 0;
        let mut rest = message;
        for _ in 0..MAX_PACKETS {
            let next = Packet::parse(rest)?;
            rest = next.rest;
            match next.tag {
                packet::MARKER | packet::PUBLIC_KEY_SESSION_KEY => {}
                packet::SYMMETRIC_KEY_SESSION_KEY => {
                    let Body::Whole(body) = next.body else {
                        return Err(OpenError::WrongKeyOrCorrupt);
                    };
                    *session_keys.get_mut(found).ok_or(OpenError::WrongKeyOrCorrupt)? =
                        Some(SessionKeyPacket::parse(body)?);
                    found += 1;
                }
                packet::SYMMETRICALLY_ENCRYPTED | packet::INTEGRITY_PROTECTED if rest.is_empty() => {
                    return Ok(Self {
                        session_keys,
                        data: next.body,
                        integrity_protected: next.tag == packet::INTEGRITY_PROTECTED,
                    });
                }
                _ => return Err(OpenError::WrongKeyOrCorrupt),
            }
        }
        Err(OpenError::WrongKeyOrCorrupt)
    }

    pub(crate) fn session_keys(&self) -> impl Iterator<Item = &SessionKeyPacket<'a>> {
        self.session_keys.iter().flatten()
    }

    /// The outer form is the one this crate writes today.
    pub(crate) fn is_current_form(&self) -> bool {
        let mut keys = self.session_keys();
        self.integrity_protected
            && matches!(self.data, Body::Whole(_))
            && keys.next().is_some_and(write::is_current)
            && keys.next().is_none()
    }
}

/// What a message says of itself to anyone who holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// The cipher the secret's derived key is for.
    pub cipher: Cipher,
    /// How that key is derived.
    pub s2k: S2k,
    /// The session key is one of its own, encrypted by the derived key.
    pub separate_session_key: bool,
    /// The data carries an MDC.
    pub integrity_protected: bool,
    /// The outer form is the one this crate writes today.
    pub current_form: bool,
}

/// Describes a message without opening it.
pub fn describe(message: &[u8]) -> Result<Description, OpenError> {
    let message = Message::parse(message)?;
    let key = message.session_keys().next().ok_or(OpenError::WrongKeyOrCorrupt)?;
    Ok(Description {
        cipher: key.cipher,
        s2k: key.s2k,
        separate_session_key: !key.encrypted_key.is_empty(),
        integrity_protected: message.integrity_protected,
        current_form: message.is_current_form(),
    })
}
