//! What books cost for each call: writing both records, and feeding them into the database.
//!
//! `cargo bench -p sluicegate-store --bench feed`. Writing is what a worker does; feeding is done by another thread, two
//! seconds' worth of calls at a time, so it is measured for batches of 100 calls (a relay with fifty calls a second) and of
//! 10,000. Half of the calls are of one key, the others of fifty keys in turn.

use divan::Bencher;
use sluicegate_ledger::{Class, Line, Multiplier, PriceVersion};
use sluicegate_store::{Charged, Ended, Intent, JournalOptions, Options, Owner, Store};
use sluicegate_vocabulary::{EndReason, Money, Usage, UsageSource};
use smallvec::smallvec;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

const NOON: i64 = 1_795_262_400_000;

struct Books {
    store: Store,
    keys: Vec<String>,
    _dir: tempfile::TempDir,
}

impl Books {
    #[expect(clippy::unwrap_used, reason = "a benchmark may panic")]
    fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Fed when asked, and synced as seldom as may be: the disk is not what is measured.
        let journal = JournalOptions { sync_every: Duration::from_secs(60), ..JournalOptions::default() };
        let options = Options { journal, feed_every: Duration::from_secs(3600), ..Options::default() };
        let store = Store::open(dir.path(), options).unwrap().0;
        Self { store, keys: (0..50).map(|number| format!("key-{number}")).collect(), _dir: dir }
    }

    /// Writes a call as a worker does.
    fn call(&self, number: usize) {
        let journal = self.store.journal();
        let call = journal.call();
        let key = self.keys.get(if number.is_multiple_of(2) { 0 } else { number % 50 }).map_or("", String::as_str);
        let owner = Owner { tenant: "team", key, account: "", model: "fast", label: "" };
        let id = format!("req_{call:032x}");
        let money = Money::from_nanos(1_234_000);
        let intent = Intent {
            call,
            attempt: 0,
            at_ms: NOON,
            owner,
            request_id: &id,
            provider: "openai",
            upstream: "gpt-4.1-mini",
            held: Money::ZERO,
            expected: money,
            price: PriceVersion(7_001_002_003),
            repeat: None,
        };
        let _ = journal.intent(&intent);
        let charge = Charged {
            attempt: 0,
            provider: "openai",
            upstream: "gpt-4.1-mini",
            usage: Usage { input: 812, output: 190, source: UsageSource::Reported, ..Usage::default() },
            cost: Some(money),
            billed: money,
            price: PriceVersion(7_001_002_003),
            multiplier: Multiplier::ONE,
            lines: vec![
                Line { class: Class::Input, quantity: 812, unit: 400_000 },
                Line { class: Class::Output, quantity: 190, unit: 1_600_000 },
            ]
            .into(),
        };
        let ended = Ended {
            call,
            at_ms: NOON,
            owner,
            request_id: &id,
            end: EndReason::Done,
            status: 200,
            stream: false,
            cache_hit: false,
            attempts: 1,
            queued_us: 0,
            first_us: 21_000,
            total_us: 22_000,
            charges: smallvec![charge],
            saved: Money::ZERO,
            repeat: None,
        };
        journal.ended(&ended, true);
    }

    fn catch_up(&self) {
        let _ = self.store.catch_up(Duration::from_secs(60));
    }
}

/// Both records of a call.
#[divan::bench]
fn write(bencher: Bencher<'_, '_>) {
    let books = Books::open();
    let mut number = 0;
    bencher.bench_local(|| {
        number += 1;
        books.call(number);
    });
}

/// Writing so many calls and having them in the database.
#[divan::bench(args = [100, 10_000], sample_count = 20, sample_size = 1)]
fn write_and_feed(bencher: Bencher<'_, '_>, calls: usize) {
    let books = Books::open();
    bencher.counter(divan::counter::ItemsCount::new(calls)).bench_local(|| {
        (0..calls).for_each(|number| books.call(number));
        books.catch_up();
    });
}
