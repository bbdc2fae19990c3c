//! Whatever the bytes, a bounded refusal.

#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use auria_openpgp::{MAX_PLAINTEXT, OpenError, Opener, SealError, Sealer, describe, limits::MAX_MESSAGE};
use common::{OWNERS, Outer, SECRET, encrypt, in_crumbs, literal, packet, stored, zip, zlib};

fn open(message: &[u8]) -> Result<String, OpenError> {
    Opener::new(SECRET).open(message, &mut || true).map(|text| text.to_string())
}

#[test]
fn flipping_any_bit_of_a_message_gives_the_one_error_or_nothing_else_than_the_text() {
    let mut sealer = Sealer::new(SECRET);
    for message in
        [sealer.seal("Maria da Conceição").unwrap(), sealer.seal_for("Maria da Conceição", &OWNERS[0]).unwrap()]
    {
        let mut opener = Opener::new(SECRET);
        for position in 0..message.len() {
            for bit in 0..8 {
                let mut damaged = message.clone();
                damaged[position] ^= 1 << bit;
                assert_eq!(
                    opener.open(&damaged, &mut || true).map(|text| text.to_string()),
                    Err(OpenError::WrongKeyOrCorrupt),
                    "octet {position} bit {bit}"
                );
            }
        }
    }
}

#[test]
fn every_truncation_and_every_extension_of_a_message_is_refused() {
    let message = Sealer::new(SECRET).seal("Maria").unwrap();
    for length in 0..message.len() {
        assert_eq!(open(&message[..length]), Err(OpenError::WrongKeyOrCorrupt));
    }
    for extra in [&[0][..], &[0xCB, 0], &message] {
        let extended = [&message[..], extra].concat();
        assert_eq!(open(&extended), Err(OpenError::WrongKeyOrCorrupt));
    }
}

#[test]
fn a_wrong_secret_gives_the_same_error_as_damage() {
    let message = Sealer::new(b"another secret of thirty octets").seal("Maria").unwrap();
    assert_eq!(open(&message), Err(OpenError::WrongKeyOrCorrupt));
}

#[test]
fn an_old_packet_without_mdc_gives_no_more_away_than_one_with() {
    let message = encrypt(&literal(b't', "José".as_bytes()), false);
    assert_eq!(open(&message).as_deref(), Ok("José"));
    for position in 0..message.len() {
        let mut damaged = message.clone();
        damaged[position] ^= 0x55;
        match open(&damaged) {
            Err(error) => assert_eq!(error, OpenError::WrongKeyOrCorrupt, "octet {position}"),
            // Without an MDC some damage cannot be seen: in the name, the date, the text.
            Ok(_) => assert!(position > 30, "octet {position}"),
        }
    }
}

#[test]
fn a_bomb_of_each_kind_stops_at_the_limit() {
    let zeros = literal(b't', &vec![b'0'; MAX_PLAINTEXT + (2 << 20)]);
    for protected in [true, false] {
        for bomb in [zip(&zeros), zlib(&zeros), zip(&zip(&zeros)), zlib(&zip(&zlib(&zeros)))] {
            assert!(bomb.len() < 1 << 20);
            assert_eq!(open(&encrypt(&bomb, protected)), Err(OpenError::TooLarge));
        }
        assert_eq!(open(&encrypt(&stored(&zeros), protected)), Err(OpenError::TooLarge));
        assert_eq!(open(&encrypt(&zeros, protected)), Err(OpenError::TooLarge));
    }
}

#[test]
fn inflating_stops_at_the_limit_and_does_not_look_at_what_comes_after() {
    // Nothing in it is a packet: only one who inflated all of it would know.
    let zeros = vec![0; 3 * MAX_PLAINTEXT];
    for bomb in [zip(&zeros), zlib(&zeros)] {
        assert_eq!(open(&encrypt(&bomb, true)), Err(OpenError::TooLarge));
    }
    for (length, expected) in [(MAX_MESSAGE, OpenError::WrongKeyOrCorrupt), (MAX_MESSAGE + 1, OpenError::TooLarge)] {
        let message = encrypt(&zip(&zeros[..length]), true);
        assert_eq!(open(&message), Err(expected), "{length}");
    }
}

