use super::*;
use crate::ask::Cost;
use crate::quota::Scope;
use proptest::collection::vec;
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;
const MINUTE: Duration = Duration::from_secs(60);

fn limit(quota: Quota) -> Arc<Limit> {
    Limit::new(Label::new(Scope::Key, "backend"), Kind::Requests, quota)
}

fn bucket(set: u64, capacity: u64) -> Quota {
    Quota { set, window: MINUTE, algorithm: Algorithm::TokenBucket { capacity, refill_step: None }, shadow: false }
}

fn ask(requests: u64) -> Ask {
    Ask { cost: Cost { requests, tokens: 0 }, ..Ask::default() }
}

/// Takes one at a time until refused.
fn drain(limit: &Arc<Limit>, now: Nanos) -> u64 {
    let mut taken = 0;
    while limit.take(now, &ask(1)).is_ok() {
        taken += 1;
    }
    taken
}

proptest! {
    /// However often a window's limit is changed, no stretch of its length sees more than the highest limit of the series,
    /// and what is admitted fits under the limit that counts at that moment.
    #[test]
    fn reconfigure_gives_no_free_burst_to_a_window(
        changes in vec((1..200_u64, prop_oneof![Just(0), 0..20 * SECOND, 55 * SECOND..65 * SECOND]), 1..40),
    ) {
        let mut limit = limit(Quota::window(100, MINUTE));
        let (mut now, mut taken): (u64, Vec<(u64, u64)>) = (0, Vec::new());
        for (set, gap) in changes {
            taken.push((now, drain(&limit, Nanos(now))));
            now += gap;
            limit = limit.reconfigure(Nanos(now), Quota::window(set, MINUTE));
            let recent: u64 = taken.iter().filter(|(at, _)| now - at <= 60 * SECOND).map(|(_, amount)| amount).sum();
            let admitted = drain(&limit, Nanos(now));
            prop_assert!(admitted <= set.saturating_sub(recent));
            taken.push((now, admitted));
        }
    }

    /// However often a bucket is changed: never more than the largest capacity and the fastest refill.
    #[test]
    fn reconfigure_gives_no_free_burst_to_a_bucket(
        changes in vec((1..200_u64, 1..300_u64, prop_oneof![Just(0), 0..20 * SECOND]), 1..40),
    ) {
        let mut limit = limit(bucket(100, 150));
        let (mut now, mut taken, mut fastest, mut largest) = (0, 0, 100, 150);
        for (set, capacity, gap) in changes {
            taken += drain(&limit, Nanos(now));
            now += gap;
            limit = limit.reconfigure(Nanos(now), bucket(set, capacity));
            (fastest, largest) = (set.max(fastest), capacity.max(largest));
            taken += drain(&limit, Nanos(now));
            prop_assert!(taken <= largest + (now * fastest).div_ceil(60 * SECOND));
        }
    }

    /// Whatever one algorithm hands to the other, no more is left than was.
    #[test]
    fn reconfigure_gives_no_free_burst_to_another_algorithm(
        before in (1..200_u64, 1..300_u64), after in (1..200_u64, 1..300_u64),
        used in 0..400_u64, to_window in any::<bool>(),
    ) {
        let (window, bucket) = (Quota::window(before.0, MINUTE), bucket(after.0, after.1));
        let (from, to) = if to_window { (bucket, window) } else { (window, bucket) };
        let limit = limit(from);
        limit.charge(Nanos(5), Nanos(5), used);
        let left = limit.status(Nanos(5)).left;
        let next = limit.reconfigure(Nanos(5), to);
        prop_assert!(next.status(Nanos(5)).left <= left);
        prop_assert!(drain(&next, Nanos(5)) <= left);
    }

    #[test]
    fn status_and_refusal_agree(set in 1..500_u64, used in 0..600_u64, needed in 1..500_u64, windowed in any::<bool>()) {
        let limit = limit(if windowed { Quota::window(set, MINUTE) } else { bucket(set, set * 2) });
        limit.charge(Nanos(5), Nanos(5), used);
        let status = limit.status(Nanos(5));
        prop_assert!((0.0..=1.0).contains(&status.fill));
        match limit.take(Nanos(5), &ask(needed)) {
            Ok(()) => prop_assert!(needed <= status.left || status.left == status.capacity),
            Err(refusal) => {
                prop_assert_eq!((refusal.left, refusal.needed, refusal.set()), (status.left, needed, set));
                prop_assert!(needed > status.left);
            }
        }
    }
}

