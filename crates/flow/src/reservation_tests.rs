use super::*;
use crate::limit::Limit;
use crate::quota::{Label, Quota, Scope};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
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
    fn overage_never_lost(calls in calls(3.0)) {
        let admitted = run(&tokens(Quota::window(100, MINUTE)), calls);
        for first in &admitted {
            let stretch: Vec<_> =
                admitted.iter().filter(|call| (first.at..=first.at + WINDOW).contains(&call.at)).collect();
            let last = stretch.last().map_or(0, |call| call.at);
            let known = |call: &Admitted| if call.settled <= last { call.used } else { call.reserved.min(call.used) };
            prop_assert!(stretch.iter().map(|call| known(call)).sum::<u64>() <= 100);
        }
    }

    /// The books balance: what a limit lost is what was used, whatever was reserved, topped up or given back for it.
    #[test]
    fn settle_exactly_once(calls in vec((0..50_u64, vec(0..40_u64, 0..3), proptest::option::of(0..150_u64)), 1..20)) {
        for quota in [Quota::bucket(1000, MINUTE, 1.0, None), Quota::window(1000, MINUTE)] {
            let limits = tokens(quota);
            let mut charged = 0;
            for (reserved, top_ups, used) in &calls {
                let Ok(mut reservation) = limits.reserve(Nanos(7), ask(*reserved)) else { continue };
                let mut held = *reserved;
                for &more in top_ups {
                    reservation.top_up(Nanos(7), more);
                    held += more;
                    prop_assert_eq!(left(&limits, 7), 1000_u64.saturating_sub(charged + held));
                }
                prop_assert_eq!(reservation.cost().tokens, held);
                match used {
                    Some(used) => reservation.settle(Nanos(7), *used),
                    None => drop(reservation),
                }
                charged += used.unwrap_or(0);
                prop_assert_eq!(left(&limits, 7), 1000_u64.saturating_sub(charged));
            }
        }
    }

    /// However calls come and end, when the last has ended nothing is in flight, and before that exactly those that
    /// are.
    #[test]
    fn permits_return_to_zero(
        steps in vec((0..5_u8, 0..4_usize, any::<prop::sample::Index>(), 0..100_u64), 1..200), resize in 1..40_u64,
    ) {
        const CLASSES: [Priority; 4] = [Priority::Low, Priority::Normal, Priority::High, Priority::Critical];
        let label = || Label::new(Scope::Key, "backend");
        let wide = Limit::new(label(), Kind::Concurrency, Quota::concurrency(20));
        let narrow = Limit::new(label(), Kind::Concurrency, Quota::concurrency(7));
        let rate = Limit::new(label(), Kind::Tokens, Quota::window(500, MINUTE));
        let limits = LimitSet::new([wide, narrow, rate]);
        let mut open: Vec<Reservation> = Vec::new();
        for (number, (action, class, which, tokens)) in steps.into_iter().enumerate() {
            if number == 100 {
                let _ = limits.limits()[0].reconfigure(Nanos(7), Quota::concurrency(resize));
            }
            match action {
                0 | 1 => open.extend(limits.reserve(Nanos(7), Ask { class: CLASSES[class], ..ask(tokens) })),
                _ if open.is_empty() => {}
                2 => drop(open.swap_remove(which.index(open.len()))),
                3 => open.swap_remove(which.index(open.len())).settle(Nanos(7), tokens),
                _ => {
                    let which = which.index(open.len());
                    open[which].top_up(Nanos(7), tokens);
                }
            }
            let held = open.len() as u64;
            prop_assert_eq!(limits.status(Nanos(7))[1].left, 7 - held);
        }
        drop(open);
        prop_assert!(limits.limits()[..2].iter().all(|limit| limit.is_idle(Nanos(7))));
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
    assert_eq!((refusal.left, refusal.retry_after), (0, Some(Duration::from_millis(30_600))));
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
fn a_topped_up_stream_is_charged_when_it_uses_and_corrected_from_the_whole() {
    let limits = tokens(Quota::window(100, MINUTE));
    let mut reservation = limits.reserve(Nanos(0), ask(60)).expect("empty");
    reservation.top_up(Nanos(SECOND), 256);
    assert!(limits.reserve(Nanos(SECOND), ask(1)).is_err(), "in debt while it runs");
    reservation.settle(Nanos(2 * SECOND), 90);
    assert_eq!(left(&limits, 2 * SECOND), 10);
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

/// Within one process a crash is a call that panics, wherever it is: unwinding gives its permits back, and what it had
/// reserved and not settled. The permits of a process that dies are nowhere else and die with it.
#[test]
fn permits_heal_after_crash() {
    const PERMITS: u64 = 7;
    let label = || Label::new(Scope::Key, "backend");
    let limits = LimitSet::new([
        Limit::new(label(), Kind::Concurrency, Quota::concurrency(PERMITS)),
        Limit::new(label(), Kind::Tokens, Quota::window(1_000_000, MINUTE)),
    ]);
    let (crashed, settled) = (AtomicU64::new(0), AtomicU64::new(0));
    let crash = || {
        crashed.fetch_add(1, Ordering::Relaxed);
        // A panic that prints nothing.
        std::panic::resume_unwind(Box::new(()))
    };
    let ask = Ask { class: Priority::Critical, ..ask(10) };
    let call = |number: u64| {
        let Ok(mut reservation) = limits.reserve(Nanos(7), ask) else { return };
        match number % 4 {
            0 => crash(),
            1 => {
                reservation.top_up(Nanos(7), 30);
                crash();
            }
            2 => {
                settled.fetch_add(1, Ordering::Relaxed);
                reservation.settle(Nanos(7), 3);
            }
            _ => {
                let _other = limits.reserve(Nanos(7), ask);
                crash();
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for number in 0..1000 {
                    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call(number)));
                }
            });
        }
    });
    assert!(crashed.into_inner() > 1000, "calls have crashed");
    let [permits, tokens] = &limits.status(Nanos(7))[..] else { panic!("two limits") };
    assert_eq!(permits.left, PERMITS);
    assert_eq!(tokens.left, 1_000_000 - 3 * settled.into_inner());
    let all: Vec<_> = (0..PERMITS).map(|_| limits.reserve(Nanos(8), ask)).collect();
    assert!(all.iter().all(Result::is_ok) && limits.reserve(Nanos(8), ask).is_err());
}