#[test]
fn the_limit_is_on_the_plaintext_to_the_octet() {
    let longest = vec![b'x'; MAX_PLAINTEXT];
    assert_eq!(open(&encrypt(&zip(&literal(b't', &longest)), true)).unwrap().len(), MAX_PLAINTEXT);
    assert_eq!(open(&encrypt(&literal(b't', &longest), true)).unwrap().len(), MAX_PLAINTEXT);
    let longer = vec![b'x'; MAX_PLAINTEXT + 1];
    assert_eq!(open(&encrypt(&zip(&literal(b't', &longer)), true)), Err(OpenError::TooLarge));
    assert_eq!(open(&encrypt(&literal(b't', &longer), true)), Err(OpenError::TooLarge));

    let mut sealer = Sealer::new(SECRET);
    let longest = String::from_utf8(longest).unwrap();
    assert_eq!(open(&sealer.seal(&longest).unwrap()), Ok(longest));
    let longer = String::from_utf8(longer).unwrap();
    assert_eq!(sealer.seal(&longer), Err(SealError::TooLarge));
    assert_eq!(sealer.seal_for(&longer, &OWNERS[0]), Err(SealError::TooLarge));
}

#[test]
fn compressed_packets_nest_only_so_deep() {
    let mut packets = literal(b'u', b"deep");
    for depth in 1..=50 {
        packets = if depth % 2 == 0 { zip(&packets) } else { stored(&packets) };
        let expected = if depth <= 4 { Ok("deep".to_owned()) } else { Err(OpenError::TooDeep) };
        assert_eq!(open(&encrypt(&packets, true)), expected, "depth {depth}");
    }
}

#[test]
fn a_deflate_stream_that_is_cut_or_garbled_is_damage_and_octets_after_its_end_are_not() {
    let whole = zip(&literal(b'u', b"some text, some text, some text"));
    let body = &whole[6..];
    for length in 0..body.len() - 1 {
        let cut = packet(8, &body[..length]);
        assert_eq!(open(&encrypt(&cut, true)), Err(OpenError::WrongKeyOrCorrupt), "{length}");
    }
    let padded = packet(8, &[body, &[0]].concat());
    assert_eq!(open(&encrypt(&padded, true)).unwrap().len(), 31);
    let unknown = packet(8, &[&[9], &body[1..]].concat());
    assert_eq!(open(&encrypt(&unknown, true)), Err(OpenError::WrongKeyOrCorrupt));
}

#[test]
fn what_is_intact_but_not_text_says_so() {
    for data in [&b"\xff\xd8\xff\xe0"[..], b"a\0b", b"\xed\xa0\x80"] {
        assert_eq!(open(&encrypt(&literal(b'b', data), true)), Err(OpenError::NotText));
        assert_eq!(open(&encrypt(&literal(b'b', data), false)), Err(OpenError::WrongKeyOrCorrupt));
    }
}

#[test]
fn markers_inside_are_passed_over_and_nothing_may_follow_the_text() {
    let text = literal(b'u', b"text");
    let marker = packet(10, b"PGP");
    for packets in [
        [&marker[..], &text].concat(),
        [&marker[..], &marker, &zip(&text)].concat(),
        zip(&[&marker[..], &text].concat()),
    ] {
        assert_eq!(open(&encrypt(&packets, true)).as_deref(), Ok("text"));
    }
    for packets in [
        marker.clone(),
        [&text[..], &text].concat(),
        [&text[..], &marker].concat(),
        [&text[..], &[0]].concat(),
        [&zip(&text)[..], &text].concat(),
        zip(&[&text[..], &marker].concat()),
    ] {
        let opened = open(&encrypt(&packets, true));
        assert_eq!(opened, Err(OpenError::WrongKeyOrCorrupt));
    }
}