#[test]
fn a_raised_window_has_just_the_difference_more() {
    let old = limit(Quota::window(100, MINUTE));
    assert_eq!(drain(&old, Nanos(0)), 100);
    let new = old.reconfigure(Nanos(SECOND), Quota::window(130, MINUTE));
    assert_eq!(drain(&new, Nanos(SECOND)), 30);
    assert_eq!(drain(&new, Nanos(61 * SECOND)), 100);
}

#[test]
fn a_cut_window_admits_nothing_until_enough_has_left() {
    let old = limit(Quota::window(100, MINUTE));
    assert_eq!(drain(&old, Nanos(0)), 100);
    let new = old.reconfigure(Nanos(SECOND), Quota::window(50, MINUTE));
    let refusal = new.take(Nanos(SECOND), &ask(1)).expect_err("twice the limit is in use");
    assert_eq!((refusal.left, refusal.set(), refusal.retry_after), (0, 50, Some(Duration::from_millis(59_600))));
    assert_eq!(drain(&new, Nanos(61 * SECOND)), 50);
}

#[test]
fn a_raised_bucket_fills_up_at_the_new_rate() {
    let old = limit(bucket(60, 60));
    assert_eq!(drain(&old, Nanos(0)), 60);
    let new = old.reconfigure(Nanos(0), bucket(600, 900));
    assert_eq!(drain(&new, Nanos(0)), 0);
    assert_eq!(drain(&new, Nanos(SECOND)), 10);
}

#[test]
fn a_cut_bucket_is_not_locked_out_by_its_former_size() {
    let old = limit(bucket(1_000_000, 1_000_000));
    old.take(Nanos(0), &ask(900_000)).expect("full");
    let new = old.reconfigure(Nanos(0), bucket(60, 60));
    assert_eq!(drain(&new, Nanos(0)), 60);
    assert_eq!(drain(&new, Nanos(SECOND)), 1);
}

#[test]
fn a_window_after_a_bucket_counts_what_is_in_use() {
    let old = limit(bucket(100, 1000));
    old.take(Nanos(0), &ask(120)).expect("full");
    let new = old.reconfigure(Nanos(0), Quota::window(100, MINUTE));
    assert!(new.take(Nanos(60 * SECOND), &ask(1)).is_err());
    assert_eq!(drain(&new, Nanos(61 * SECOND)), 100);
}

#[test]
fn what_has_left_a_window_is_not_handed_on() {
    for other in [bucket(100, 100), Quota::window(100, MINUTE * 2)] {
        let old = limit(Quota::window(100, MINUTE));
        assert_eq!(drain(&old, Nanos(0)), 100);
        assert_eq!(drain(&old.reconfigure(Nanos(61 * SECOND), other), Nanos(61 * SECOND)), 100);
    }
}

#[test]
fn debt_outlives_a_change() {
    for (quota, other) in [(bucket(60, 60), bucket(120, 90)), (Quota::window(60, MINUTE), Quota::window(90, MINUTE))] {
        let old = limit(quota);
        old.charge(Nanos(0), Nanos(0), 100);
        let new = old.reconfigure(Nanos(0), other);
        let refusal = new.take(Nanos(0), &ask(1)).expect_err("in debt");
        assert!(refusal.retry_after >= Some(Duration::from_secs(5)), "{refusal:?}");
    }
}

