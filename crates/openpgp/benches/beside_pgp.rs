//! What this crate writes by hand beside what the `pgp` crate offers for it: `cargo bench -p auria_openpgp`.
//! The fastest of 9 rounds of each, the two in turn.

#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use auria_openpgp::{Opener, Sealer};
use pgp::{
    composed::{Message, MessageBuilder},
    crypto::{hash::HashAlgorithm, sym::SymmetricKeyAlgorithm},
    types::{Password, StringToKey},
};

const SECRET: &[u8] = b"a secret of thirty-two octets...";
const TEXT: &str = "Maria da Conceicao S";
const ROUNDS: usize = 9;

fn main() {
    let mut sealer = Sealer::new(SECRET);
    let password = Password::from(SECRET);
    let s2k = || StringToKey::new_iterated(rand::thread_rng(), HashAlgorithm::Sha256, 0x60);
    let reference = || {
        let mut builder =
            MessageBuilder::from_bytes("", TEXT).seipd_v1(rand::thread_rng(), SymmetricKeyAlgorithm::AES256);
        builder.encrypt_with_password(s2k(), &password).unwrap();
        builder.to_vec(rand::thread_rng()).unwrap()
    };
    let read_by_pgp = |message: &[u8]| {
        let mut message = Message::from_bytes(message).unwrap().decrypt_with_password(&password).unwrap();
        message.as_data_vec().unwrap()
    };

    compare("write a value of 20 characters", 1000, || sealer.seal(TEXT).unwrap(), reference);
    let own = sealer.seal(TEXT).unwrap();
    let mut opener = Opener::new(SECRET);
    compare(
        "read it, as one of many with the same salt",
        1000,
        || opener.open(&own, &mut || true).unwrap().len(),
        || read_by_pgp(&own),
    );
    let foreign = reference();
    compare(
        "read a value whose salt is new (65,536 octets of SHA-256)",
        100,
        || Opener::new(SECRET).open(&foreign, &mut || true).unwrap().len(),
        || read_by_pgp(&foreign),
    );
}

/// Prints what one call of each costs.
fn compare<A, B>(what: &str, calls: u32, mut here: impl FnMut() -> A, mut pgp: impl FnMut() -> B) {
    let mut fastest = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        fastest[0] = fastest[0].min(timed(calls, &mut here));
        fastest[1] = fastest[1].min(timed(calls, &mut pgp));
    }
    let [here, pgp] = fastest.map(|time| time.as_secs_f64() * 1e6);
    println!("{what:<60} here {here:>8.2} µs   pgp {pgp:>8.2} µs   {:>6.1}x", pgp / here);
}

fn timed<T>(calls: u32, work: &mut impl FnMut() -> T) -> Duration {
    let started = Instant::now();
    for _ in 0..calls {
        black_box(work());
    }
    started.elapsed() / calls
}
