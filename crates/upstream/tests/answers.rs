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

/// Pieces that answers are made of, good and bad.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    const KNOWN: [&str; 16] = [
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 200 OK\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n",
        "content-length: 3\r\n",
        "content-length: 4\r\n",
        "transfer-encoding: chunked\r\n",
        "connection: close\r\n",
        "a: b\r\n",
        "\r\n",
        "\n",
        "\r",
        "3\r\nabc\r\n",
        "0\r\n",
        "abc",
        ";x=y",
    ];
    prop_oneof![
        8 => proptest::sample::select(&KNOWN).prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..6),
    ]
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_answer(to_head: u8, cut in 1..40_u8, fragments in vec(fragment(), 0..12)) {
        let begin: &[u8] = if to_head & 2 == 2 { b"HTTP/1.1 200 OK\r\n" } else { b"" };
        answers::answer(&[&[to_head, cut], begin, &fragments.concat()].concat());
    }
}
