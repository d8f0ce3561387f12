use super::*;
use crate::batch::Batch;
use crate::measure::Took;
use crate::record::{Charged, Owner};
use sluicegate_ledger::{Class, Line, Multiplier, PriceVersion};
use sluicegate_vocabulary::{EndReason, Usage, UsageSource};
use smallvec::smallvec;
use std::time::{Duration, Instant};

/// A day long ago enough that all of these are over.
const FIRST: i64 = 20_717;
const DAY_MS: i64 = 86_400_000;
/// Calls of a chunk: four come in a second, and what ten minutes made of small chunks is put together from this size on.
const GATHERED: usize = 1100;
/// Calls that were not put together yet, and of which so many come in the two seconds that are fed at once.
const LATEST: usize = 2400;
const AT_ONCE: usize = 8;

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
    /// seldom calls, and the very first one of a key, a tenant, a model and with a label that were never seen again.
    fn owner(&self, call: usize) -> Owner<'_> {
        let number = if call.is_multiple_of(2) { 0 } else { call / 2 % 1000 };
        let owner = Owner {
            tenant: &self.tenants[number % 20],
            key: if call % 20_000 == 7 { "seldom" } else { &self.keys[number] },
            account: "",
            model: ["small", "large", "long", "embed"][number % 4],
            label: ["", "chores", "research"][number % 3],
        };
        if call == 0 { Owner { tenant: "once", key: "once", model: "once", label: "once", ..owner } } else { owner }
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

/// As many calls as that on as many days, as the feeder writes them; without the books that it writes beside them.
fn filled(dir: &Path, days: usize, calls: usize) {
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
        lines: vec![
            Line { class: Class::Input, quantity: 812, unit: 400_000 },
            Line { class: Class::Output, quantity: 190, unit: 1_600_000 },
        ]
        .into(),
    };
    let (mut open, mut begin) = (None, 0);
    while begin < calls {
        let end = (begin + if begin + LATEST < calls { GATHERED } else { AT_ONCE }).min(calls);
        let mut records = Vec::new();
        for call in begin..end {
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
        let mut batch = Batch::of(records.len(), Vec::new());
        for (record, bytes) in (begin..).zip(&records) {
            batch.take(number_of(record), bytes, |_| false).unwrap();
        }
        for (day, chunks) in &batch.days {
            let log = match &mut open {
                Some((open, log)) if open == day => log,
                _ => &mut open.insert((*day, schema::calls(&days::path(dir, *day), Duration::ZERO).unwrap())).1,
            };
            let transaction = log.transaction().unwrap();
            chunks.write(&transaction).unwrap();
            transaction.commit().unwrap();
        }
        begin = end;
    }
}

/// The number of a call's end: its intent has the one before.
const fn number_of(call: usize) -> u64 {
    call as u64 * 2 + 1
}

