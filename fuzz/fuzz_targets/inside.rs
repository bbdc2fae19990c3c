//! Any octets as the packets inside an intact message: literal, compressed, nested, and whatever
//! else a writer who knows the secret might put there.

#![no_main]

use std::cell::RefCell;

use auria_openpgp::Opener;
use libfuzzer_sys::fuzz_target;
use pgp::{
    crypto::{hash::HashAlgorithm, sym::SymmetricKeyAlgorithm},
    types::StringToKey,
};
use rand::{SeedableRng, rngs::StdRng};

const SECRET: &[u8] = b"a secret of more than sixteen octets";
const CIPHER: SymmetricKeyAlgorithm = SymmetricKeyAlgorithm::AES128;
const SALT: [u8; 8] = [5; 8];

thread_local! {
    static OPENER: RefCell<Opener> = RefCell::new(Opener::new(SECRET));
    static KEY: Vec<u8> = StringToKey::Salted { hash_alg: HashAlgorithm::Sha1, salt: SALT }
        .derive_key(SECRET, 16)
        .expect("SHA-1 is known")
        .as_ref()
        .to_vec();
}

fuzz_target!(|input: (bool, &[u8])| {
    let (protected, packets) = input;
    let message = KEY.with(|key| message(key, packets, protected));
    OPENER.with_borrow_mut(|opener| {
        if let Ok(text) = opener.open(&message, &mut || true) {
            assert!(text.len() <= auria_openpgp::MAX_PLAINTEXT && !text.contains('\0'));
        }
    });
});

fn message(key: &[u8], packets: &[u8], protected: bool) -> Vec<u8> {
    let rng = StdRng::seed_from_u64(1);
    let mut message = vec![0xC3, 12, 4, 7, 1, 2];
    message.extend_from_slice(&SALT);
    let data = if protected {
        let sealed = CIPHER.encrypt_protected(rng, key, packets);
        [&[1], &sealed.expect("the key fits")[..]].concat()
    } else {
        CIPHER.encrypt(rng, key, packets).expect("the key fits")
    };
    message.extend_from_slice(&[0xC0 | if protected { 18 } else { 9 }, 255]);
    message.extend_from_slice(&(data.len() as u32).to_be_bytes());
    message.extend_from_slice(&data);
    message
}