#[test]
fn data_that_is_too_short_for_its_prefix_and_digest_is_damage() {
    let (session_key, _) = Outer::current().encrypt(&[]);
    for length in 0..80 {
        for data in [packet(18, &[1; 80][..length]), packet(18, &[0; 80][..length]), packet(9, &[1; 80][..length])] {
            let message = [&session_key[..], &data].concat();
            assert_eq!(open(&message), Err(OpenError::WrongKeyOrCorrupt));
        }
    }
}

#[test]
fn a_session_key_of_no_ciphers_length_is_damage() {
    let (session_key, data) = Outer::current().encrypt(&literal(b'u', b"text"));
    for length in 1..80 {
        let session_key = packet(3, &[&session_key[6..], &[7; 80][..length]].concat());
        let message = [&session_key[..], &data].concat();
        assert_eq!(open(&message), Err(OpenError::WrongKeyOrCorrupt));
    }
}

#[test]
fn an_error_says_what_it_is_and_an_opened_text_is_not_shown() {
    let errors = [
        OpenError::WrongKeyOrCorrupt.to_string(),
        OpenError::TooLarge.to_string(),
        OpenError::TooDeep.to_string(),
        OpenError::TooCostly.to_string(),
        OpenError::NotText.to_string(),
        OpenError::OutOfMemory.to_string(),
        OpenError::Stopped.to_string(),
        SealError::TooLarge.to_string(),
    ];
    let different: std::collections::BTreeSet<_> = errors.iter().collect();
    assert_eq!(different.len(), errors.len());
    assert!(errors.iter().all(|error| !error.is_empty()));
    assert_eq!(SealError::OutOfMemory.to_string(), OpenError::OutOfMemory.to_string());
    let message = Sealer::new(SECRET).seal("Maria").unwrap();
    let mut opener = Opener::new(SECRET);
    let opened = opener.open(&message, &mut || true).unwrap();
    assert_eq!(format!("{opened:?}"), "Plaintext(5 octets)");
}

#[test]
fn session_key_packets_are_tried_in_turn_but_not_without_end() {
    let message = encrypt(&literal(b'u', b"text"), true);
    let other = packet(3, &[&[4, 9, 3, 8][..], &[1; 8], &[0x60]].concat());
    let behind = |others: usize| [other.repeat(others), message.clone()].concat();
    assert_eq!(open(&behind(3)).as_deref(), Ok("text"));
    assert_eq!(open(&behind(4)), Err(OpenError::WrongKeyOrCorrupt));
    let marker = packet(10, b"PGP");
    assert_eq!(open(&[marker.clone(), message.clone()].concat()).as_deref(), Ok("text"));
    assert_eq!(open(&[marker.repeat(1000), message].concat()), Err(OpenError::WrongKeyOrCorrupt));
}

#[test]
fn a_message_longer_than_any_plaintext_needs_is_refused_unread() {
    for (length, expected) in [(MAX_MESSAGE, OpenError::WrongKeyOrCorrupt), (MAX_MESSAGE + 1, OpenError::TooLarge)] {
        assert_eq!(open(&vec![0xC3; length]), Err(expected), "{length}");
    }
    assert_eq!(describe(&[]), Err(OpenError::WrongKeyOrCorrupt));
}

#[test]
fn partial_lengths_of_one_octet_are_joined_at_every_level() {
    let inner = in_crumbs(11, b"t\0\0\0\0\0crumbs");
    let compressed = in_crumbs(8, &zip(&inner)[6..]);
    let message = encrypt(&compressed, true);
    let data = message[6 + 12 + 6..].to_vec();
    let message = [&message[..18], &in_crumbs(18, &data)].concat();
    assert_eq!(open(&message).as_deref(), Ok("crumbs"));
}

/// A passphrase packet whose derivation takes so much: AES-256, iterated SHA-256, salt of its own.
fn passphrase_packet(salt: u8, count: u8) -> Vec<u8> {
    packet(3, &[&[4, 9, 3, 8][..], &[salt; 8], &[count]].concat())
}

