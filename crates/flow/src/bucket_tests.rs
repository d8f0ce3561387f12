use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;
const MINUTE: Duration = Duration::from_secs(60);

fn wait(refused: Refused) -> Duration {
    match refused {
        Refused::Short(short) => short.wait.expect("fits some time"),
        Refused::Closed => panic!("closed"),
    }
}

fn gap() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(0), 2 => 1..SECOND, 1 => 0..200 * SECOND, 1 => Just(SECOND), 1 => 0..3_u64]
}

fn step() -> impl Strategy<Value = Option<Duration>> {
    prop_oneof![Just(None), (1..5000_u64).prop_map(|ms| Some(Duration::from_millis(ms)))]
}

prop_compose! {
    /// Buckets with odd rates: set per minute, capacity, step.
    fn bucket()(set in 1..100_000_u64, share in 1..300_u64, step in step()) -> (u64, u64, Option<Duration>) {
        (set, (set * share / 100).max(1), step)
    }
}

proptest! {
    /// Between any two moments, what was taken less what was given back is at most the capacity and the refill, one
    /// step's refill more, and for a call larger than the bucket what it is larger by.
    #[test]
    fn bucket_never_exceeds_burst_plus_rate(
        (set, capacity, step) in bucket(),
        trace in vec((gap(), prop_oneof![Just(1.0), 0.0..0.3_f64, 0.9..1.3_f64], 0..3_u8), 1..100),
    ) {
        let bucket = TokenBucket::new(set, MINUTE, capacity, step);
        let (mut now, mut ledger): (u64, Vec<(u64, i128)>) = (0, Vec::new());
        let mut refundable = Vec::new();
        for (gap, share, action) in trace {
            now += gap;
            let amount = (capacity as f64 * share) as u64;
            if action > 0 && bucket.take(Nanos(now), amount).is_ok() {
                ledger.push((now, i128::from(amount)));
                refundable.push(amount);
            } else if let Some(amount) = refundable.pop().filter(|_| action == 0) {
                bucket.refund(amount).expect("open");
                ledger.push((now, -i128::from(amount)));
            }
        }
        let largest = ledger.iter().map(|entry| entry.1).max().unwrap_or(0);
        let oversize = (largest - i128::from(capacity)).max(0);
        for (first, &(from, _)) in ledger.iter().enumerate() {
            let mut net = 0;
            for &(at, amount) in &ledger[first..] {
                net += amount;
                let span = u128::from(at - from) + step.map_or(0, |step| step.as_nanos());
                let refilled = (span * u128::from(set)).div_ceil(MINUTE.as_nanos()) as i128;
                prop_assert!(net <= i128::from(capacity) + refilled + oversize, "{net} in {} ns", at - from);
            }
        }
    }

    /// Against the other way to keep a bucket, a level and the time it was last refilled.
    #[test]
    fn level_agrees_with_a_plain_bucket(
        (set, capacity, step) in bucket(),
        trace in vec((gap(), 0.0..1.5_f64, 0..3_u8), 1..100),
    ) {
        let bucket = TokenBucket::new(set, MINUTE, capacity, step);
        let token = i128::from(bucket.refill.token);
        let brim = i128::from(capacity) * token;
        let (mut now, mut filled, mut level) = (0, 0, brim);
        for (gap, share, action) in trace {
            now += gap;
            let stepped = now - step.map_or(0, |step| now % step.as_nanos() as u64);
            level = brim.min(level + i128::from(stepped - filled) * i128::from(TICKS));
            filled = stepped;
            let amount = (capacity as f64 * share) as u64;
            let cost = i128::from(amount) * token;
            match action {
                0 => {
                    let fits = level >= cost.min(brim);
                    prop_assert_eq!(bucket.take(Nanos(now), amount).is_ok(), fits);
                    level -= if fits { cost } else { 0 };
                }
                1 => {
                    bucket.refund(amount).expect("open");
                    level = brim.min(level + cost);
                }
                _ => {
                    bucket.charge(Nanos(now), amount).expect("open");
                    level -= cost;
                }
            }
            let left = bucket.gauge(Nanos(now)).expect("open").left;
            prop_assert_eq!(i128::from(left), level.max(0) / token);
        }
    }

    #[test]
    fn retry_after_is_true_and_no_longer_than_needed(
        (set, capacity, step) in bucket(), start in 0..100 * SECOND, debt in 0.0..3.0_f64, share in 0.0..2.0_f64,
    ) {
        let bucket = TokenBucket::new(set, MINUTE, capacity, step);
        bucket.charge(Nanos(start), (capacity as f64 * debt) as u64).expect("open");
        let amount = (capacity as f64 * share) as u64;
        if let Err(refused) = bucket.take(Nanos(start), amount) {
            let then = Nanos(start).after(wait(refused));
            prop_assert!(bucket.shortfall(Nanos(then.0 - 1), amount).expect("open").is_some(), "an earlier time would do");
            prop_assert_eq!(bucket.take(then, amount), Ok(()));
        }
    }

    #[test]
    fn what_is_taken_and_given_back_leaves_the_level(
        (set, capacity, step) in bucket(), used in 0.0..1.0_f64, share in 0.0..1.0_f64, now in 0..100 * SECOND,
    ) {
        let bucket = TokenBucket::new(set, MINUTE, capacity, step);
        bucket.take(Nanos(now), (capacity as f64 * used) as u64).expect("full");
        let before = bucket.gauge(Nanos(now)).expect("open");
        let amount = (before.left as f64 * share) as u64;
        bucket.take(Nanos(now), amount).expect("fits");
        bucket.refund(amount).expect("open");
        prop_assert_eq!(bucket.gauge(Nanos(now)).expect("open"), before);
    }

    #[test]
    fn a_full_bucket_holds_exactly_its_capacity(set in 1..10_000_000_u64, capacity in 1..2000_u64, now in 0..SECOND) {
        let bucket = TokenBucket::new(set, MINUTE, capacity, None);
        for _ in 0..capacity {
            prop_assert_eq!(bucket.take(Nanos(now), 1), Ok(()));
        }
        prop_assert!(bucket.take(Nanos(now), 1).is_err());
    }

    #[test]
    fn clock_step_back_safe(
        (set, capacity, _) in bucket(), trace in vec((gap(), 0..300 * SECOND), 1..100),
    ) {
        let bucket = TokenBucket::new(set, MINUTE, capacity, None);
        let (mut newest, mut taken) = (0, 0);
        for (gap, back) in trace {
            let now = (newest + gap).saturating_sub(back);
            newest = newest.max(now);
            for _ in 0..50 {
                taken += u128::from(bucket.take(Nanos(now), 1).is_ok());
            }
            let refilled = (u128::from(newest) * u128::from(set)).div_ceil(MINUTE.as_nanos());
            prop_assert!(taken <= u128::from(capacity) + refilled);
        }
    }

    #[test]
    fn any_input_is_answered(
        set in any::<u64>(), length in any::<u64>(), capacity in any::<u64>(), step in any::<Option<u64>>(),
        steps in vec((any::<u64>(), any::<u64>(), 0..4_u8), 1..50),
    ) {
        let bucket = TokenBucket::new(set, Duration::from_nanos(length), capacity, step.map(Duration::from_nanos));
        for (now, amount, action) in steps {
            match action {
                0 => drop(bucket.take(Nanos(now), amount)),
                1 => drop(bucket.refund(amount)),
                2 => drop(bucket.charge(Nanos(now), amount)),
                _ => prop_assert!(bucket.gauge(Nanos(now)).expect("open").left <= capacity),
            }
        }
    }
}

