use super::Events;
use proptest::prelude::*;
use sluicegate_flow::Nanos;

proptest! {
    #[test]
    fn virtual_time_never_goes_back(plans in prop::collection::vec((0_u64..100, 0_u64..100), 1..50)) {
        let mut events = Events::new();
        for (at, _) in &plans {
            events.plan(Nanos(*at), *at);
        }
        let (mut last, mut seen) = (Nanos::ZERO, 0);
        let mut late = plans.iter();
        while let Some((now, _)) = events.next() {
            prop_assert!(now >= last);
            last = now;
            seen += 1;
            // More is planned while time passes, some of it for the past.
            if let Some((_, at)) = late.next() {
                events.plan(Nanos(*at), *at);
            }
        }
        prop_assert_eq!(seen, 2 * plans.len());
    }
}

#[test]
fn what_is_due_together_happens_in_the_order_of_planning() {
    let mut events = Events::new();
    for number in 0..100 {
        events.plan(Nanos(5), number);
    }
    let order: Vec<i32> = std::iter::from_fn(|| events.next()).map(|(_, number)| number).collect();
    assert_eq!(order, (0..100).collect::<Vec<i32>>());
}
