//! The inputs that fuzzing found to take a path of their own, each read once more.
//!
//! `corpus/open` holds whole messages, `corpus/inside` the packets in an intact one (the first octet says whether with an
//! MDC): a length of two octets, then the input.

#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use auria_openpgp::{MAX_PLAINTEXT, Opener, describe};
use common::{SECRET, encrypt};

fn inputs(mut corpus: &[u8]) -> Vec<&[u8]> {
    let mut inputs = Vec::new();
    while let Some((length, rest)) = corpus.split_first_chunk::<2>() {
        let (input, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)));
        inputs.push(input);
        corpus = rest;
    }
    inputs
}

/// Reads a message, and says whether it was opened.
fn read(message: &[u8]) -> bool {
    let start = Instant::now();
    let opened = Opener::new(SECRET).open(message, &mut || true).is_ok_and(|text| {
        assert!(text.len() <= MAX_PLAINTEXT && !text.contains('\0'));
        true
    });
    assert!(start.elapsed() < Duration::from_secs(20));
    opened
}

#[test]
fn every_message_that_fuzzing_found_is_read_or_refused() {
    let inputs = inputs(include_bytes!("corpus/open"));
    let opened = inputs
        .iter()
        .inspect(|input| {
            let _ = describe(input);
        })
        .filter(|input| read(input))
        .count();
    assert!(inputs.len() > 100 && opened > 10, "{opened} of {}", inputs.len());
}

#[test]
fn every_content_that_fuzzing_found_is_read_or_refused() {
    let inputs = inputs(include_bytes!("corpus/inside"));
    let opened = inputs
        .iter()
        .filter_map(|input| input.split_first())
        .filter(|(protected, packets)| read(&encrypt(packets, **protected & 1 == 1)))
        .count();
    assert!(inputs.len() > 100 && opened > 10, "{opened} of {}", inputs.len());
}
