use super::*;

fn call(class: Priority, flow: u64) -> Call {
    Call { class, flow, cost: 100 }
}

fn enter(turnstile: &Turnstile, class: Priority, flow: u64) -> InLine<'_> {
    turnstile.enter(Nanos(1), [1, 2, 4, 8], call(class, flow))
}

#[test]
fn the_first_is_next_and_leaving_calls_the_one_behind() {
    let turnstile = Turnstile::new();
    let first = enter(&turnstile, Priority::Normal, 1);
    let second = enter(&turnstile, Priority::Normal, 1);
    assert!(first.is_next() && !second.is_next());
    assert_eq!(turnstile.waiting(), 2);
    drop(first);
    assert!(second.is_next());
    second.goes(Nanos(2));
    assert_eq!(turnstile.waiting(), 0);
}

#[tokio::test]
async fn whoever_is_next_is_called_however_the_one_before_left() {
    let turnstile = Turnstile::new();
    for goes in [true, false] {
        let first = enter(&turnstile, Priority::Normal, 1);
        let second = enter(&turnstile, Priority::Normal, 2);
        if goes {
            first.goes(Nanos(2))
        } else {
            drop(first)
        }
        tokio::time::timeout(Duration::from_secs(1), second.called()).await.expect("nobody called");
    }
}

#[test]
fn classes_are_served_by_weight_and_callers_evenly() {
    let turnstile = Turnstile::new();
    let mut waiting: Vec<(u64, InLine<'_>)> = Vec::new();
    for _ in 0..60 {
        for (who, class) in [(1, Priority::High), (2, Priority::Low), (3, Priority::Low)] {
            waiting.push((who, enter(&turnstile, class, who)));
        }
    }
    let mut served = [0; 4];
    for at in 0..60 {
        let next = waiting.iter().position(|(_, place)| place.is_next()).unwrap();
        let (who, place) = waiting.remove(next);
        served[who as usize] += 1;
        place.goes(Nanos(at));
    }
    assert_eq!(served, [0, 48, 6, 6], "weights are four to one, and the two of the low class are equals");
}

#[test]
fn a_wait_is_expected_from_who_is_served_before_and_how_fast() {
    let turnstile = Turnstile::new();
    let mut places: Vec<_> = (0..12).map(|_| enter(&turnstile, Priority::Normal, 1)).collect();
    assert!(places[11].expected(Nanos(1)).is_none(), "nobody has gone yet");
    for second in 1..=5 {
        places.remove(0).goes(Nanos(second * 1_000_000_000));
    }
    let last = places.last().unwrap().expected(Nanos(6_000_000_000)).unwrap();
    assert!((Duration::from_secs(5)..=Duration::from_secs(7)).contains(&last), "six wait before it: {last:?}");
}
