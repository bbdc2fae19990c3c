//! What is written is read, by this crate and by the reference implementation.

#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use auria_openpgp::{Cipher, Hash, Opener, S2k, Sealer, describe};
use common::{OWNERS, SECRET, encrypt, literal, packet, zip};
use pgp::{
    composed::{DecryptionOptions, Message, TheRing},
    types::Password,
};
use proptest::prelude::*;

proptest! {
    #[test]
    fn any_text_without_a_zero_comes_back_octet_for_octet(text in "[^\0]{0,300}") {
        let message = Sealer::new(SECRET).unwrap().seal(&text).unwrap();
        let mut opener = Opener::new(SECRET);
        let opened = opener.open(&message, &mut || true).unwrap();
        prop_assert_eq!(&*opened, text.as_str());
        prop_assert!(opened.is_current_form() && opened.is_integrity_protected());
        prop_assert_eq!(opened.owner(), None);
    }

    #[test]
    fn any_owner_comes_back_with_the_text(text in "[^\0]{0,300}", owner in any::<[u8; 16]>()) {
        let message = Sealer::new(SECRET).unwrap().seal_for(&text, &owner).unwrap();
        let mut opener = Opener::new(SECRET);
        let opened = opener.open(&message, &mut || true).unwrap();
        prop_assert_eq!(&*opened, text.as_str());
        prop_assert_eq!(opened.owner(), Some(&owner));
        prop_assert!(opened.is_current_form() && opened.is_integrity_protected());
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
    let sealer = Sealer::new(SECRET).unwrap();
    let mut opener = Opener::new(SECRET);
    let owner = &OWNERS[1];
    for length in (0..400).chain(8300..8400).chain([65_535, 65_536, 1 << 20]) {
        let text = "ã\r\n".repeat(length)[..]
            .chars()
            .take(length)
            .collect::<String>();
        for message in [sealer.seal(&text), sealer.seal_for(&text, owner)] {
            assert_eq!(
                &*opener.open(&message.unwrap(), &mut || true).unwrap(),
                text,
                "{length}"
            );
        }
    }
}

#[test]
fn one_sealer_has_one_salt_and_two_messages_share_nothing_else() {
    let sealer = Sealer::new(SECRET).unwrap();
    let (first, second) = (sealer.seal("João").unwrap(), sealer.seal("João").unwrap());
    let description = describe(&first).unwrap();
    assert_eq!(describe(&second).unwrap(), description);
    assert!(description.current_form && description.integrity_protected);
    assert!(!description.separate_session_key);
    assert_eq!(description.cipher, Cipher::Aes256);
    assert!(matches!(
        description.s2k,
        S2k::Iterated {
            hash: Hash::Sha256,
            ..
        }
    ));
    // Past the two headers, the first block is already random.
    assert_ne!(first[18..34], second[18..34]);
    let other = describe(&Sealer::new(SECRET).unwrap().seal("João").unwrap()).unwrap();
    assert_ne!(other.s2k, description.s2k);
}

#[test]
fn the_reference_implementation_reads_what_is_written() {
    for text in ["", "Ana", "linha 1\r\nlinha 2\n", &"ção ".repeat(5000)] {
        let sealer = Sealer::new(SECRET).unwrap();
        for (sealed, name) in [
            (sealer.seal(text), &[][..]),
            (sealer.seal_for(text, &OWNERS[1]), &OWNERS[1][..]),
        ] {
            let sealed = sealed.unwrap();
            let password = Password::from(SECRET);
            let ring = TheRing {
                message_password: vec![&password],
                decrypt_options: DecryptionOptions::new(),
                ..Default::default()
            };
            let (mut message, _) = Message::from_bytes(&sealed[..])
                .unwrap()
                .decrypt_the_ring(ring, true)
                .unwrap();
            assert_eq!(message.as_data_string().unwrap(), text);
            assert_eq!(message.literal_data_header().unwrap().file_name(), name);
        }
    }
}

#[test]
fn a_text_that_another_writer_made_canonical_gets_its_line_endings_back() {
    let mut opener = Opener::new(SECRET);
    let mut read = |mode, text: &str| {
        opener
            .open(&encrypt(&literal(mode, text.as_bytes()), true), &mut || {
                true
            })
            .unwrap()
            .to_string()
    };
    assert_eq!(read(b't', "a\r\nb"), "a\nb");
    assert_eq!(read(b'u', "a\r\nb"), "a\nb");
    assert_eq!(read(b'b', "a\r\nb"), "a\r\nb");
    assert_eq!(read(b't', "a\r\nb\nc"), "a\r\nb\nc");
}

#[test]
fn another_writers_form_is_distinguished_from_the_current_one() {
    let mut opener = Opener::new(SECRET);
    let foreign = encrypt(&literal(b'u', b"x"), true);
    assert!(
        !opener
            .open(&foreign, &mut || true)
            .unwrap()
            .is_current_form()
    );
    assert!(!describe(&foreign).unwrap().current_form);
}

#[test]
fn an_owner_is_believed_in_the_form_that_is_written_and_in_no_other() {
    // A literal packet as it is written, in other wrappings.
    let mut body = vec![b'u', 16];
    body.extend_from_slice(&OWNERS[1]);
    body.extend_from_slice(&[0, 0, 0, 0, b'x']);
    let literal = packet(11, &body);
    let mut opener = Opener::new(SECRET);
    for (foreign, protected) in [
        (encrypt(&literal, true), true),
        (encrypt(&literal, false), false),
        (encrypt(&zip(&literal), true), true),
    ] {
        let opened = opener.open(&foreign, &mut || true).unwrap();
        assert_eq!((&*opened, opened.owner()), ("x", None));
        assert!(!opened.is_current_form());
        assert_eq!(opened.is_integrity_protected(), protected);
    }
}
