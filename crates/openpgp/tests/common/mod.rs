//! A writer of messages that this crate never writes itself.

#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use std::io::Write;

use flate2::{
    Compression,
    write::{DeflateEncoder, ZlibEncoder},
};
use pgp::{
    crypto::{hash::HashAlgorithm, sym::SymmetricKeyAlgorithm},
    ser::Serialize,
    types::StringToKey,
};

pub const SECRET: &[u8] = b"a secret of more than sixteen octets";

/// Ids with every kind of octet: nothing but zeros, line ends, a name that gpg gives a meaning
/// to, the highest octets.
pub const OWNERS: [[u8; 16]; 4] = [[0; 16], *b"a\r\nb/../\0%s\x1b[2J\x7f", *b"_CONSOLE_CONSOLE", [0xFF; 16]];

pub fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0xC0 | tag, 255];
    out.extend_from_slice(&(body.len() as u32).to_be_bytes());
    out.extend_from_slice(body);
    out
}

pub fn literal(mode: u8, data: &[u8]) -> Vec<u8> {
    let mut body = vec![mode, 3, b'a', b'b', b'c', 1, 2, 3, 4];
    body.extend_from_slice(data);
    packet(11, &body)
}

pub fn zip(packets: &[u8]) -> Vec<u8> {
    let mut stream = DeflateEncoder::new(vec![1], Compression::new(9));
    stream.write_all(packets).unwrap();
    packet(8, &stream.finish().unwrap())
}

pub fn zlib(packets: &[u8]) -> Vec<u8> {
    let mut stream = ZlibEncoder::new(vec![2], Compression::new(9));
    stream.write_all(packets).unwrap();
    packet(8, &stream.finish().unwrap())
}

pub fn stored(packets: &[u8]) -> Vec<u8> {
    packet(8, &[&[0], packets].concat())
}

/// The packet, its body in pieces of one octet each.
pub fn in_crumbs(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0xC0 | tag];
    for octet in body {
        out.extend_from_slice(&[224, *octet]);
    }
    out.push(0);
    out
}

/// What a writer chooses to put around the packets.
#[derive(Clone)]
pub struct Outer {
    pub cipher: SymmetricKeyAlgorithm,
    pub s2k: StringToKey,
    /// The cipher of a session key of its own.
    pub session_key: Option<SymmetricKeyAlgorithm>,
    /// With an MDC, or the old way without.
    pub protected: bool,
}

impl Outer {
    /// What the crate itself chooses.
    pub const fn current() -> Self {
        Self {
            cipher: SymmetricKeyAlgorithm::AES256,
            s2k: StringToKey::IteratedAndSalted { hash_alg: HashAlgorithm::Sha256, salt: [5; 8], count: 0 },
            session_key: None,
            protected: true,
        }
    }

    /// The packet of the session key under [`SECRET`], and the packet of the data.
    pub fn encrypt(&self, packets: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let key = self.s2k.derive_key(SECRET, self.cipher.key_size()).unwrap();
        let mut session_key = vec![4, self.cipher.into()];
        session_key.extend(self.s2k.to_bytes().unwrap());
        let (cipher, key) = match self.session_key {
            None => (self.cipher, key.as_ref().to_vec()),
            Some(cipher) => {
                let own = cipher.new_session_key(rand::thread_rng());
                let mut encrypted = vec![cipher.into()];
                encrypted.extend_from_slice(own.as_ref());
                let iv = vec![0; self.cipher.block_size()];
                self.cipher.encrypt_with_iv_regular(key.as_ref(), &iv, &mut encrypted).unwrap();
                session_key.extend(encrypted);
                (cipher, own.as_ref().to_vec())
            }
        };
        let data = if self.protected {
            let sealed = cipher.encrypt_protected(rand::thread_rng(), &key, packets).unwrap();
            packet(18, &[&[1], &sealed[..]].concat())
        } else {
            packet(9, &cipher.encrypt(rand::thread_rng(), &key, packets).unwrap())
        };
        (packet(3, &session_key), data)
    }
}

/// Encrypts `packets` under [`SECRET`] as another writer would, with an MDC or without.
pub fn encrypt(packets: &[u8], protected: bool) -> Vec<u8> {
    let outer = Outer {
        cipher: SymmetricKeyAlgorithm::AES128,
        s2k: StringToKey::Salted { hash_alg: HashAlgorithm::Sha1, salt: [5; 8] },
        session_key: None,
        protected,
    };
    let (session_key, data) = outer.encrypt(packets);
    [session_key, data].concat()
}