#[test]
fn rate_stays_within_a_ten_thousandth_below_its_setting() {
    for set in [1, 7, 600, 5_000, 499_999, 7_000_001, 100_000_000] {
        let bucket = TokenBucket::new(set, MINUTE, 1, None);
        let real = MINUTE.as_nanos() as f64 * TICKS as f64 / bucket.refill.token as f64;
        assert!(real <= set as f64 && real > set as f64 * 0.9999, "{set} became {real}");
    }
}

#[test]
fn a_call_larger_than_the_bucket_is_admitted_when_full_and_leaves_debt() {
    let bucket = TokenBucket::new(60, MINUTE, 90, None);
    bucket.take(Nanos(0), 1).expect("full");
    assert_eq!(wait(bucket.take(Nanos(0), 200).expect_err("not full")), Duration::from_secs(1));
    bucket.take(Nanos(SECOND), 200).expect("full again");
    assert_eq!(bucket.gauge(Nanos(SECOND)).expect("open").left, 0);
    assert_eq!(wait(bucket.take(Nanos(SECOND), 1).expect_err("in debt")), Duration::from_secs(111));
}

#[test]
fn overage_is_charged_in_full_to_a_bucket_long_full() {
    let bucket = TokenBucket::new(60, MINUTE, 90, None);
    bucket.charge(Nanos(1000 * SECOND), 30).expect("open");
    assert_eq!(bucket.gauge(Nanos(1000 * SECOND)).expect("open").left, 60);
}

#[test]
fn refund_never_lifts_a_bucket_over_its_capacity() {
    let bucket = TokenBucket::new(60, MINUTE, 90, None);
    bucket.take(Nanos(0), 50).expect("full");
    bucket.refund(50).expect("open");
    bucket.refund(50).expect("open");
    assert_eq!(bucket.gauge(Nanos(0)).expect("open").left, 90);
    bucket.take(Nanos(0), 90).expect("full");
    assert!(bucket.take(Nanos(0), 1).is_err());
}

#[test]
fn stepwise_refill_arrives_in_steps() {
    let bucket = TokenBucket::new(6000, MINUTE, 100, Some(Duration::from_millis(50)));
    bucket.take(Nanos(0), 100).expect("full");
    let left = |ms: u64| bucket.gauge(Nanos(ms * 1_000_000)).expect("open").left;
    assert_eq!([0, 49, 50, 99, 100, 999, 1000].map(left), [0, 0, 5, 5, 10, 95, 100]);
    assert_eq!(bucket.gauge(Nanos(1)).expect("open").full_in, Duration::from_nanos(SECOND - 1));
}

#[test]
fn bucket_that_gains_nothing_admits_nothing() {
    let bucket = TokenBucket::new(0, MINUTE, 100, None);
    assert_eq!(
        bucket.take(Nanos(0), 1),
        Err(Refused::Short(Shortfall { left: 0, wait: None, reason: Reason::NeverFits }))
    );
}
