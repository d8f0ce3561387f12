//! What any bytes from a provider amount to: the kept seeds of the fuzz target, and made-up answers in any cut.
//!
//! Whatever a fuzzer ever finds is kept as a seed and so stays fixed. The seeds and the check live in `fuzz/`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "checks fail by panicking, and the fuzz crate shares them as a library"
)]

#[path = "../../../fuzz/src/answers.rs"]
mod answers;

use proptest::collection::vec;
use proptest::prelude::*;
use std::path::Path;

#[test]
fn answer_seeds_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/answer");
    let mut seeds = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let mut seed = std::fs::read(&path).unwrap();
        // The name shows when a check panics.
        println!("{}", path.display());
        for part in 1..=8 {
            answers::answer(&seed[..seed.len() * part / 8]);
        }
        for cut in 1..=64 {
            seed[1] = cut;
            answers::answer(&seed);
        }
        seeds += 1;
    }
    assert!(seeds >= 10, "{seeds} seeds only");
}

fn some_of(pieces: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(proptest::sample::select(pieces), 0..=most).prop_map(|pieces| pieces.concat().into_bytes())
}

/// Answers, most of them nearly right.
fn made_up() -> impl Strategy<Value = Vec<u8>> {
    const FIRST: [&str; 6] = [
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 200 OK\r\n",
        "HTTP/1.1 204 No Content\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
        "HTTP/1.1 103 Early Hints\r\na: b\r\n\r\n\r\nHTTP/1.1 200\r\n",
        "HTTP/1.1 200 OK\n",
    ];
    const FIELDS: [&str; 7] = [
        "content-length: 3\r\n",
        "content-length: 14\r\n",
        "content-length: 3, 3\r\n",
        "transfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\n",
        "connection: close\r\n",
        "a: b\n",
    ];
    const BODY: [&str; 9] = [
        "3\r\nabc\r\n",
        "03;x=y\r\nabc\r\n",
        "B\r\n0123456789a\r\n",
        "0\r\n\r\n",
        "0\r\n",
        "a: b\r\n",
        "\r\n",
        "abc",
        "HTTP/1.1 200 OK\r\n",
    ];
    let noise = proptest::option::weighted(0.3, (any::<proptest::sample::Index>(), any::<u8>()));
    let parts = (proptest::sample::select(&FIRST), some_of(&FIELDS, 2), some_of(&BODY, 5), noise);
    parts.prop_map(|(first, fields, body, noise)| {
        let mut bytes = [first.as_bytes(), &fields, b"\r\n", &body].concat();
        if let Some((place, byte)) = noise {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes
    })
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_answer(to_head in proptest::bool::weighted(0.1), cut in 1..40_u8, bytes in made_up()) {
        answers::answer(&[&[u8::from(to_head), cut], &bytes[..]].concat());
    }

    #[test]
    fn any_cut_of_any_bytes_gives_the_same_answer(cut in 1..40_u8, bytes in vec(any::<u8>(), 0..200)) {
        answers::answer(&[&[0, cut], &bytes[..]].concat());
    }
}