#[test]
fn calls_under_the_old_configuration_count_at_the_new_one() {
    for (quota, other) in [(bucket(60, 60), bucket(120, 60)), (Quota::window(60, MINUTE), bucket(60, 60))] {
        let old = limit(quota);
        let new = old.reconfigure(Nanos(0), other);
        let newest = new.reconfigure(Nanos(0), Quota::window(60, MINUTE));
        old.take(Nanos(0), &ask(10)).expect("room");
        old.charge(Nanos(0), Nanos(0), 20);
        new.refund(Nanos(0), 5, Priority::Normal);
        for seen in [&old, &new, &newest] {
            assert_eq!(seen.status(Nanos(0)).left, 35);
        }
    }
}

#[test]
fn an_unchanged_limit_stays_the_same() {
    let old = limit(Quota::window(100, MINUTE));
    let same = old.reconfigure(Nanos(0), Quota::window(100, MINUTE));
    assert!(Arc::ptr_eq(&old, &same));
    let changed = old.reconfigure(Nanos(0), Quota::window(90, MINUTE));
    assert!(Arc::ptr_eq(&changed, &old.reconfigure(Nanos(0), Quota::window(90, MINUTE))));
    assert_eq!(old.reconfigure(Nanos(0), Quota::window(100, MINUTE)).quota().set, 100);
}

#[test]
fn a_longer_window_goes_on_with_what_is_in_use() {
    let old = limit(Quota::window(60, MINUTE));
    old.take(Nanos(0), &ask(20)).expect("room");
    let new = old.reconfigure(Nanos(SECOND), Quota::window(1000, MINUTE * 60));
    old.refund(Nanos(0), 20, Priority::Normal);
    assert_eq!(new.status(Nanos(SECOND)).left, 980, "a charge the new window cannot place is not given back");
}

/// Takers on every handle while the limit is changed again and again: together they take what there is, once.
#[test]
fn threads_and_changes_together_never_take_more_than_there_is() {
    for (one, other) in [
        (bucket(1, 1000), bucket(2, 1000)),
        (Quota::window(1000, MINUTE), Quota::window(1000, MINUTE * 2)),
        (bucket(1, 1000), Quota::window(1000, MINUTE)),
    ] {
        let start = limit(one);
        let taken: u64 = std::thread::scope(|scope| {
            let takers: Vec<_> =
                (0..3).map(|_| scope.spawn(|| (0..2000).map(|_| drain(&start, Nanos(7))).sum::<u64>())).collect();
            let mut newest = Arc::clone(&start);
            for change in 0..200 {
                newest = newest.reconfigure(Nanos(7), if change % 2 == 0 { other } else { one });
            }
            takers.into_iter().map(|taker| taker.join().expect("no panic")).sum()
        });
        assert_eq!(taken, 1000);
    }
}

#[test]
fn capacity_is_the_rate_times_the_multiplier() {
    let capacity = |set, multiplier| match Quota::bucket(set, MINUTE, multiplier, None).algorithm {
        Algorithm::TokenBucket { capacity, .. } => capacity,
        _ => panic!("not a bucket"),
    };
    let cases = [(5000, 1.5), (50, 1.14), (10, 1.1), (5, 1.1), (3, 0.1), (7, -1.0), (7, f64::NAN)];
    assert_eq!(cases.map(|(set, by)| capacity(set, by)), [7500, 57, 11, 5, 1, 1, 1]);
}

#[test]
fn changed_permits_go_on_with_what_is_in_flight() {
    let old = Limit::new(Label::new(Scope::Key, "backend"), Kind::Requests, Quota::concurrency(2));
    assert_eq!((old.kind(), drain(&old, Nanos(0))), (Kind::Concurrency, 2));
    let new = old.reconfigure(Nanos(0), Quota::concurrency(1));
    let refusal = new.take(Nanos(0), &ask(1)).expect_err("two are in flight");
    assert_eq!((refusal.left, refusal.retry_after), (0, None));
    old.refund(Nanos(0), 1, Priority::Normal);
    assert!(new.take(Nanos(0), &ask(1)).is_err());
    new.refund(Nanos(0), 1, Priority::Normal);
    assert!(old.take(Nanos(0), &ask(1)).is_ok());
}

