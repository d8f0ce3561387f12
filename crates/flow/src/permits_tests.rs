use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::atomic::AtomicU64;

type Plain = Permits<AtomicU64>;

const CLASSES: [Priority; 4] = [Priority::Low, Priority::Normal, Priority::High, Priority::Critical];

#[derive(Debug, Clone)]
enum Step {
    Take(Priority),
    End(prop::sample::Index),
    Resize(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::sample::select(CLASSES.to_vec()).prop_map(Step::Take),
        3 => any::<prop::sample::Index>().prop_map(Step::End),
        1 => prop_oneof![0..5_u64, 0..60_u64].prop_map(Step::Resize),
    ]
}

fn count(flight: &[Priority], classes: &[Priority]) -> u64 {
    flight.iter().filter(|class| classes.contains(class)).count() as u64
}

proptest! {
    /// Against a list of who is in flight.
    #[test]
    fn in_flight_never_exceeds_the_limit_or_what_was_when_it_was_cut(limit in 0..60_u64, steps in vec(step(), 1..400)) {
        let (mut limit, mut permits, mut flight) = (limit, Plain::new(limit), Vec::new());
        let mut at_resize = 0;
        for step in steps {
            match step {
                Step::Take(class) => {
                    let lower = count(&flight, &[Priority::Low, Priority::Normal]);
                    let fits = match class {
                        Priority::Low => lower < (limit * 95).div_ceil(100) && count(&flight, &[class]) < (limit * 90).div_ceil(100),
                        Priority::Normal => lower < (limit * 95).div_ceil(100),
                        _ => true,
                    };
                    let fits = fits && (flight.len() as u64) < limit;
                    prop_assert_eq!(permits.take(class).is_ok(), fits, "{:?} of {} with {:?}", class, limit, flight);
                    flight.extend(fits.then_some(class));
                }
                Step::End(which) if !flight.is_empty() => {
                    permits.refund(flight.swap_remove(which.index(flight.len()))).expect("open");
                }
                Step::End(_) => {}
                Step::Resize(to) => {
                    let level = permits.close().expect("open");
                    (limit, permits) = (to, Plain::resume(to, level.flight));
                    at_resize = flight.len() as u64;
                }
            }
            prop_assert!(flight.len() as u64 <= limit.max(at_resize));
            prop_assert_eq!(permits.gauge().expect("open").left, limit.saturating_sub(flight.len() as u64));
        }
        for class in flight {
            permits.refund(class).expect("open");
        }
        prop_assert_eq!(permits.is_idle(), Ok(true));
    }
}

fn fill(permits: &Plain, class: Priority) -> u64 {
    let mut taken = 0;
    while permits.take(class).is_ok() {
        taken += 1;
    }
    taken
}

#[test]
fn lower_classes_leave_room_for_the_upper_ones() {
    for (limit, low, lower) in [(0, 0, 0), (1, 1, 1), (2, 2, 2), (10, 9, 10), (20, 18, 19), (100, 90, 95)] {
        let permits = Plain::new(limit);
        assert_eq!(fill(&permits, Priority::Low), low);
        assert_eq!(fill(&permits, Priority::Normal), lower - low);
        assert_eq!(fill(&permits, Priority::High), limit - lower);
        assert_eq!(fill(&permits, Priority::Critical), 0);
    }
}

#[test]
fn refusal_tells_a_full_limit_from_one_kept_for_others() {
    let reason = |permits: &Plain, class| match permits.take(class) {
        Err(Refused::Short(short)) => short.reason,
        other => panic!("{other:?}"),
    };
    let permits = Plain::new(20);
    fill(&permits, Priority::Low);
    assert_eq!(reason(&permits, Priority::Low), Reason::Class);
    fill(&permits, Priority::Critical);
    assert_eq!(reason(&permits, Priority::Low), Reason::Exhausted);
    assert_eq!(reason(&Plain::new(0), Priority::Critical), Reason::NeverFits);
}

