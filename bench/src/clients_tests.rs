use super::*;
use tokio::task::LocalSet;

#[tokio::test]
async fn calls_go_at_their_time_and_each_is_told_once() {
    let told = Rc::new(RefCell::new(Vec::new()));
    let began = Instant::now();
    let plan = (0..4_u32).map(|number| (began + Duration::from_millis(20) * number, number));
    let (seen, slow) = (Rc::clone(&told), Duration::from_millis(50));
    let call = |number: u32| async move {
        tokio::time::sleep(if number == 1 { slow * 20 } else { slow }).await;
        Ok(number)
    };
    let ended = move |place, sent: Instant, outcome: Outcome<u32>| {
        seen.borrow_mut().push((place, sent - began, outcome.map_err(|error| error.to_string())));
    };
    LocalSet::new().run_until(each_at_its_time(plan, slow * 3, call, ended)).await.unwrap();
    let mut told = told.take();
    told.sort_by_key(|(place, ..)| *place);
    let outcomes: Vec<_> = told.iter().map(|(place, _, outcome)| (*place, outcome.clone())).collect();
    assert_eq!(outcomes, [(0, Ok(0)), (1, Err("no answer in time".to_owned())), (2, Ok(2)), (3, Ok(3))]);
    // The one that is slow holds up nobody.
    for (place, sent, _) in told {
        assert!(sent >= Duration::from_millis(20) * u32::try_from(place).unwrap(), "{place}: {sent:?}");
        assert!(sent < Duration::from_millis(500), "{place}: {sent:?}");
    }
}
