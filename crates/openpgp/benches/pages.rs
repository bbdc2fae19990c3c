//! What a page of patients costs to open, by how many salts its values have and whether they were
//! opened before: `cargo bench -p auria_openpgp --bench pages`. The fastest of 9 rounds.
//!
//! All values of an owner have one salt. Up to 0.3.1 each connection that wrote drew its own, so a page
//! that was written over years has as many salts as values.

#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use auria_openpgp::{NameKey, Opener, Sealer};

const SECRET: &[u8] = b"a secret of 64 hexadecimal digits, as Vault's examples store it.";
const OWNER: [u8; 16] = [7; 16];
const ROUNDS: usize = 9;

fn main() {
    for (rows, columns) in [(2000, 1), (1000, 5)] {
        for (salts, each) in [(1, "one salt"), (rows, "a salt for each row"), (rows * columns, "a salt for each value")]
        {
            if columns == 1 && each == "a salt for each value" {
                continue;
            }
            let page = page(rows * columns, salts);
            let cold = fastest(|| {
                let mut opener = Opener::new(SECRET);
                timed(|| open(&mut opener, &page))
            });
            let mut opener = Opener::new(SECRET);
            let warm = fastest(|| timed(|| open(&mut opener, &page)));
            println!(
                "{rows} x {columns} values, {each:<22} first time {:>6.2} ms   again {:>6.2} ms",
                milliseconds(cold),
                milliseconds(warm)
            );
        }
    }
    let key = NameKey::new(SECRET);
    let digests = fastest(|| {
        timed(|| {
            for _ in 0..1000 {
                black_box(key.digest(&OWNER, black_box("Maria da Conceicao S")));
            }
        })
    });
    println!("a digest of a name {:>6.2} µs", milliseconds(digests));
}

fn page(values: usize, salts: usize) -> Vec<Vec<u8>> {
    let each = values / salts;
    let mut sealer = Sealer::new(SECRET);
    // An owner for each salt.
    let owners = (0..salts as u128).flat_map(|owner| std::iter::repeat_n(owner.to_be_bytes(), each));
    owners.map(|owner| sealer.seal_for("Maria da Conceicao S", &owner)).collect::<Result<_, _>>().unwrap()
}

fn open(opener: &mut Opener, page: &[Vec<u8>]) {
    for message in page {
        let opened = opener.open(message, &mut || true).unwrap();
        assert!(black_box(opened.owner()).is_some());
    }
}

fn fastest(mut round: impl FnMut() -> Duration) -> Duration {
    (0..ROUNDS).map(|_| round()).min().unwrap_or_default()
}

fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
