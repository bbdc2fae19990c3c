//! Any octets, taken for a message: framing, session key packets, S2K, decryption, check.

#![no_main]

use auria_openpgp::{Opener, describe};
use libfuzzer_sys::{Corpus, fuzz_target};

const SECRET: &[u8] = b"a secret of more than sixteen octets";

fuzz_target!(|message: &[u8]| -> Corpus {
    // Counts up to sixty million octets are honoured, and would leave no time for the rest.
    let costly = |packet: &[u8]| matches!(packet, [4, 2..=9, 3, 1..=11, .., 0x11..=255]);
    if message.windows(13).any(costly) {
        return Corpus::Reject;
    }
    let _ = describe(message);
    if let Ok(text) = Opener::new(SECRET).open(message, &mut || true) {
        assert!(text.len() <= auria_openpgp::MAX_PLAINTEXT && !text.contains('\0'));
    }
    Corpus::Keep
});
