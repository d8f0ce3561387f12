use super::super::*;
use std::collections::BTreeMap;

const MINUTE: Duration = Duration::from_secs(60);
const WINDOW: u64 = 60_000_000_000;
const PART: u64 = WINDOW / PARTS;
const MILLI: u64 = 1_000_000;
/// How often a hammering client asks.
const OFTEN: usize = 4 * MILLI as usize;

/// When something was let go and how much.
type Log = Vec<(u64, u64)>;

/// Asks all the time, from `start` on for `windows` windows, each time for the cost at hand until it is admitted.
/// Also tells when the window was full for the first time: when it had less left than `hair`.
fn hammer(window: &SlidingWindow, start: u64, windows: u64, hair: u64, mut cost: impl FnMut() -> u64) -> (Log, u64) {
    let (mut log, mut full, mut next) = (Log::new(), u64::MAX, cost());
    for now in (start..start + windows * WINDOW).step_by(OFTEN) {
        while window.take(Nanos(now), next, Hold::BeyondHalf).is_ok() {
            log.push((now, next));
            next = cost();
        }
        if full == u64::MAX && window.gauge(Nanos(now)).expect("open").left < hair {
            full = now;
        }
    }
    (log, full)
}

/// The most and the least in any stretch of a window's length that begins with one of `starts`.
fn stretches(log: &Log, starts: impl Iterator<Item = u64>) -> (u64, u64) {
    let mut before = BTreeMap::from([(0, 0)]);
    let mut total = 0;
    for &(at, amount) in log {
        total += amount;
        before.insert(at + 1, total);
    }
    // All that went before a time; the entry of a log at `at` counts from `at + 1` on.
    let until = |time: u64| before.range(..=time).next_back().map_or(0, |(_, &sum)| sum);
    let sums: Vec<u64> = starts.map(|from| until(from + WINDOW) - until(from)).collect();
    (sums.iter().copied().max().unwrap_or(0), sums.iter().copied().min().unwrap_or(u64::MAX))
}

#[derive(Debug)]
struct Outcome {
    most: u64,
    least_once_full: u64,
    longest_gap: u64,
    first_burst: u64,
}

fn judge((log, full): &(Log, u64), end: u64) -> Outcome {
    let full = *full;
    let (most, _) = stretches(log, log.iter().map(|entry| entry.0));
    let (_, least_once_full) = stretches(log, (full.min(end - WINDOW)..=end - WINDOW).step_by(50 * MILLI as usize));
    let longest_gap = log.windows(2).map(|pair| pair[1].0 - pair[0].0).max().unwrap_or(0);
    let start = log.first().map_or(0, |entry| entry.0);
    let first_burst = log.iter().filter(|entry| entry.0 == start).map(|entry| entry.1).sum();
    Outcome { most, least_once_full, longest_gap, first_burst }
}

const PHASES: [u64; 5] = [0, PART / 3, PART - MILLI, 17 * PART + 5, 59 * PART + PART - 1];

#[test]
fn saturated_window_is_nearly_full_all_the_time_and_has_no_gap() {
    for (phase, limit) in PHASES.into_iter().zip([600, 601, 600, 10_000, 600]) {
        let window = SlidingWindow::new(limit, MINUTE);
        let outcome = judge(&hammer(&window, phase, 3, 1, || 1), phase + 3 * WINDOW);
        let context = format!("limit {limit}, phase {phase}: {outcome:?}");
        assert!(outcome.most <= limit, "{context}");
        assert!(outcome.least_once_full as f64 >= 0.97 * limit as f64, "{context}");
        assert!(outcome.longest_gap <= PART, "{context}");
        assert!(outcome.first_burst >= limit / 2, "{context}");
    }
}

#[test]
fn costs_of_any_size_fill_the_window_too() {
    for (seed, phase) in (1..).zip(PHASES) {
        let limit = 100_000;
        for largest in [limit / 1000, limit / 100] {
            let window = SlidingWindow::new(limit, MINUTE);
            let mut random: u64 = seed;
            let cost = || {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                1 + (random >> 33) % largest
            };
            let outcome = judge(&hammer(&window, phase, 3, largest, cost), phase + 3 * WINDOW);
            let context = format!("costs up to {largest}, phase {phase}: {outcome:?}");
            assert!(outcome.most <= limit, "{context}");
            // At both ends of a stretch a call may lie just outside.
            let edges = if largest * 500 > limit { 2 * largest } else { 0 };
            assert!(outcome.least_once_full as f64 >= 0.97 * limit as f64 - edges as f64, "{context}");
        }
    }
}

#[test]
fn an_idle_limit_lets_half_of_it_go_at_once_and_then_one_by_one() {
    let window = SlidingWindow::new(600, MINUTE);
    let burst = (0..600).filter(|_| window.take(Nanos(5 * WINDOW), 1, Hold::BeyondHalf).is_ok()).count();
    assert!((300..=311).contains(&burst), "{burst}");
    let refused = window.take(Nanos(5 * WINDOW), 1, Hold::BeyondHalf).expect_err("not due yet");
    let Refused::Short(Shortfall { left, wait: Some(wait), reason: Reason::Pace }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(left, 600 - burst as u64);
    assert!(wait <= MINUTE / 60, "{wait:?}");
    assert_eq!(window.take(Nanos(5 * WINDOW), left, Hold::Free), Ok(()), "whoever asks for no pace is not held to it");
}

/// Reservations three times as high as the use, corrected five seconds later, as streams are. What is in flight holds a
/// seventh of the limit, so six sevenths are the most there is.
#[test]
fn what_calls_give_back_is_let_go_again() {
    for reserved in [300, 3000] {
        let (limit, used) = (100_000, reserved / 3);
        let window = SlidingWindow::new(limit, MINUTE);
        let (mut open, mut total) = (std::collections::VecDeque::new(), 0);
        for now in (0..5 * WINDOW).step_by(10 * MILLI as usize) {
            while let Some(at) = open.pop_front_if(|at| *at + 5_000 * MILLI <= now) {
                window.refund(Nanos(at), reserved - used).expect("open");
            }
            while window.take(Nanos(now), reserved, Hold::BeyondHalf).is_ok() {
                open.push_back(now);
                total += if now >= 2 * WINDOW { used } else { 0 };
            }
        }
        assert!(total as f64 / 3.0 > 0.8 * limit as f64, "{reserved}: {total}");
    }
}

/// A call that another limit refuses was not let go, so the next one is still due.
#[test]
fn what_is_taken_and_given_back_leaves_the_pace() {
    let window = SlidingWindow::new(600, MINUTE);
    while window.take(Nanos(0), 1, Hold::BeyondHalf).is_ok() {}
    let mut now = Nanos(0);
    for _ in 0..1000 {
        if window.take(now, 1, Hold::BeyondHalf).is_ok() {
            window.refund(now, 1).expect("open");
        }
        now.0 += MILLI;
    }
    assert_eq!(window.take(now, 1, Hold::BeyondHalf), Ok(()));
}

/// Large debts and long windows: what the pace costs stays bounded, and the first wait is not for ever.
#[test]
fn a_day_is_paced_too() {
    let day = Duration::from_secs(86_400);
    let window = SlidingWindow::new(1_000_000, day);
    let mut now = Nanos(17);
    for _ in 0..200 {
        match window.take(now, 10_000, Hold::BeyondHalf) {
            Ok(()) => {}
            Err(Refused::Short(Shortfall { wait: Some(wait), .. })) => {
                assert!(wait <= day / 25, "{wait:?}");
                now = now.after(wait);
            }
            Err(refused) => panic!("{refused:?}"),
        }
    }
}
