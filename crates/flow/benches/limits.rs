//! What a decision costs: taking from all limits of a caller, and settling.
//!
//! `cargo bench -p sluicegate-flow --bench limits`. The clock read is not in it, and the look-up of the caller's limits
//! only where the name says so.
//!
//! Where it does, each key has three of its eight limits for itself, as keys do: requests and tokens a minute, and calls
//! in flight. The five of the endpoint and of the whole relay are everybody's. So what a decision costs among 100,000
//! keys, any of which may be next, is fetching what is the key's own from memory: the 3 own limits and the set. The
//! memory is the machine's share of a machine: what others do on it shows, and the fastest reading is the one to compare.

use divan::{Bencher, black_box};
use sluicegate_flow::{
    Ask, Cost, Kind, Label, Limit, LimitSet, LimitTable, Nanos, Pace, Priority, Quota, Reservation, Scope, SetId, Spec,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// As in the relay.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

const MINUTE: Duration = Duration::from_secs(60);
const PLENTY: u64 = 1 << 40;
const ASK: Ask = Ask { cost: Cost { requests: 1, tokens: 700 }, class: Priority::Normal, pace: Pace::Even };

#[derive(Debug, Clone, Copy)]
enum By {
    Window,
    Bucket,
    Both,
}

/// `count` limits, half on requests and half on tokens, each with `set` per minute.
fn limits(by: By, count: usize, set: u64) -> LimitSet {
    LimitSet::new((0..count).map(|number| {
        let kind = if number % 2 == 0 { Kind::Requests } else { Kind::Tokens };
        let windowed = match by {
            By::Window => true,
            By::Bucket => false,
            By::Both => number < count / 2,
        };
        let quota = if windowed { Quota::window(set, MINUTE) } else { Quota::bucket(set, MINUTE, 1.5, None) };
        Limit::new(Label::new(Scope::Key, number.to_string()), kind, quota)
    }))
}

/// A clock that moves on by 50 microseconds with each call: 20,000 calls a second.
struct Clock(AtomicU64);

impl Clock {
    fn tick(&self) -> Nanos {
        Nanos(self.0.fetch_add(50_000, Ordering::Relaxed))
    }
}

#[divan::bench(args = [(By::Window, 4), (By::Bucket, 4), (By::Both, 4), (By::Both, 8)])]
fn reserve_and_settle(bencher: Bencher<'_, '_>, (by, count): (By, usize)) {
    let (limits, clock) = (limits(by, count, PLENTY), Clock(AtomicU64::new(0)));
    bencher.bench(|| {
        let now = clock.tick();
        if let Ok(reservation) = limits.reserve(now, black_box(ASK)) {
            reservation.settle(now, black_box(640));
        }
    });
}

/// The decision alone: what is reserved is kept, and settled outside the measurement.
#[divan::bench(args = [(By::Window, 4), (By::Bucket, 4), (By::Both, 4), (By::Both, 8)])]
fn reserve(bencher: Bencher<'_, '_>, (by, count): (By, usize)) {
    let (limits, clock) = (limits(by, count, PLENTY), Clock(AtomicU64::new(0)));
    bencher.bench(|| limits.reserve(clock.tick(), black_box(ASK)));
}

/// The limits of one caller, as the table is told of them: three of its own, the others shared with everybody.
fn specs(key: u64) -> impl Iterator<Item = Spec> {
    let own = Label::new(Scope::Key, key.to_string());
    let day = Duration::from_secs(86_400);
    [
        (own.clone(), Kind::Requests, Quota::window(PLENTY, MINUTE)),
        (own.clone(), Kind::Tokens, Quota::window(PLENTY, MINUTE)),
        (own, Kind::Concurrency, Quota::concurrency(1_000_000)),
        (Label::new(Scope::Endpoint, "/chat/completions"), Kind::Requests, Quota::bucket(PLENTY, MINUTE, 1.5, None)),
        (Label::new(Scope::Endpoint, "/chat/completions"), Kind::Tokens, Quota::bucket(PLENTY, MINUTE, 1.5, None)),
        (Label::new(Scope::Overall, "overall"), Kind::Requests, Quota::window(PLENTY, MINUTE)),
        (Label::new(Scope::Overall, "overall"), Kind::Tokens, Quota::window(PLENTY, day)),
        (Label::new(Scope::Overall, "overall"), Kind::Concurrency, Quota::concurrency(1_000_000)),
    ]
    .into_iter()
    .map(|(label, kind, quota)| Spec { label, kind, quota, revision: 1 })
}

/// As many keys as are active, called in no order, 20,000 calls a second together.
struct Traffic {
    table: LimitTable,
    clock: Clock,
    random: AtomicU64,
    keys: u64,
}

/// So often each key has called on the average before anything is measured: with 100,000 keys for 65 seconds, so that
/// their minutes are full of calls, and as many leave them as come.
const CALLS_BEFORE: u64 = 13;

impl Traffic {
    fn new(keys: u64) -> Self {
        let traffic =
            Self { table: LimitTable::new(), clock: Clock(AtomicU64::new(0)), random: AtomicU64::new(1), keys };
        for _ in 0..CALLS_BEFORE * keys {
            let (now, key) = traffic.next();
            if let Some(reservation) = traffic.decide(now, key) {
                reservation.settle(now, 640);
            }
        }
        traffic
    }

    fn next(&self) -> (Nanos, u64) {
        let next = self.random.load(Ordering::Relaxed).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.random.store(next, Ordering::Relaxed);
        (self.clock.tick(), (next >> 33) % self.keys)
    }

    /// A whole decision over eight limits: the set looked up among those of all active keys, nobody waiting, room taken.
    fn decide(&self, now: Nanos, key: u64) -> Option<Reservation> {
        let set = self.table.set(SetId(key << 8, 0), now, || specs(key));
        if set.is_contended() { None } else { set.reserve(now, black_box(ASK)).ok() }
    }
}

/// The decision. Settling, which comes when the call has ended, is outside.
#[divan::bench(args = [1, 100_000], sample_size = 1000)]
fn look_up_and_reserve(bencher: Bencher<'_, '_>, keys: u64) {
    let traffic = Traffic::new(keys);
    bencher.with_inputs(|| traffic.next()).bench_refs(|&mut (now, key)| traffic.decide(now, key));
}

/// The decision and, at once, its settling.
#[divan::bench(args = [1, 100_000], sample_size = 1000)]
fn look_up_reserve_and_settle(bencher: Bencher<'_, '_>, keys: u64) {
    let traffic = Traffic::new(keys);
    bencher.with_inputs(|| traffic.next()).bench_refs(|&mut (now, key)| {
        if let Some(reservation) = traffic.decide(now, key) {
            reservation.settle(now, black_box(640));
        }
    });
}

#[divan::bench(threads = [1, 2], args = [By::Window, By::Bucket])]
fn reserve_on_several_threads(bencher: Bencher<'_, '_>, by: By) {
    let (limits, clock) = (limits(by, 4, PLENTY), Clock(AtomicU64::new(0)));
    bencher.bench(|| limits.reserve(clock.tick(), black_box(ASK)));
}

/// The broadest of four limits refuses: three are taken from and given back.
#[divan::bench(args = [By::Window, By::Bucket])]
fn refuse(bencher: Bencher<'_, '_>, by: By) {
    let narrow = limits(by, 3, PLENTY);
    let full = limits(by, 1, 1);
    let both = LimitSet::new(narrow.limits().iter().chain(full.limits()).cloned());
    bencher.bench(|| both.reserve(Nanos(1), black_box(Ask { cost: Cost { requests: 2, tokens: 700 }, ..ASK })));
}
