use super::*;

#[test]
fn what_is_taken_is_given_back_and_never_more_than_there_is() {
    let budget = Arc::new(Budget::default());
    let mut first = Share::new(&budget);
    assert!(first.take(MOST - 10));
    let mut second = Share::new(&budget);
    assert!(!second.take(11));
    assert!(second.take(10));
    drop(first);
    drop(second);
    assert_eq!(budget.used.load(Ordering::Relaxed), 0);
}
