//! What a decision costs: taking from all limits of a caller, and settling.
//!
//! `cargo bench -p sluicegate-flow`. The clock read and the look-up of the caller's limits are not in it.

use divan::{Bencher, black_box};
use sluicegate_flow::{Ask, Cost, Kind, Label, Limit, LimitSet, Nanos, Pace, Priority, Quota, Scope};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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
