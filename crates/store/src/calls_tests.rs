use super::*;
use crate::feed::Feeder;
use crate::record::{Charged, Owner};
use sluicegate_ledger::{Class, Line, Multiplier, PriceVersion};
use sluicegate_vocabulary::{EndReason, Usage, UsageSource};
use smallvec::smallvec;
use std::time::{Duration, Instant};

/// A day long ago enough that all of these are over.
const FIRST: i64 = 20_717;
const DAY_MS: i64 = 86_400_000;
/// Calls that are fed at once: what comes in two seconds.
const BATCH: usize = 10_000;

/// Names by which calls are told apart.
struct Names {
    keys: Vec<String>,
    tenants: Vec<String>,
}

impl Names {
    fn new() -> Self {
        let names = |what: &str, count: usize| (0..count).map(|number| format!("{what}-{number:05}")).collect();
        Self { keys: names("key", 1000), tenants: names("tenant", 20) }
    }

    /// Whose a call is: every other one of a busy key, the rest of a thousand keys in turn, but one in 20,000 of a key that
    /// seldom calls.
    fn owner(&self, call: usize) -> Owner<'_> {
        let number = if call.is_multiple_of(2) { 0 } else { call / 2 % 1000 };
        Owner {
            tenant: &self.tenants[number % 20],
            key: if call % 20_000 == 7 { "seldom" } else { &self.keys[number] },
            account: "",
            model: ["small", "large", "long", "embed"][number % 4],
            label: "",
        }
    }
}

/// The status of a call: one in a thousand was over a limit, one in a hundred thousand broke, one in two million was odd.
const fn status_of(call: usize) -> u16 {
    match call {
        call if call % 2_000_000 == 1_999_999 => 418,
        call if call % 100_000 == 3 => 502,
        call if call % 1000 == 1 => 429,
        _ => 200,
    }
}

fn id_of(call: usize) -> String {
    format!("req_{:032x}", (call as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

/// As many calls as that on as many days, fed as a relay feeds them.
fn filled(dir: &Path, days: usize, calls: usize) {
    let mut feeder = Feeder::open(dir, Duration::from_secs(5)).unwrap();
    let names = Names::new();
    let charge = Charged {
        attempt: 0,
        provider: "openai",
        upstream: "gpt-4.1-mini",
        usage: Usage { input: 812, output: 190, source: UsageSource::Reported, ..Usage::default() },
        cost: Some(Money::from_nanos(628_800)),
        billed: Money::from_nanos(628_800),
        price: PriceVersion(7_001_002_003),
        multiplier: Multiplier::ONE,
        lines: smallvec![
            Line { class: Class::Input, quantity: 812, unit: 400_000 },
            Line { class: Class::Output, quantity: 190, unit: 1_600_000 },
        ],
    };
    for begin in (0..calls).step_by(BATCH) {
        let mut records = Vec::new();
        for call in begin..calls.min(begin + BATCH) {
            let ended = Ended {
                call: call as u64 + 1,
                at_ms: FIRST * DAY_MS
                    + (call * days / calls) as i64 * DAY_MS
                    + (call * days % calls * 86_400_000 / calls) as i64,
                owner: names.owner(call),
                request_id: &id_of(call),
                end: EndReason::Done,
                status: status_of(call),
                stream: false,
                cache_hit: false,
                attempts: 1,
                queued_us: 0,
                first_us: 21_000,
                total_us: 22_000,
                charges: smallvec![charge.clone()],
                saved: Money::ZERO,
                repeat: None,
            };
            let mut record = Vec::with_capacity(320);
            ended.write(&mut record);
            records.push(record);
        }
        let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        assert_eq!(feeder.feed(&records).unwrap(), records.len());
    }
}

/// The questions that pages of single calls ask, and how many of so many calls each finds.
fn pages(days: usize, calls: usize) -> Vec<(&'static str, CallsQuery, usize)> {
    let page = || CallsQuery { limit: 50, ..CallsQuery::default() };
    let of_key = |key: &str| CallsQuery { filter: Filter { key: Some(key.to_owned()), ..Filter::default() }, ..page() };
    let of_status = |status| CallsQuery { status: Some(status), ..page() };
    let of_id = |id: String| CallsQuery { request_id: Some(id), ..page() };
    let middle = Place { day: FIRST + (days / 2) as i64, record: (calls / 2 + calls / days / 2) as i64 };
    vec![
        ("the newest", page(), 50),
        ("a page in the middle", CallsQuery { before: Some(middle), ..page() }, 50),
        ("of a busy key", of_key("key-00000"), 50),
        ("of one key in a thousand", of_key("key-00501"), 50),
        ("of a key that seldom calls", of_key("seldom"), 50),
        ("of a key that never called", of_key("nobody"), 0),
        ("with status 200", of_status(200), 50),
        ("with a status of one in a thousand", of_status(429), 50),
        ("with a status of one in 100,000", of_status(502), 50),
        ("with a status of one in two million", of_status(418), 5),
        ("with a status that never was", of_status(599), 0),
        ("of one key with one status", CallsQuery { status: Some(429), ..of_key("key-00500") }, 50),
        ("by request id, the newest", of_id(id_of(calls - 1)), 1),
        ("by request id, in the middle", of_id(id_of(calls / 2)), 1),
        ("by request id, the oldest", of_id(id_of(0)), 1),
        ("by a request id that never was", of_id("req_none".to_owned()), 0),
    ]
}

#[test]
#[ignore = "makes ten million calls, which takes minutes and gigabytes"]
fn every_page_of_ten_million_calls_is_found_within_50_ms() {
    let (days, calls) = (30, 10_000_000);
    let dir = tempfile::tempdir().unwrap();
    let began = Instant::now();
    filled(dir.path(), days, calls);
    let bytes: u64 = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    eprintln!("{calls} calls of {days} days fed in {:.1} s, {} MB", began.elapsed().as_secs_f64(), bytes >> 20);
    let mut slowest = (Duration::ZERO, "");
    for (name, asked, found) in pages(days, calls) {
        let times: Vec<Duration> = (0..20)
            .map(|_| {
                let began = Instant::now();
                assert_eq!(super::calls(dir.path(), &asked).unwrap().len(), found, "{name}");
                began.elapsed()
            })
            .collect();
        let mean = times.iter().sum::<Duration>() / 20;
        let most = times.iter().max().copied().unwrap_or_default();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        eprintln!(
            "{name}: {found} calls, first {:.1} ms, mean {:.1} ms, most {:.1} ms",
            ms(times[0]),
            ms(mean),
            ms(most)
        );
        slowest = slowest.max((mean, name));
    }
    assert!(slowest.0.as_millis() < 50, "{slowest:?}");
}