#[test]
fn all_derivations_of_one_message_together_cost_no_more_than_the_largest_that_it_can_name() {
    let message = encrypt(&literal(b'u', b"text"), true);
    let behind = |packets: &[Vec<u8>]| [packets.concat(), message.clone()].concat();
    // 0xFE is 62,914,560 octets, 0xFF 65,011,712; the last one, simply salted, takes 44.
    assert_eq!(open(&behind(&[passphrase_packet(1, 0xFE)])).as_deref(), Ok("text"));
    for packets in [
        vec![passphrase_packet(1, 0xFF)],
        vec![passphrase_packet(1, 0xFE), passphrase_packet(2, 0xFE)],
        vec![passphrase_packet(1, 0xF0); 3],
    ] {
        assert_eq!(open(&behind(&packets)), Err(OpenError::TooCostly));
    }
}

#[test]
fn the_limit_does_not_depend_on_what_was_derived_before() {
    let message = encrypt(&literal(b'u', b"text"), true);
    let costly = [passphrase_packet(1, 0xFF), message.clone()].concat();
    let mut opener = Opener::new(SECRET);
    for _ in 0..2 {
        let refused = opener.open(&costly, &mut || true).err();
        assert_eq!(refused, Some(OpenError::TooCostly));
    }
    assert_eq!(opener.open(&message, &mut || true).as_deref().ok(), Some("text"));
}

#[test]
fn every_mebibyte_of_hashing_and_deciphering_asks_whether_to_go_on() {
    let costly = [passphrase_packet(1, 0xFE), encrypt(&literal(b'u', b"text"), true)].concat();
    let mut asked = 0;
    let mut opener = Opener::new(SECRET);
    let mut count = || {
        asked += 1;
        true
    };
    opener.open(&costly, &mut count).unwrap();
    assert!((59..=64).contains(&asked), "{asked}");

    let large = literal(b'u', &vec![b'0'; MAX_PLAINTEXT]);
    let zeros = zip(&large);
    // Inflated in one piece, the output doubles from one look at it to the next.
    let in_pieces = in_crumbs(8, &zeros[6..]);
    for (content, expected) in [(&zeros, 4..=8), (&in_pieces, 14..=17), (&large, 32..=34)] {
        let message = encrypt(content, true);
        let mut asked = 0;
        let mut count = || {
            asked += 1;
            true
        };
        opener.open(&message, &mut count).unwrap();
        assert!(expected.contains(&asked), "{asked}, not {expected:?}");
    }
}

#[test]
fn a_message_is_left_where_the_caller_stops_or_unwinds_and_the_opener_goes_on() {
    let text = "Maria ".repeat(1 << 20);
    let message = Sealer::new(SECRET).seal(&text).unwrap();
    let mut opener = Opener::new(SECRET);
    for stop_at in [1, 3, 7] {
        let mut asked = 0;
        let mut stop = || {
            asked += 1;
            asked < stop_at
        };
        let stopped = opener.open(&message, &mut stop).err();
        assert_eq!((stopped, asked), (Some(OpenError::Stopped), stop_at));
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut cancel = || -> bool { std::panic::resume_unwind(Box::new(())) };
            let _ = opener.open(&message, &mut cancel);
        }));
        assert!(unwound.is_err());
        assert!(*opener.open(&message, &mut || true).unwrap() == *text);
    }
}

#[test]
fn the_count_that_is_written_is_the_least_and_a_higher_one_is_no_reason_to_write_anew() {
    let message = Sealer::new(SECRET).seal("Maria").unwrap();
    assert_eq!(message[..6], [0xC3, 13, 4, 9, 3, 8]);
    assert_eq!(message[14], 0);
    let mut stretched = message.clone();
    stretched[14] = 0x60;
    assert!(describe(&message).unwrap().current_form);
    assert!(describe(&stretched).unwrap().current_form);
}
