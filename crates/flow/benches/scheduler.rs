//! What waiting costs: taking a place in the queue of a limit and being served, with others waiting.
//!
//! `cargo bench -p sluicegate-flow --bench scheduler`. Counted are pairs: somebody comes, somebody is
//! served.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use sluicegate_flow::{
    Ask, Bounds, Cost, FairQueue, Kind, Label, Limit, LimitSet, Nanos, Outcome, Place, Priority, Quota, Scheduler,
    Scope, Waiter,
};
use std::time::Duration;

fn main() {
    divan::main();
}

const PAIRS: u64 = 1_000;
const FLOWS: [u64; 3] = [1, 1_000, 10_000];

const fn class_of(flow: u64) -> Priority {
    match flow % 4 {
        0 => Priority::Low,
        1 => Priority::Normal,
        2 => Priority::High,
        _ => Priority::Critical,
    }
}

/// A queue in which one call of each flow waits, and a pair on it.
#[divan::bench(args = FLOWS)]
fn fair_queue(bencher: Bencher<'_, '_>, flows: u64) {
    let mut queue = FairQueue::new([1, 2, 4, 8]);
    let mut order = 0;
    let mut place = |flow: u64| {
        order += 1;
        Place { class: class_of(flow), flow, order, cost: 100 + order % 900, amount: 1 }
    };
    (0..flows).for_each(|flow| queue.push(Nanos(0), place(flow)));
    let mut flow = 0;
    bencher.counter(ItemsCount::new(PAIRS)).bench_local(|| {
        for _ in 0..PAIRS {
            flow = (flow + 7_919) % flows;
            queue.push(Nanos(1), black_box(place(flow)));
            if let Some(next) = queue.next() {
                black_box(queue.serve(Nanos(1), next.class, next.flow, next.order));
            }
        }
    });
}

/// The whole scheduler: a call takes its place at a limit that is short, the limit makes room for one call, and the next
/// one goes.
#[divan::bench(args = FLOWS)]
fn scheduler(bencher: Bencher<'_, '_>, flows: u64) {
    let quota = Quota::bucket(1_000_000, Duration::from_secs(1), 0.000_001, None);
    let limit = Limit::new(Label::new(Scope::Provider, "a"), Kind::Requests, quota);
    let set = LimitSet::new([limit]);
    let bounds = Bounds { calls: 1 << 20, bytes: 1 << 40, ..Bounds::default() };
    let mut scheduler = Scheduler::new(bounds);
    let waiter = |now: Nanos, flow: u64| Waiter {
        flow,
        ask: Ask { cost: Cost { requests: 1, tokens: 100 + flow % 900 }, class: class_of(flow), ..Ask::default() },
        bytes: 1_000,
        arrived: now,
        deadline: Nanos(u64::MAX / 2),
        lead: Duration::ZERO,
        set: set.clone(),
        debit: None,
        item: flow,
    };
    let mut now = Nanos(1_000_000_000);
    let mut out = Vec::new();
    for flow in 0..=flows {
        scheduler.enqueue(now, waiter(now, flow % flows), &mut out);
    }
    let mut flow = 0;
    bencher.counter(ItemsCount::new(PAIRS)).bench_local(|| {
        for _ in 0..PAIRS {
            flow = (flow + 7_919) % flows;
            scheduler.enqueue(now, black_box(waiter(now, flow)), &mut out);
            now.0 += 1_000;
            scheduler.pump(now, &mut out);
            for outcome in out.drain(..) {
                if let Outcome::Admitted { reservation, .. } = outcome {
                    reservation.settle(now, 0);
                }
            }
        }
        assert_eq!(scheduler.len() as u64, flows);
    });
}
