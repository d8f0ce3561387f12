use super::*;
use sha2::{Digest as _, Sha256};
use std::hint::black_box;
use std::time::Instant;

fn hash_of(number: u64) -> [u8; 32] {
    Sha256::digest(format!("sk-sg-{number}")).into()
}

/// Fills a data directory with so many keys, of which every tenth has terms of its own.
fn filled(dir: &Path, keys: u64) {
    let store = KeyStore::open(dir).unwrap();
    for first in (0..keys).step_by(50_000) {
        let numbers: Vec<u64> = (first..keys.min(first + 50_000)).collect();
        let names: Vec<String> = numbers.iter().map(|number| format!("customer-{number:07}")).collect();
        let terms: Vec<String> = numbers
            .iter()
            .map(|number| match number % 10 {
                0 => format!(r#"{{"owner":"Customer {number}","limits":{{"rpm":60}},"models":["fast"]}}"#),
                few => format!(r#"{{"limits":{{"rpm":{}}},"models":["fast","smart"]}}"#, 60 * few),
            })
            .collect();
        let new: Vec<NewKey<'_>> = names
            .iter()
            .zip(&terms)
            .zip(&numbers)
            .map(|((name, terms), number)| NewKey {
                name,
                hash: hash_of(*number),
                terms,
                metadata: "{}",
                expires_ms: None,
            })
            .collect();
        store.create(&new, 1).unwrap();
    }
}

fn found(keys: &Keys, number: u64) -> bool {
    matches!(keys.table().look(&hash_of(number), || 0, 1), Look::Asleep(_))
}

/// Nanoseconds for one look-up of a key that there is, of many that are drawn at random.
fn looking_up(keys: &Keys, of: u64) -> f64 {
    let mut random = fastrand::Rng::with_seed(7);
    let hashes: Vec<[u8; 32]> = (0..200_000).map(|_| hash_of(random.u64(..of))).collect();
    let began = Instant::now();
    for hash in &hashes {
        assert!(matches!(black_box(keys.table().look(hash, || 0, 1)), Look::Asleep(_)));
    }
    began.elapsed().as_secs_f64() * 1e9 / hashes.len() as f64
}

/// Bytes of memory of this process.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[test]
fn every_key_of_many_is_found_after_a_start_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 5000);
    let keys = Keys::open(dir.path()).unwrap();
    assert!((0..5000).all(|number| found(&keys, number)));
    assert!((5000..6000).all(|number| !found(&keys, number)));
}

#[test]
#[ignore = "makes a million keys, which takes a minute; its numbers are in docs/results"]
fn a_million_idle_keys_are_there_within_three_seconds_and_400_megabytes() {
    const KEYS: u64 = 1_000_000;
    let (few, many) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    filled(few.path(), 100);
    filled(many.path(), KEYS);
    let few = Keys::open(few.path()).unwrap();
    let before = resident();
    let began = Instant::now();
    let keys = Keys::open(many.path()).unwrap();
    let (took, after) = (began.elapsed(), resident());
    let (one, all) = (looking_up(&few, 100), looking_up(&keys, KEYS));
    eprintln!(
        "{KEYS} keys: opened in {:.2} s, {} MB more than {} MB; a look-up takes {one:.0} ns of 100 keys, {all:.0} ns of all",
        took.as_secs_f64(),
        (after - before) / 1_000_000,
        before / 1_000_000,
    );
    assert!(took < Duration::from_secs(3) && after < 400_000_000, "{took:?} {after}");
}
