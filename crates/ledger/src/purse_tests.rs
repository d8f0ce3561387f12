//! Every interleaving of the one number, by a model checker.

use super::*;
use loom::sync::Arc;
use loom::sync::atomic::AtomicI64;
use loom::sync::atomic::Ordering::SeqCst;
use loom::thread;

impl Word for AtomicI64 {
    fn new(value: i64) -> Self {
        Self::new(value)
    }
    fn get(&self) -> i64 {
        self.load(SeqCst)
    }
    fn replace(&self, old: i64, new: i64) -> Result<i64, i64> {
        self.compare_exchange(old, new, SeqCst, SeqCst)
    }
}

#[test]
fn threads_together_never_take_a_purse_below_its_floor() {
    loom::model(|| {
        let purse = Arc::new(Purse::<AtomicI64>::new(25));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let purse = Arc::clone(&purse);
                thread::spawn(move || purse.take(10, 5).is_ok())
            })
            .collect();
        let mine = purse.take(10, 5).is_ok();
        let theirs = others.into_iter().map(|other| other.join().unwrap());
        let taken = theirs.chain([mine]).filter(|&taken| taken).count();
        assert_eq!((taken, purse.get()), (2, 5));
    });
}

#[test]
fn what_is_given_back_while_others_take_is_neither_lost_nor_doubled() {
    loom::model(|| {
        let purse = Arc::new(Purse::<AtomicI64>::new(0));
        let giving = Arc::clone(&purse);
        let giver = thread::spawn(move || giving.add(10));
        let taken = purse.take(10, 0).is_ok();
        giver.join().unwrap();
        assert_eq!(purse.get(), if taken { 0 } else { 10 });
    });
}

#[test]
fn nothing_wraps_at_the_ends_of_the_range() {
    loom::model(|| {
        let purse = Purse::<AtomicI64>::new(i64::MIN + 5);
        assert_eq!(purse.take(i64::MAX, i64::MIN), Err(5));
        assert_eq!(purse.add(i64::MIN), i64::MIN);
        assert_eq!(Purse::<AtomicI64>::new(i64::MAX).add(1), i64::MAX);
        assert_eq!(purse.take(0, 0), Ok(()));
    });
}