#[test]
fn pace_is_the_rate_at_which_waiters_go() {
    let per_second = |limit: &Arc<Limit>, now| limit.pace(Nanos(now)).expect("not permits").per_second;
    assert!((per_second(&limit(bucket(600, 900)), 0) - 10.0).abs() < 1e-6);
    let window = limit(Quota::window(600, MINUTE));
    assert!((per_second(&window, 0) - 600.0 / 60.6).abs() < 1e-6, "a hundred sub-buckets and the running one");
    window.charge(Nanos(0), Nanos(0), 305);
    assert!((per_second(&window, SECOND) - 295.0 / 60.0).abs() < 1e-6, "until the burst has left, the rest must last");
    window.charge(Nanos(SECOND), Nanos(SECOND), 305);
    assert!(per_second(&window, 2 * SECOND) > 0.0, "an estimate divides by it");
    assert_eq!(limit(Quota::window(0, MINUTE)).pace(Nanos(0)), Some(Rate { per_second: 0.0 }));
    assert_eq!(Rate { per_second: 0.0 }.time_for(1), Duration::MAX);
    assert_eq!(Limit::new(Label::new(Scope::Key, "k"), Kind::Concurrency, Quota::concurrency(3)).pace(Nanos(0)), None);
}

/// Seconds, hours and days are windows like any other.
#[test]
fn every_window_admits_its_limit_and_no_more_until_it_has_passed() {
    for seconds in [1, 60, 3_600, 86_400] {
        let length = Duration::from_secs(seconds);
        let limit = limit(Quota::window(100, length));
        let start = 7 * SECOND;
        assert_eq!(drain(&limit, Nanos(start)), 100);
        assert_eq!(drain(&limit, Nanos(start).after(length)), 0);
        assert_eq!(drain(&limit, Nanos(start).after(length + length / 60)), 100);
    }
}

/// Calls that wait while a window is full all find it empty at the same moment. They go one by one all the same.
#[test]
fn those_who_wait_are_let_go_evenly_even_if_all_is_left() {
    let limit = limit(Quota::window(600, MINUTE));
    let even = Ask { pace: Pace::Even, ..ask(1) };
    let burst = || (0..600).take_while(|_| limit.take(Nanos(0), &even).is_ok()).count();
    limit.waiting_changed(1);
    assert!(burst() < 10);
    limit.waiting_changed(-1);
    assert!(burst() >= 290);
}

#[test]
fn permits_tell_how_soon_one_commonly_comes_back() {
    let limit = Limit::new(Label::new(Scope::Provider, "lab"), Kind::Concurrency, Quota::concurrency(4));
    let set = crate::set::LimitSet::new([Arc::clone(&limit)]);
    let take = |at: u64| set.reserve(Nanos(at), ask(1)).unwrap();
    assert_eq!(limit.frees_in(), None, "nothing is known yet");
    let (first, _second) = (take(0), take(0));
    drop(take(0));
    assert_eq!(limit.frees_in(), None, "what was never sent tells nothing");
    first.settle(Nanos(SECOND), 0);
    assert_eq!(limit.frees_in(), Some(Duration::from_secs(1)), "one is in flight");
    let _others = [take(SECOND), take(SECOND), take(SECOND)];
    assert_eq!(limit.frees_in(), Some(Duration::from_millis(250)), "one of four comes back soon");
    let raised = limit.reconfigure(Nanos(SECOND), Quota::concurrency(5));
    assert_eq!(raised.frees_in(), limit.frees_in(), "other permits do not make calls faster");
}

#[test]
fn a_name_says_whose_of_what_and_in_what_time() {
    let name = |kind, quota| Limit::new(Label::new(Scope::Tenant, "acme"), kind, quota).name().to_owned();
    assert_eq!(name(Kind::Tokens, Quota::window(5, MINUTE)), "tenant-tokens-60s");
    assert_eq!(name(Kind::Concurrency, Quota::concurrency(5)), "tenant-concurrency");
}
