//! Calls for tests.

use sluicegate_ledger::{Class, Line, Multiplier, PriceVersion};
use sluicegate_store::{Charged, Ended, Intent, JournalOptions, Keep, Options, Owner, Store};
use sluicegate_vocabulary::{EndReason, Money, Usage, UsageSource};
use smallvec::smallvec;
use std::path::Path;
use std::time::Duration;

/// Saturday, 2026-11-21, at noon in UTC.
pub const NOON: i64 = 1_795_262_400_000;

pub const OWNER: Owner<'static> = Owner { tenant: "t", key: "k", account: "a", model: "fast", label: "" };

pub fn options() -> Options {
    Options {
        journal: JournalOptions { file_bytes: 64 << 10, ..JournalOptions::default() },
        feed_every: Duration::from_millis(10),
        // The calls of these tests are of one day, however long ago that may be.
        keep: Keep { days: u32::MAX, ..Keep::default() },
        ..Options::default()
    }
}

pub fn open(dir: &Path) -> Store {
    Store::open(dir, options()).unwrap().0
}

pub fn intent(call: u64, owner: Owner<'_>, nanos: i64) -> Intent<'_> {
    let money = Money::from_nanos(nanos);
    Intent {
        call,
        attempt: 0,
        at_ms: NOON,
        owner,
        request_id: "req",
        provider: "openai",
        upstream: "gpt",
        held: money + money,
        expected: money,
        price: PriceVersion(7),
        repeat: None,
    }
}

/// A call that ended, and was charged so many nano-dollars, of which the provider is owed half.
pub fn ended(call: u64, owner: Owner<'_>, nanos: i64) -> Ended<'_> {
    let charge = Charged {
        attempt: 0,
        provider: "openai",
        upstream: "gpt",
        usage: Usage { input: 100, cache_read: 20, output: 10, source: UsageSource::Reported, ..Usage::default() },
        cost: Some(Money::from_nanos(nanos / 2)),
        billed: Money::from_nanos(nanos),
        price: PriceVersion(7),
        multiplier: Multiplier::from_millionths(2_000_000),
        lines: vec![Line { class: Class::Input, quantity: 100, unit: 5 }].into(),
    };
    Ended {
        call,
        at_ms: NOON,
        owner,
        request_id: "req",
        end: EndReason::Done,
        status: 200,
        stream: false,
        cache_hit: false,
        attempts: 1,
        queued_us: 1,
        first_us: 2,
        total_us: 3,
        charges: smallvec![charge],
        saved: Money::ZERO,
        repeat: None,
    }
}
