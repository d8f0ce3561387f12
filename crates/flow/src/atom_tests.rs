//! Every interleaving of the one atomic, by a model checker.

use super::*;
use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use loom::sync::atomic::Ordering::SeqCst;
use loom::thread;

impl Word for AtomicU64 {
    fn new(value: u64) -> Self {
        Self::new(value)
    }
    fn get(&self) -> u64 {
        self.load(SeqCst)
    }
    fn replace(&self, old: u64, new: u64) -> Result<u64, u64> {
        self.compare_exchange(old, new, SeqCst, SeqCst)
    }
    fn swap(&self, new: u64) -> u64 {
        self.swap(new, SeqCst)
    }
}

/// Takes 10 if that leaves no more than 25 taken.
fn take(number: &Atom<AtomicU64>) -> Result<bool, Closed> {
    number.update(|taken| (taken + 10 <= 25).then_some(taken + 10))
}

#[test]
fn threads_together_never_take_more_than_there_is() {
    loom::model(|| {
        let number = Arc::new(Atom::<AtomicU64>::new(0));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let number = Arc::clone(&number);
                thread::spawn(move || take(&number) == Ok(true))
            })
            .collect();
        let mine = take(&number) == Ok(true);
        let theirs = others.into_iter().map(|other| other.join().unwrap());
        let admitted = theirs.chain([mine]).filter(|&admitted| admitted).count();
        assert_eq!((admitted, number.get()), (2, Ok(20)));
    });
}

#[test]
fn a_refund_is_never_lost_among_takes() {
    loom::model(|| {
        let number = Arc::new(Atom::<AtomicU64>::new(20));
        let refunding = Arc::clone(&number);
        let refund = thread::spawn(move || refunding.update(|taken| Some(taken - 10)).unwrap());
        let admitted = take(&number) == Ok(true);
        refund.join().unwrap();
        assert_eq!(number.get(), Ok(if admitted { 20 } else { 10 }));
    });
}

#[test]
fn what_was_accepted_before_closing_is_handed_over_and_nothing_is_accepted_after() {
    loom::model(|| {
        let number = Arc::new(Atom::<AtomicU64>::new(0));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let number = Arc::clone(&number);
                thread::spawn(move || take(&number) == Ok(true))
            })
            .collect();
        let handed_over = number.close().unwrap();
        assert!(number.close().is_err());
        let admitted = others.into_iter().map(|other| u64::from(other.join().unwrap())).sum::<u64>();
        assert_eq!(handed_over, admitted * 10);
        assert!(take(&number).is_err());
    });
}

#[test]
fn charges_are_handed_over_or_sent_on_to_the_successor() {
    loom::model(|| {
        let number = Arc::new(Atom::<AtomicU64>::new(0));
        let charging = Arc::clone(&number);
        let charge = thread::spawn(move || charging.update(|used| Some(used + 7)));
        let other = Arc::clone(&number);
        let second = thread::spawn(move || other.update(|used| Some(used + 100)));
        let handed_over = number.close().unwrap();
        let charged = if charge.join().unwrap().is_ok() { 7 } else { 0 };
        let also = if second.join().unwrap().is_ok() { 100 } else { 0 };
        assert_eq!(handed_over, charged + also);
    });
}
