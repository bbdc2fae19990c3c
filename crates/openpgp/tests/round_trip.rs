//! What is written is read, by this crate and by the reference implementation.

#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::collections::{HashMap, HashSet};

use auria_openpgp::{Cipher, Hash, Opener, S2k, Sealer, describe};
use common::{OWNERS, Outer, SECRET, encrypt, in_crumbs, literal, packet, stored, zip, zlib};
use pgp::{
    composed::{DecryptionOptions, Message, TheRing},
    crypto::{hash::HashAlgorithm, sym::SymmetricKeyAlgorithm},
    types::{Password, StringToKey},
};
use proptest::prelude::*;

/// The salt of a message.
fn salt_of(message: &[u8]) -> [u8; 8] {
    match describe(message).unwrap().s2k {
        S2k::Iterated { salt, .. } => salt,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn any_text_without_a_zero_comes_back_octet_for_octet(text in "[^\0]{0,300}") {
        let message = Sealer::new(SECRET).seal(&text).unwrap();
        let mut opener = Opener::new(SECRET);
        let opened = opener.open(&message, &mut || true).unwrap();
        prop_assert_eq!(&*opened, text.as_str());
        prop_assert!(opened.is_current_form() && opened.is_integrity_protected());
        prop_assert_eq!(opened.owner(), None);
    }

    #[test]
    fn any_owner_comes_back_with_the_text(text in "[^\0]{0,300}", owner in any::<[u8; 16]>()) {
        let message = Sealer::new(SECRET).seal_for(&text, &owner).unwrap();
        let mut opener = Opener::new(SECRET);
        let opened = opener.open(&message, &mut || true).unwrap();
        prop_assert_eq!(&*opened, text.as_str());
        prop_assert_eq!(opened.owner(), Some(&owner));
        prop_assert!(opened.is_current_form() && opened.is_integrity_protected());
    }

    #[test]
    fn every_connection_gives_an_owners_messages_one_salt_and_no_two_owners_the_same(
        writes in proptest::collection::vec((0..4_usize, proptest::option::of(any::<[u8; 16]>()), "[^\0]{0,40}"), 1..40)
    ) {
        let mut connections: [_; 4] = std::array::from_fn(|_| Sealer::new(SECRET));
        let mut other_secret = Sealer::new(b"another secret of thirty octets");
        let mut salts = HashMap::new();
        let mut heads = HashSet::new();
        let mut opener = Opener::new(SECRET);
        // Each write twice, so that every owner is met again after others, by another connection.
        for (connection, owner, text) in writes.iter().chain(writes.iter().rev()) {
            let message = match owner {
                Some(owner) => connections[connection % 4].seal_for(text, owner),
                None => connections[connection % 4].seal(text),
            };
            let message = message.unwrap();
            // Nobody's are salted by the connection.
            let whose = owner.ok_or(connection % 4);
            prop_assert_eq!(*salts.entry(whose).or_insert(salt_of(&message)), salt_of(&message));
            prop_assert!(heads.insert(message[18..34].to_vec()), "a first block is repeated");
            let opened = opener.open(&message, &mut || true).unwrap();
            prop_assert_eq!((&*opened, opened.owner()), (text.as_str(), owner.as_ref()));
            if let Some(owner) = owner {
                prop_assert!(connections[0].has_key_of(&message, owner).unwrap());
                prop_assert!(!connections[0].has_key_of(&message, &[0x5A; 16]).unwrap());
                prop_assert_ne!(salt_of(&other_secret.seal_for(text, owner).unwrap()), salt_of(&message));
            }
        }
        let distinct: HashSet<_> = salts.values().collect();
        prop_assert_eq!(distinct.len(), salts.len());
    }

    #[test]
    fn any_octets_are_refused_or_read_without_a_panic(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Opener::new(SECRET).open(&octets, &mut || true);
        let _ = describe(&octets);
    }

    #[test]
    fn any_packets_inside_are_refused_or_read_without_a_panic(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        for protected in [true, false] {
            let _ = Opener::new(SECRET).open(&encrypt(&octets, protected), &mut || true);
            let _ = Opener::new(SECRET).open(&encrypt(&zip(&octets), protected), &mut || true);
        }
    }
}

#[test]
fn lengths_on_both_sides_of_every_header_border_come_back() {
    let mut sealer = Sealer::new(SECRET);
    let mut opener = Opener::new(SECRET);
    let owner = &OWNERS[1];
    for length in (0..400).chain(8300..8400).chain([65_535, 65_536, 1 << 20]) {
        let text = "ã\r\n".repeat(length)[..].chars().take(length).collect::<String>();
        for message in [sealer.seal(&text), sealer.seal_for(&text, owner)] {
            assert_eq!(&*opener.open(&message.unwrap(), &mut || true).unwrap(), text, "{length}");
        }
    }
}

#[test]
fn one_sealer_has_one_salt_and_two_messages_share_nothing_else() {
    let mut sealer = Sealer::new(SECRET);
    let (first, second) = (sealer.seal("João").unwrap(), sealer.seal("João").unwrap());
    let description = describe(&first).unwrap();
    assert_eq!(describe(&second).unwrap(), description);
    assert!(description.current_form && description.integrity_protected);
    assert!(!description.separate_session_key);
    assert_eq!(description.cipher, Cipher::Aes256);
    assert!(matches!(description.s2k, S2k::Iterated { hash: Hash::Sha256, .. }));
    // Past the two headers, the first block is already random.
    assert_ne!(first[18..34], second[18..34]);
    let other = describe(&Sealer::new(SECRET).seal("João").unwrap()).unwrap();
    assert_ne!(other.s2k, description.s2k);
}

#[test]
fn the_reference_implementation_reads_what_is_written() {
    for text in ["", "Ana", "linha 1\r\nlinha 2\n", &"ção ".repeat(5000)] {
        let mut sealer = Sealer::new(SECRET);
        for (sealed, name) in [(sealer.seal(text), &[][..]), (sealer.seal_for(text, &OWNERS[1]), &OWNERS[1][..])] {
            let sealed = sealed.unwrap();
            let password = Password::from(SECRET);
            let ring = TheRing {
                message_password: vec![&password],
                decrypt_options: DecryptionOptions::new(),
                ..Default::default()
            };
            let (mut message, _) = Message::from_bytes(&sealed[..]).unwrap().decrypt_the_ring(ring, true).unwrap();
            assert_eq!(message.as_data_string().unwrap(), text);
            assert_eq!(message.literal_data_header().unwrap().file_name(), name);
        }
    }
}

#[test]
fn a_text_that_another_writer_made_canonical_gets_its_line_endings_back() {
    let mut opener = Opener::new(SECRET);
    let mut read = |mode, text: &str| {
        opener.open(&encrypt(&literal(mode, text.as_bytes()), true), &mut || true).unwrap().to_string()
    };
    assert_eq!(read(b't', "a\r\nb"), "a\nb");
    assert_eq!(read(b'u', "a\r\nb"), "a\nb");
    assert_eq!(read(b'b', "a\r\nb"), "a\r\nb");
    assert_eq!(read(b't', "a\r\nb\nc"), "a\r\nb\nc");
}

/// A literal packet as it is written, with an owner.
fn our_literal() -> Vec<u8> {
    packet(11, &our_literal_body())
}

fn our_literal_body() -> Vec<u8> {
    [&[b'u', 16][..], &OWNERS[1], &[0, 0, 0, 0, b'x']].concat()
}

/// Whether the message is in the current form, on which `describe` need not agree: it does not
/// look inside. An owner is believed in that form and in no other.
fn is_current(message: &[u8]) -> bool {
    let mut opener = Opener::new(SECRET);
    let opened = opener.open(message, &mut || true).unwrap();
    assert_eq!(&*opened, "x");
    assert_eq!(opened.owner(), opened.is_current_form().then_some(&OWNERS[1]));
    opened.is_current_form()
}

#[test]
fn the_current_form_is_what_is_written_and_no_other_outside() {
    let current = Outer::current();
    let sha256 = HashAlgorithm::Sha256;
    let foreign = [
        Outer { cipher: SymmetricKeyAlgorithm::AES192, ..current.clone() },
        Outer {
            s2k: StringToKey::IteratedAndSalted { hash_alg: HashAlgorithm::Sha512, salt: [5; 8], count: 0 },
            ..current.clone()
        },
        Outer { s2k: StringToKey::Salted { hash_alg: sha256, salt: [5; 8] }, ..current.clone() },
        Outer { s2k: StringToKey::Simple { hash_alg: sha256 }, ..current.clone() },
        Outer { session_key: Some(SymmetricKeyAlgorithm::AES256), ..current.clone() },
        Outer { protected: false, ..current.clone() },
    ];
    let (session_key, data) = current.encrypt(&our_literal());
    let ours = [&session_key[..], &data].concat();
    assert!(is_current(&ours) && describe(&ours).unwrap().current_form);

    let in_pieces = [&session_key[..], &in_crumbs(18, &data[6..])].concat();
    let for_two = [&session_key[..], &session_key, &data].concat();
    let others = foreign.iter().map(|outer| {
        let (session_key, data) = outer.encrypt(&our_literal());
        [session_key, data].concat()
    });
    for (number, message) in others.chain([in_pieces, for_two]).enumerate() {
        assert!(!is_current(&message), "{number}");
        assert!(!describe(&message).unwrap().current_form, "{number}");
    }
}

#[test]
fn the_current_form_is_what_is_written_and_no_other_inside() {
    let ours = our_literal();
    for packets in [
        zip(&ours),
        zlib(&ours),
        stored(&ours),
        in_crumbs(11, &our_literal_body()),
        literal(b'u', b"x"),
        literal(b'b', b"x"),
    ] {
        let (session_key, data) = Outer::current().encrypt(&packets);
        let message = [session_key, data].concat();
        assert!(!is_current(&message));
        assert!(describe(&message).unwrap().current_form);
    }
}

#[test]
fn who_opens_a_message_learns_whether_it_had_an_mdc() {
    for protected in [true, false] {
        let message = encrypt(&our_literal(), protected);
        let mut opener = Opener::new(SECRET);
        let opened = opener.open(&message, &mut || true).unwrap();
        assert_eq!(opened.is_integrity_protected(), protected);
        assert_eq!(describe(&message).unwrap().integrity_protected, protected);
    }
}

#[test]
fn every_digest_is_read_in_every_way_of_deriving_a_key() {
    let salt = [5; 8];
    for hash_alg in [
        HashAlgorithm::Md5,
        HashAlgorithm::Sha1,
        HashAlgorithm::Ripemd160,
        HashAlgorithm::Sha224,
        HashAlgorithm::Sha256,
        HashAlgorithm::Sha384,
        HashAlgorithm::Sha512,
    ] {
        for s2k in [
            StringToKey::Simple { hash_alg },
            StringToKey::Salted { hash_alg, salt },
            StringToKey::IteratedAndSalted { hash_alg, salt, count: 0x10 },
        ] {
            let outer = Outer { s2k, ..Outer::current() };
            let (session_key, data) = outer.encrypt(&our_literal());
            let message = [session_key, data].concat();
            let iterated = matches!(outer.s2k, StringToKey::IteratedAndSalted { .. });
            let ours = iterated && hash_alg == HashAlgorithm::Sha256;
            assert_eq!(is_current(&message), ours, "{:?}", outer.s2k);
        }
    }
}

#[test]
fn a_session_key_of_its_own_is_read_whichever_ciphers_are_used() {
    let ciphers = [
        SymmetricKeyAlgorithm::TripleDES,
        SymmetricKeyAlgorithm::CAST5,
        SymmetricKeyAlgorithm::Blowfish,
        SymmetricKeyAlgorithm::AES128,
        SymmetricKeyAlgorithm::AES192,
        SymmetricKeyAlgorithm::AES256,
    ];
    for (cipher, session_cipher) in
        ciphers.into_iter().flat_map(|cipher| ciphers.map(|session_cipher| (cipher, session_cipher)))
    {
        let outer = Outer { cipher, session_key: Some(session_cipher), ..Outer::current() };
        let (session_key, data) = outer.encrypt(&our_literal());
        let message = [session_key, data].concat();
        assert!(!is_current(&message), "{cipher:?} {session_cipher:?}");
        assert!(describe(&message).unwrap().separate_session_key);
    }
}