/// The questions that pages of single calls ask, and how many of so many calls each finds.
fn pages(days: usize, calls: usize) -> Vec<(&'static str, CallsQuery, usize)> {
    let page = || CallsQuery { limit: 50, ..CallsQuery::default() };
    let long = |asked: CallsQuery| CallsQuery { limit: 1000, ..asked };
    let name = |name: &str| Some(name.to_owned());
    let of = |filter: Filter| CallsQuery { filter, ..page() };
    let of_key = |key: &str| of(Filter { key: name(key), ..Filter::default() });
    let of_tenant = |tenant: &str| of(Filter { tenant: name(tenant), ..Filter::default() });
    let of_model = |model: &str| of(Filter { model: name(model), ..Filter::default() });
    let of_label = |label: &str| of(Filter { label: name(label), ..Filter::default() });
    let of_status = |status| CallsQuery { status: Some(status), ..page() };
    let of_id = |id: String| CallsQuery { request_id: Some(id), ..page() };
    let place = |call: usize| Some(Place { day: FIRST + (call * days / calls) as i64, record: number_of(call) as i64 });
    let middle = |asked: CallsQuery| CallsQuery { before: place(calls / 2 + calls / days / 2), ..asked };
    let oldest = |asked: CallsQuery| CallsQuery { before: place(calls / days / 2), ..asked };
    // Key 501 calls all the time, and so do those that are told 429 and those that ask for `small`, which it does not.
    let [key, model] = [name("key-00501"), name("small")];
    let never = Filter { key: key.clone(), model, ..Filter::default() };
    let all = Filter { key, tenant: name("tenant-00001"), model: name("large"), label: name("chores") };
    vec![
        ("the newest", page(), 50),
        ("a page in the middle", middle(page()), 50),
        ("a page of the oldest day", oldest(page()), 50),
        ("of a busy key", of_key("key-00000"), 50),
        ("of one key in a thousand", of_key("key-00501"), 50),
        ("of one key in a thousand, in the middle", middle(of_key("key-00501")), 50),
        ("of a key that seldom calls", of_key("seldom"), 50),
        ("of a key that called once, on the oldest day", of_key("once"), 1),
        ("of a key that never called", of_key("nobody"), 0),
        ("of one tenant in twenty", of_tenant("tenant-00007"), 50),
        ("of a tenant that called once, on the oldest day", of_tenant("once"), 1),
        ("of a tenant that never called", of_tenant("nobody"), 0),
        ("for one model in four", of_model("embed"), 50),
        ("for a model that was asked for once, on the oldest day", of_model("once"), 1),
        ("for a model that was never asked for", of_model("none"), 0),
        ("with one label in three", of_label("research"), 50),
        ("with a label that was given once, on the oldest day", of_label("once"), 1),
        ("with a label that was never given", of_label("none"), 0),
        ("with status 200", of_status(200), 50),
        ("with a status of one in a thousand", of_status(429), 50),
        ("with a status of one in 100,000", of_status(502), 50),
        ("with a status of one in two million", of_status(418), 5),
        ("with a status that never was", of_status(599), 0),
        ("by request id, the newest", of_id(id_of(calls - 1)), 1),
        ("by request id, in the middle", of_id(id_of(calls / 2)), 1),
        ("by request id, the oldest", of_id(id_of(0)), 1),
        ("by a request id that never was", of_id("req_none".to_owned()), 0),
        ("of one key with one status", CallsQuery { status: Some(429), ..of_key("key-00500") }, 50),
        ("of a key with a status that only others had", CallsQuery { status: Some(429), ..of_key("key-00501") }, 0),
        ("of a key for a model that only others asked for", of(never), 0),
        ("of a key, its tenant and model, with a label that only others gave", of(all.clone()), 0),
        ("of a key, its tenant and model", of(Filter { label: None, ..all }), 50),
        ("a thousand, the newest", long(page()), 1000),
        ("a thousand of one key in a thousand", long(of_key("key-00501")), 1000),
        ("all of a key that seldom calls", long(of_key("seldom")), 500),
        ("all with a status of one in 100,000", long(of_status(502)), 100),
    ]
}

#[test]
#[ignore = "makes ten million calls, which takes minutes and gigabytes; its numbers are in docs/results"]
fn every_page_of_ten_million_calls_is_found_within_50_ms() {
    let (days, calls) = (30, 10_000_000);
    let dir = tempfile::tempdir().unwrap();
    let began = Instant::now();
    filled(dir.path(), days, calls);
    let bytes: u64 = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    eprintln!("{calls} calls of {days} days made in {:.1} s, {} MB", began.elapsed().as_secs_f64(), bytes >> 20);
    let mut slowest = (Duration::ZERO, "");
    for (name, asked, found) in pages(days, calls) {
        let took = Took::by(|| assert_eq!(super::calls(dir.path(), &asked).unwrap().len(), found, "{name}"));
        eprintln!("| {name} | {found} | {took} |");
        slowest = slowest.max((took.work, name));
    }
    assert!(slowest.0.as_millis() < 50, "{slowest:?}");
}
