//! Reading: everything `pgp_sym_encrypt` and `gpg --symmetric` write with the ciphers, hashes and
//! compressions of this crate.

use std::{fmt, ops::Deref, ops::Range};

use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    OpenError,
    buffer::Buffer,
    derived_keys::DerivedKeys,
    inflate::inflate,
    keyed::Keyed,
    limits::{MAX_NESTING, MAX_PLAINTEXT},
    literal::{self, Literal, Owner},
    message::Message,
    packet::{self, Body, Packet},
    work::{KeepGoing, STRIDE, Work},
};

/// The only version of SEIPD there is with an MDC (RFC 4880, 5.13).
const SEIPD_VERSION: u8 = 1;

/// Header and SHA-1 of the MDC packet (RFC 4880, 5.14).
const MDC_HEADER: [u8; 2] = [0xD3, 0x14];
const MDC: usize = 22;

/// Opens messages with one secret, remembering the keys derived from it.
pub struct Opener {
    secret: Zeroizing<Vec<u8>>,
    keys: DerivedKeys,
    buffer: Buffer,
}

/// An opened message; wiped when dropped.
pub struct Plaintext<'a> {
    buffer: &'a mut Buffer,
    content: Content,
}

/// Where in the buffer the content of a message is, and how it was written.
#[derive(Default)]
struct Content {
    text: Range<usize>,
    current_form: bool,
    /// Of a message in the current form alone.
    owner: Option<Owner>,
    integrity_protected: bool,
}

impl Opener {
    /// Copies the secret; the copy is zeroised with the opener.
    pub fn new(secret: &[u8]) -> Self {
        Self { secret: Zeroizing::new(secret.to_vec()), keys: DerivedKeys::default(), buffer: Buffer::default() }
    }

