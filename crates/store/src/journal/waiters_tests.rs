use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Wake;

#[derive(Default)]
struct Bell(AtomicU32);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// So many who wait on this thread for records that follow one another.
fn several(waiters: &Waiters, count: u64) -> Vec<(Arc<Bell>, Place)> {
    let enter = |record| {
        let bell = Arc::new(Bell::default());
        (Arc::clone(&bell), waiters.enter(record, bell.into()))
    };
    (0..count).map(enter).collect()
}

fn rung(several: &[(Arc<Bell>, Place)]) -> Vec<u32> {
    several.iter().map(|(bell, _)| bell.0.load(Ordering::Relaxed)).collect()
}

#[test]
fn one_of_a_thread_is_woken_from_outside_and_wakes_the_others_that_are_ready() {
    let waiters = Waiters::default();
    let here = several(&waiters, 5);
    let there = std::thread::scope(|scope| scope.spawn(|| several(&waiters, 3)).join().unwrap());
    let ready = |record| record < 4;
    assert!(waiters.wake(ready));
    assert_eq!((rung(&here), rung(&there)), (vec![1, 0, 0, 0, 0], vec![1, 0, 0]));
    // Whether it has been polled or dropped: it leaves.
    waiters.leave(here[0].1, ready);
    assert_eq!((rung(&here), rung(&there)), (vec![1, 1, 1, 1, 0], vec![1, 0, 0]));
    here[1..4].iter().for_each(|(_, place)| waiters.leave(*place, ready));
    waiters.leave(there[0].1, ready);
    assert_eq!((rung(&here), rung(&there)), (vec![1, 1, 1, 1, 0], vec![1, 1, 1]));
    assert!(waiters.wake(|_| true));
    assert_eq!(rung(&here), [1, 1, 1, 1, 1]);
    assert!(!waiters.wake(|_| true));
}

#[test]
fn one_that_leaves_unwoken_is_woken_no_more_and_one_that_does_nothing_keeps_nobody_waiting() {
    let waiters = Waiters::default();
    let all = several(&waiters, 4);
    waiters.leave(all[1].1, |_| false);
    assert_eq!(rung(&all), [0, 0, 0, 0]);
    for _ in 0..3 {
        assert!(waiters.wake(|_| true));
    }
    assert_eq!((rung(&all), waiters.wake(|_| true)), (vec![1, 0, 1, 1], false));
}

#[test]
fn who_is_polled_by_another_waker_is_woken_by_that() {
    let waiters = Waiters::default();
    let all = several(&waiters, 1);
    let other = Arc::new(Bell::default());
    waiters.renew(all[0].1, &Arc::clone(&other).into());
    assert!(waiters.wake(|_| true));
    assert_eq!((rung(&all), other.0.load(Ordering::Relaxed)), (vec![0], 1));
}
