use super::*;
use sluicegate_vocabulary::CallId;

fn receipt(number: u128) -> Receipt {
    Receipt { id: CallId::from_random(number), ..Receipt::default() }
}

#[test]
fn what_is_given_back_is_not_taken_again_and_goes_away_as_new_ones_come() {
    let receipts = Receipts::new(Counter::default());
    (0..3).for_each(|number| receipts.push(receipt(number)));
    let taken = receipts.take();
    assert_eq!(
        taken.iter().map(|one| one.id.clone()).collect::<Vec<_>>(),
        (0..3).map(CallId::from_random).collect::<Vec<_>>()
    );
    receipts.give_back(taken);
    assert!(receipts.take().is_empty());
    receipts.push(receipt(3));
    assert_eq!(receipts.kept.lock().old.len(), 2);
    assert_eq!(receipts.take().len(), 1);
}

#[test]
fn receipts_over_the_bound_are_dropped_and_counted() {
    let dropped = Counter::default();
    let receipts = Receipts::new(dropped.clone());
    (0..CAPACITY + 2).for_each(|_| receipts.push(Receipt::default()));
    assert_eq!((receipts.take().len(), dropped.get()), (CAPACITY, 2));
}