#[test]
fn whoever_is_let_in_by_force_counts() {
    let permits = Plain::new(1);
    for _ in 0..3 {
        permits.force(Priority::Low).expect("open");
    }
    permits.refund(Priority::Low).expect("open");
    permits.refund(Priority::Low).expect("open");
    assert!(permits.take(Priority::Low).is_err());
    permits.refund(Priority::Low).expect("open");
    assert_eq!(permits.take(Priority::Low), Ok(()));
}

#[test]
fn the_largest_limit_counts_right() {
    let permits = Plain::new(u64::MAX);
    assert_eq!(permits.gauge().expect("open").left, MOST);
    assert_eq!(permits.take(Priority::Normal), Ok(()));
    assert_eq!(permits.gauge().expect("open").left, MOST - 1);
}

/// Every interleaving, by a model checker.
mod interleavings {
    use super::*;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicU64;
    use loom::thread;

    #[test]
    fn threads_of_all_classes_keep_every_bound() {
        loom::model(|| {
            // Of twenty permits 18 are taken, by the low class: of the last two one is open to the lower classes.
            let flight = Flight { total: 18, normal: 0, low: 18 };
            let permits = Arc::new(Permits::<AtomicU64>::resume(20, flight));
            let lower = [Priority::Normal, Priority::Normal].map(|class| {
                let permits = Arc::clone(&permits);
                thread::spawn(move || permits.take(class).is_ok())
            });
            let upper = permits.take(Priority::High).is_ok();
            let lower: Vec<bool> = lower.into_iter().map(|thread| thread.join().unwrap()).collect();
            assert!(upper && lower.iter().filter(|&&admitted| admitted).count() == 1);
            assert_eq!(permits.gauge().unwrap().left, 0);
        });
    }

    #[test]
    fn every_permit_comes_back_whatever_happens_meanwhile() {
        loom::model(|| {
            let permits = Arc::new(Permits::<AtomicU64>::new(1));
            let others = [Priority::Low, Priority::Critical].map(|class| {
                let permits = Arc::clone(&permits);
                thread::spawn(move || {
                    if permits.take(class).is_ok() {
                        permits.refund(class).unwrap();
                    }
                })
            });
            for other in others {
                other.join().unwrap();
            }
            assert_eq!(permits.is_idle(), Ok(true));
        });
    }

    #[test]
    fn a_resize_loses_no_permit() {
        loom::model(|| {
            let old = Arc::new(Permits::<AtomicU64>::new(3));
            old.take(Priority::Normal).unwrap();
            let ending = Arc::clone(&old);
            let end = thread::spawn(move || ending.refund(Priority::Normal));
            let taking = Arc::clone(&old);
            let take = thread::spawn(move || taking.take(Priority::High));
            let new = Permits::<AtomicU64>::resume(5, old.close().unwrap().flight);
            // Whoever found the old one closed goes on to the new one.
            if end.join().unwrap().is_err() {
                new.refund(Priority::Normal).unwrap();
            }
            if take.join().unwrap() == Err(Refused::Closed) {
                new.take(Priority::High).unwrap();
            }
            assert_eq!(new.gauge().unwrap().left, 4);
        });
    }
}

#[test]
fn another_number_of_permits_holds_at_once_and_what_is_beyond_it_drains() {
    let permits: Permits<std::sync::atomic::AtomicU64> = Permits::new(2);
    let take = || permits.take(Priority::High).is_ok();
    assert!(take() && take() && !take());
    permits.resize(3).unwrap();
    assert!(take() && !take());
    permits.resize(1).unwrap();
    for in_flight in [3, 2, 1] {
        assert!(!take(), "{in_flight} in flight of one");
        permits.refund(Priority::High).unwrap();
    }
    assert!(take() && !take());
    permits.close().unwrap();
    assert!(permits.resize(5).is_err(), "its successor has to be told");
}
