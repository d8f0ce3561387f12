use super::*;
use std::future::pending;

fn kept() -> usize {
    PLACES.with_borrow(Vec::len)
}

#[test]
fn a_place_is_given_back_empty_and_no_more_are_kept_than_agreed() {
    let held = Arc::new(());
    let all: Vec<Lent> = (0..KEPT + 10)
        .map(|_| {
            let held = Arc::clone(&held);
            let work = async move {
                let _held = held;
                pending().await
            };
            // A future that was never polled holds what it was given all the same.
            let room = Room { answer: move |_, _| -> _ { unreachable!("no call begins here") }, work: Some(work) };
            Lent(Some(Box::pin(room)))
        })
        .collect();
    assert_eq!((Arc::strong_count(&held), kept()), (KEPT + 11, 0));
    drop(all);
    assert_eq!((Arc::strong_count(&held), kept()), (1, KEPT));
}
