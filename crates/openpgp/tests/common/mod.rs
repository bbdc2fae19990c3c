//! A writer of messages that this crate never writes itself.

#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use std::io::Write;

use flate2::{
    Compression,
    write::{DeflateEncoder, ZlibEncoder},
};
use pgp::{
    crypto::{hash::HashAlgorithm, sym::SymmetricKeyAlgorithm},
    types::StringToKey,
};

pub const SECRET: &[u8] = b"a secret of more than sixteen octets";

/// Ids with every kind of octet: nothing but zeros, line ends, a name that gpg gives a meaning
/// to, the highest octets.
pub const OWNERS: [[u8; 16]; 4] = [
    [0; 16],
    *b"a\r\nb/../\0%s\x1b[2J\x7f",
    *b"_CONSOLE_CONSOLE",
    [0xFF; 16],
];

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

/// Encrypts `packets` under [`SECRET`], with an MDC or the old way without.
pub fn encrypt(packets: &[u8], protected: bool) -> Vec<u8> {
    let cipher = SymmetricKeyAlgorithm::AES128;
    let hash_alg = HashAlgorithm::Sha1;
    let key = StringToKey::Salted {
        hash_alg,
        salt: [5; 8],
    }
    .derive_key(SECRET, 16)
    .unwrap();
    let skesk = packet(3, &[&[4, 7, 1, 2][..], &[5; 8]].concat());
    let data = if protected {
        let sealed = cipher
            .encrypt_protected(rand::thread_rng(), key.as_ref(), packets)
            .unwrap();
        packet(18, &[&[1], &sealed[..]].concat())
    } else {
        let sealed = cipher
            .encrypt(rand::thread_rng(), key.as_ref(), packets)
            .unwrap();
        packet(9, &sealed)
    };
    [skesk, data].concat()
}
