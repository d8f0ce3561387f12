//! What any bytes from a client amount to: the kept seeds of the fuzz target, and made-up requests in any cut.
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

#[path = "../../../fuzz/src/requests.rs"]
mod requests;

use proptest::collection::vec;
use proptest::prelude::*;
use std::path::Path;

#[test]
fn request_seeds_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/request");
    let mut seeds = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let mut seed = std::fs::read(&path).unwrap();
        // The name shows when a check panics.
        println!("{}", path.display());
        for part in 1..=8 {
            requests::request(&seed[..seed.len() * part / 8]);
        }
        for cut in 1..=64 {
            seed[0] = cut;
            requests::request(&seed);
        }
        seeds += 1;
    }
    assert!(seeds >= 20, "{seeds} seeds only");
}

/// Requests, most of them nearly right.
fn made_up() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: [&str; 16] = [
        "POST / HTTP/1.1\r\n",
        "GET /x HTTP/1.0\r\n",
        "content-length: 3\r\n",
        "content-length: 14\r\n",
        "Content-Length: 3, 3\r\n",
        "transfer-encoding: chunked\r\n",
        "transfer-encoding: gzip\r\n",
        "connection: close\r\n",
        "connection: keep-alive\r\n",
        "expect: 100-continue\r\n",
        "a: b\r\n",
        "\r\n",
        "3\r\nabc\r\n",
        "0\r\n\r\n",
        "abc",
        "\n",
    ];
    (any::<u8>(), vec(proptest::sample::select(&PIECES[..]), 0..=14))
        .prop_map(|(cut, pieces)| [&[cut], pieces.concat().as_bytes()].concat())
}

proptest! {
    #[test]
    fn any_cut_of_the_same_bytes_gives_the_same_requests(bytes in made_up()) {
        requests::request(&bytes);
    }
}
