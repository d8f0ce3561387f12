//! The kept seeds of the fuzz targets, run through the same checks as in the fuzzer.
//!
//! Whatever a fuzzer ever finds is kept as a seed and so stays fixed. The seeds and the checks live in `fuzz/`.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "checks fail by panicking, and the fuzz crate shares them as a library"
)]

#[path = "../../../fuzz/src/checks.rs"]
mod checks;

use std::path::Path;

/// Runs each seed of a target, whole and cut short at a few places.
fn run(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut seeds = 0;
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        let seed = std::fs::read(&path).expect("a readable seed");
        // The name shows when a check panics.
        println!("{}", path.display());
        check(&seed);
        for part in 1..8 {
            check(&seed[..seed.len() * part / 8]);
        }
        seeds += 1;
    }
    assert!(seeds >= 3, "{target} has {seeds} seeds only");
}

#[test]
fn peek_seeds_hold() {
    run("peek", checks::peek);
}

#[test]
fn fingerprint_seeds_hold() {
    run("fingerprint", checks::fingerprint);
}

#[test]
fn sse_seeds_hold() {
    run("sse", checks::sse);
}

#[test]
fn tap_seeds_hold() {
    run("tap", checks::tap);
}

#[test]
fn error_seeds_hold() {
    run("error", checks::error);
}

#[test]
fn translate_request_seeds_hold() {
    run("translate_request", checks::translate_request);
}

#[test]
fn translate_response_seeds_hold() {
    run("translate_response", checks::translate_response);
}

#[test]
fn translate_stream_seeds_hold() {
    run("translate_stream", checks::translate_stream);
}