    /// Decrypts, checks, inflates and decodes `message`.
    ///
    /// `keep_going` is asked after every mebibyte of work. Where it unwinds instead of answering,
    /// what was decrypted by then is wiped and nothing half done is remembered.
    pub fn open(&mut self, message: &[u8], keep_going: &mut KeepGoing<'_>) -> Result<Plaintext<'_>, OpenError> {
        // Made before anything is decrypted: its drop wipes the buffer, whether an error or a
        // panic is the way out.
        let mut plaintext = Plaintext { buffer: &mut self.buffer, content: Content::default() };
        let mut work = Work::new(keep_going);
        plaintext.content = read(&self.secret, &mut self.keys, plaintext.buffer, message, &mut work)?;
        Ok(plaintext)
    }
}

fn read(
    secret: &[u8],
    keys: &mut DerivedKeys,
    buffer: &mut Buffer,
    message: &[u8],
    work: &mut Work<'_, '_>,
) -> Result<Content, OpenError> {
    let message = Message::parse(message)?;
    let mut result = Err(OpenError::WrongKeyOrCorrupt);
    for session_key in message.session_keys() {
        result = session_key.with_key(secret, keys, work, |keyed, work| decrypt(&message, keyed, buffer, work));
        if result != Err(OpenError::WrongKeyOrCorrupt) {
            break;
        }
    }
    let outer_is_current = message.is_current_form();
    let content = content(buffer, result?, work);
    match content {
        // Without an MDC, a damaged text and one that never was text look alike.
        Err(OpenError::NotText) if !message.integrity_protected => Err(OpenError::WrongKeyOrCorrupt),
        Err(error) => Err(error),
        Ok(content) => {
            let current_form = content.current_form && outer_is_current;
            Ok(Content {
                current_form,
                // Nobody can have put an owner into a message in the current form, or taken one
                // out of it, who has no secret. Without an MDC anybody can.
                owner: content.owner.filter(|_| current_form),
                integrity_protected: message.integrity_protected,
                ..content
            })
        }
    }
}

/// Decrypts the data packet into `buffer` and returns where in it the packets inside are.
fn decrypt(
    message: &Message<'_>,
    keyed: &Keyed,
    buffer: &mut Buffer,
    work: &mut Work<'_, '_>,
) -> Result<Range<usize>, OpenError> {
    buffer.prepare(message.data.len())?;
    message.data.append_to(buffer.as_vec());
    let prefix = keyed.block_len() + 2;
    if message.integrity_protected {
        let (&mut version, encrypted) = buffer.split_first_mut().ok_or(OpenError::WrongKeyOrCorrupt)?;
        if version != SEIPD_VERSION || encrypted.len() < prefix + MDC {
            return Err(OpenError::WrongKeyOrCorrupt);
        }
        keyed.decrypt(encrypted, work)?;
        // The repeated octets of the prefix are not looked at: the MDC covers them, and a quick
        // check ahead of it is an oracle (RFC 9580, 13.4).
        let (protected, digest) = encrypted.split_at(encrypted.len() - 20);
        let header_holds = protected[protected.len() - 2..].ct_eq(&MDC_HEADER);
        let mut hash = Sha1::new();
        for stride in protected.chunks(STRIDE) {
            if stride.len() == STRIDE {
                work.pause()?;
            }
            hash.update(stride);
        }
        let digest_holds = hash.finalize().as_slice().ct_eq(digest);
        if !bool::from(header_holds & digest_holds) {
            return Err(OpenError::WrongKeyOrCorrupt);
        }
        Ok(1 + prefix..buffer.len() - MDC)
    } else {
        keyed.decrypt_resync(buffer, work)?;
        // All the evidence an old packet has that the key fits.
        if buffer[prefix - 4..prefix - 2] != buffer[prefix - 2..prefix] {
            return Err(OpenError::WrongKeyOrCorrupt);
        }
        Ok(prefix..buffer.len())
    }
}

/// Unwraps compressed packets down to the literal one and decodes its text.
fn content(buffer: &mut Buffer, mut packets: Range<usize>, work: &mut Work<'_, '_>) -> Result<Content, OpenError> {
    let mut compressed = 0;
    loop {
        let next = Packet::parse(&buffer[packets.clone()])?;
        match next.tag {
            packet::MARKER => packets.start = packets.end - next.rest.len(),
            packet::COMPRESSED if next.rest.is_empty() => {
                compressed += 1;
                if compressed > MAX_NESTING {
                    return Err(OpenError::TooDeep);
                }
                *buffer = inflate(next.body, work)?;
                packets = 0..buffer.len();
            }
            packet::LITERAL if next.rest.is_empty() => {
                let whole = matches!(next.body, Body::Whole(_));
                let body = match next.body {
                    Body::Whole(body) => packets.end - body.len()..packets.end,
                    Body::Partial(_) => {
                        let mut joined = Buffer::with_capacity(next.body.len())?;
                        next.body.append_to(joined.as_vec());
                        *buffer = joined;
                        0..buffer.len()
                    }
                };
                let mut content = text(buffer, body)?;
                content.current_form &= whole && compressed == 0;
                return Ok(content);
            }
            _ => return Err(OpenError::WrongKeyOrCorrupt),
        }
    }
}

fn text(buffer: &mut Buffer, body: Range<usize>) -> Result<Content, OpenError> {
    let literal = Literal::parse(&buffer[body.clone()])?;
    let mut text = body.start + literal.data.start..body.end;
    if text.len() > MAX_PLAINTEXT {
        return Err(OpenError::TooLarge);
    }
    if literal.may_be_canonical() {
        let length = literal::to_native_line_endings(&mut buffer[text.clone()]);
        text.end = text.start + length;
    }
    let octets = &buffer[text.clone()];
    if octets.contains(&0) || std::str::from_utf8(octets).is_err() {
        return Err(OpenError::NotText);
    }
    Ok(Content { text, current_form: literal.is_ours(), owner: literal.owner(), integrity_protected: false })
}

impl Plaintext<'_> {
    /// The message is, inside and out, of the form this crate writes today.
    pub fn is_current_form(&self) -> bool {
        self.content.current_form
    }

    /// Whose the text is. Only [`Sealer::seal_for`](crate::Sealer::seal_for) names an owner; a
    /// message that is not in the current form has none.
    pub fn owner(&self) -> Option<&Owner> {
        self.content.owner.as_ref()
    }

    /// The message has an MDC. One without may have been made of pieces of other messages, and of
    /// one that names its owner, by somebody who has no secret.
    pub fn is_integrity_protected(&self) -> bool {
        self.content.integrity_protected
    }
}

impl Deref for Plaintext<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.buffer[self.content.text.clone()]).expect("checked when it was opened")
    }
}

/// Never the text itself.
impl fmt::Debug for Plaintext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plaintext({} octets)", self.content.text.len())
    }
}

impl Drop for Plaintext<'_> {
    fn drop(&mut self) {
        self.buffer.wipe();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sealer;

    #[test]
    fn nothing_of_a_text_is_kept_when_it_is_dropped() {
        let secret = b"a secret of more than sixteen octets";
        let message = Sealer::new(secret).seal("Maria").expect("there is memory");
        let mut opener = Opener::new(secret);
        let opened = opener.open(&message, &mut || true).expect("whole");
        assert!(!opened.buffer.is_empty());
        drop(opened);
        assert!(opener.buffer.is_empty());
    }
}
