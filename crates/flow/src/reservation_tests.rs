use super::*;
use crate::limit::Limit;
use crate::quota::{Label, Quota, Scope};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
const WINDOW: u64 = 60 * SECOND;
const MINUTE: Duration = Duration::from_secs(60);

fn tokens(quota: Quota) -> LimitSet {
    LimitSet::new([Limit::new(Label::new(Scope::Key, "backend"), Kind::Tokens, quota)])
}

fn ask(tokens: u64) -> Ask {
    Ask { cost: Cost { requests: 1, tokens }, ..Ask::default() }
}

fn left(limits: &LimitSet, now: u64) -> u64 {
    limits.status(Nanos(now))[0].left
}

/// One call of a trace: how long after the one before, what it reserves, what it uses, how long it takes.
fn calls(most_used: f64) -> impl Strategy<Value = Vec<(u64, u64, u64, u64)>> {
    let gap = prop_oneof![2 => Just(0), 2 => 0..SECOND, 1 => 0..30 * SECOND, 1 => 58 * SECOND..63 * SECOND];
    let took = prop_oneof![0..SECOND, 0..200 * SECOND];
    let call = (gap, 1..60_u64, 0.0..=most_used, took);
    vec(call.prop_map(|(gap, reserved, share, took)| (gap, reserved, (reserved as f64 * share) as u64, took)), 1..80)
}

/// A call that was admitted: when, what it reserved and used, when it was settled.
struct Admitted {
    at: u64,
    reserved: u64,
    used: u64,
    settled: u64,
}

fn run(limits: &LimitSet, calls: Vec<(u64, u64, u64, u64)>) -> Vec<Admitted> {
    let (mut now, mut admitted): (u64, Vec<Admitted>) = (0, Vec::new());
    let mut open: BTreeMap<(u64, usize), (Reservation, u64)> = BTreeMap::new();
    let settle_until = |open: &mut BTreeMap<(u64, usize), (Reservation, u64)>, now: u64| {
        while let Some(entry) = open.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((at, _), (reservation, used)) = entry.remove_entry();
            reservation.settle(Nanos(at), used);
        }
    };
    for (number, (gap, reserved, used, took)) in calls.into_iter().enumerate() {
        now += gap;
        settle_until(&mut open, now);
        if let Ok(reservation) = limits.reserve(Nanos(now), ask(reserved)) {
            open.insert((now + took, number), (reservation, used));
            admitted.push(Admitted { at: now, reserved, used, settled: now + took });
        }
    }
    settle_until(&mut open, u64::MAX);
    admitted
}

proptest! {
    #[test]
    fn use_never_exceeds_limit_while_reservations_are_upper_bounds(calls in calls(1.0)) {
        let admitted = run(&tokens(Quota::window(100, MINUTE)), calls);
        for first in &admitted {
            let stretch = admitted.iter().filter(|call| (first.at..=first.at + WINDOW).contains(&call.at));
            prop_assert!(stretch.map(|call| call.used).sum::<u64>() <= 100);
        }
    }

    /// With real use up to three times the estimate: at most what was in flight goes over, since everything that was
    /// known by the last admission of a stretch had been charged.
    #[test]
    fn overage_is_never_dropped(calls in calls(3.0)) {
        let admitted = run(&tokens(Quota::window(100, MINUTE)), calls);
        for first in &admitted {
            let stretch: Vec<_> =
                admitted.iter().filter(|call| (first.at..=first.at + WINDOW).contains(&call.at)).collect();
            let last = stretch.last().map_or(0, |call| call.at);
            let known = |call: &Admitted| if call.settled <= last { call.used } else { call.reserved.min(call.used) };
            prop_assert!(stretch.iter().map(|call| known(call)).sum::<u64>() <= 100);
        }
    }

    /// A bucket's books balance: what it lost is what was used, whatever was reserved for it.
    #[test]
    fn settling_charges_exactly_what_was_used(costs in vec((0..50_u64, 0..150_u64), 1..20)) {
        for quota in [Quota::bucket(1000, MINUTE, 1.0, None), Quota::window(1000, MINUTE)] {
            let limits = tokens(quota);
            let mut used = 0;
            for &(reserved, actual) in &costs {
                if let Ok(reservation) = limits.reserve(Nanos(7), ask(reserved)) {
                    reservation.settle(Nanos(7), actual);
                    used += actual;
                }
            }
            prop_assert_eq!(left(&limits, 7), 1000_u64.saturating_sub(used));
        }
    }

    /// Whatever is given back to a window, and however late: no more is left than if each call had been charged its use
    /// and no more in the first place.
    #[test]
    fn refund_never_mints(calls in calls(1.0), later in 0..70 * SECOND) {
        let limits = tokens(Quota::window(100, MINUTE));
        let twin = tokens(Quota::window(100, MINUTE));
        let end = calls.iter().map(|call| call.0).sum::<u64>() + later;
        for call in run(&limits, calls) {
            twin.limits()[0].charge(Nanos(call.at), Nanos(call.at), call.used);
        }
        prop_assert!(left(&limits, end) <= left(&twin, end));
    }

    /// A bucket takes back only what there is room for.
    #[test]
    fn refund_never_lifts_a_bucket_over_its_capacity(calls in calls(1.0), later in 0..70 * SECOND) {
        let limits = tokens(Quota::bucket(100, MINUTE, 1.5, None));
        let end = run(&limits, calls).iter().map(|call| call.settled).max().unwrap_or(0) + later;
        let one = ask(1);
        let mut taken = 0;
        while let Ok(reservation) = limits.reserve(Nanos(end), one) {
            reservation.settle(Nanos(end), 1);
            taken += 1;
        }
        prop_assert!(taken <= 150);
    }
}