/// Threads that hammer one limit on a clock that moves on whenever one of them reads it: no window's length sees more
/// than the limit, however long a thread is held up where.
#[test]
fn threads_together_never_exceed_the_limit() {
    const THREADS: usize = 4;
    const LIMIT: usize = 500;
    let (window, reading) = (Duration::from_millis(60), 1_000);
    let width = u64::try_from(window.as_nanos()).expect("short");
    let limits = tokens(Quota::window(LIMIT as u64, window));
    let time = AtomicU64::new(0);
    let clock = || time.fetch_add(reading, Ordering::SeqCst);
    let mut admitted: Vec<u64> = std::thread::scope(|scope| {
        let hammer = || {
            let mut admitted = Vec::new();
            loop {
                let now = clock();
                if now > 6 * width {
                    return admitted;
                }
                if let Ok(reservation) = limits.reserve(Nanos(now), ask(1)) {
                    admitted.push(clock());
                    reservation.settle(Nanos(now), 1);
                }
            }
        };
        let hammers: Vec<_> = (0..THREADS).map(|_| scope.spawn(hammer)).collect();
        hammers.into_iter().flat_map(|hammer| hammer.join().expect("no panic")).collect()
    });
    admitted.sort_unstable();
    assert!(admitted.len() > 5 * LIMIT, "each window is used: {}", admitted.len());
    // What is seen of an admission is a time after it. Of those that a thread sees in a stretch, only the first can have
    // been decided by a time before the stretch: it reads the clock anew for the next.
    let seen = |from: u64| admitted.iter().filter(move |&&at| (from..=from + width).contains(&at)).count();
    let most = admitted.iter().map(|&from| seen(from)).max().expect("some");
    assert!(most <= LIMIT + THREADS, "{most}");
}

#[test]
fn reservation_stays_small() {
    assert!(size_of::<Reservation>() <= 48, "{}", size_of::<Reservation>());
}