#[test]
fn overage_in_a_window_leaves_with_the_call_it_belongs_to() {
    let limits = tokens(Quota::window(100, MINUTE));
    let reservation = limits.reserve(Nanos(0), ask(10)).expect("empty");
    reservation.settle(Nanos(30 * SECOND), 250);
    let refusal = limits.reserve(Nanos(30 * SECOND), ask(1)).expect_err("in debt");
    assert_eq!((refusal.left, refusal.retry_after), (0, Some(Duration::from_secs(31))));
}

#[test]
fn overage_of_a_call_longer_than_the_window_counts_from_its_end() {
    let limits = tokens(Quota::window(100, MINUTE));
    let reservation = limits.reserve(Nanos(0), ask(10)).expect("empty");
    reservation.settle(Nanos(300 * SECOND), 70);
    assert_eq!(left(&limits, 300 * SECOND), 40);
    assert_eq!(left(&limits, 361 * SECOND), 100);
}

#[test]
fn a_settled_request_stays_charged_and_a_dropped_one_does_not() {
    let requests = Limit::new(Label::new(Scope::Key, "backend"), Kind::Requests, Quota::window(10, MINUTE));
    let limits = LimitSet::new([requests]);
    let cost = ask(5);
    limits.reserve(Nanos(0), cost).expect("room").settle(Nanos(1), 0);
    drop(limits.reserve(Nanos(0), cost));
    assert_eq!(left(&limits, 1), 9);
}

/// Calls that come and go on several threads, settled, overrun or abandoned: at the end exactly the use is charged.
#[test]
fn books_balance_after_concurrent_calls() {
    for quota in [Quota::bucket(1_000_000, MINUTE * 60, 1.0, None), Quota::window(1_000_000, MINUTE)] {
        let limits = tokens(quota);
        let used: u64 = std::thread::scope(|scope| {
            let caller = |seed: u64| {
                let limits = &limits;
                move || {
                    let mut used = 0;
                    for call in 0..2000 {
                        let reservation = limits.reserve(Nanos(7), ask(50)).expect("room");
                        let actual = (call * 7 + seed) % 120;
                        if call % 3 == 0 {
                            drop(reservation);
                        } else {
                            reservation.settle(Nanos(7), actual);
                            used += actual;
                        }
                    }
                    used
                }
            };
            let callers: Vec<_> = (0..4).map(|seed| scope.spawn(caller(seed))).collect();
            callers.into_iter().map(|caller| caller.join().expect("no panic")).sum()
        });
        assert_eq!(left(&limits, 7), 1_000_000 - used);
    }
}

/// Threads that hammer one limit on a running clock: no window's length sees more than the limit.
#[test]
fn threads_together_never_exceed_the_limit() {
    let window = Duration::from_millis(60);
    let limits = tokens(Quota::window(500, window));
    let start = std::time::Instant::now();
    let clock = || u64::try_from(start.elapsed().as_nanos()).expect("short test");
    let mut admitted: Vec<u64> = std::thread::scope(|scope| {
        let hammer = || {
            let mut admitted = Vec::new();
            while start.elapsed() < window * 6 {
                let now = clock();
                if let Ok(reservation) = limits.reserve(Nanos(now), ask(1)) {
                    admitted.push(clock());
                    reservation.settle(Nanos(now), 1);
                }
            }
            admitted
        };
        let hammers: Vec<_> = (0..4).map(|_| scope.spawn(hammer)).collect();
        hammers.into_iter().flat_map(|hammer| hammer.join().expect("no panic")).collect()
    });
    admitted.sort_unstable();
    assert!(admitted.len() > 500, "one window's worth shows nothing: {}", admitted.len());
    let width = u64::try_from(window.as_nanos()).expect("short");
    // A thread held up between reading the clock and deciding, or between deciding and reading it again, makes one admission
    // seem later than it was, so each thread may add two to a stretch. A lost update would show as many more.
    let stretch = |from: u64| admitted.iter().filter(move |&&at| (from..=from + width).contains(&at)).count();
    assert!(admitted.iter().all(|&from| stretch(from) <= 500 + 8));
}

#[test]
fn reservation_stays_small() {
    assert!(size_of::<Reservation>() <= 48, "{}", size_of::<Reservation>());
}
