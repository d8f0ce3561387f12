use super::*;
use std::time::Duration;

fn places(most: usize) -> Arc<Places> {
    Places::new(NonZeroUsize::new(most).unwrap())
}

/// Two workers' connections, as far as the line tells them apart.
fn sites() -> [Arc<Site>; 2] {
    let origin = crate::origin::Origin::split("http://localhost:1").unwrap().0;
    let to =
        Arc::new(crate::destination::Destination::new(origin, crate::destination::Settings::default(), None, None));
    [Site::new(&to, None), Site::new(&to, None)]
}

fn line_up(places: &Arc<Places>, site: &Arc<Site>) -> InLine {
    places.enter(&Arc::downgrade(site), None).unwrap_err()
}

fn is_given(line: &mut InLine) -> bool {
    line.given.try_recv().is_ok()
}

#[test]
fn there_are_never_more_places_than_that() {
    let places = places(2);
    let [site, _] = sites();
    let here = Arc::downgrade(&site);
    let first = places.enter(&here, None).unwrap();
    let _second = places.enter(&here, None).unwrap();
    drop(places.enter(&here, None).unwrap_err());
    drop(first);
    let third = places.enter(&here, None).unwrap();
    drop(places.enter(&here, None).unwrap_err());
    drop(third);
    assert_eq!(places.0.lock().free, 1);
    assert!(places.0.lock().waiting.is_empty());
    assert!(places.0.lock().sites.iter().all(|here| here.waiting.is_empty()), "who left is forgotten everywhere");
}

#[test]
fn a_place_goes_to_whoever_waits_longest_wherever() {
    let places = places(1);
    let [here, there] = sites();
    let place = places.enter(&Arc::downgrade(&here), None).unwrap();
    let gone = line_up(&places, &here);
    let mut first = line_up(&places, &there);
    let mut second = line_up(&places, &here);
    drop(gone);
    drop(place);
    assert!(!is_given(&mut second));
    let Ok(Given::Place(place)) = first.given.try_recv() else { panic!("the first was given nothing") };
    drop(place);
    assert!(is_given(&mut second));
}

#[test]
fn what_one_who_left_was_given_goes_to_the_next() {
    let places = places(1);
    let [here, _] = sites();
    let place = places.enter(&Arc::downgrade(&here), None).unwrap();
    let first = line_up(&places, &here);
    let mut second = line_up(&places, &here);
    drop(place);
    drop(first);
    assert!(is_given(&mut second), "the place was lost");
    let _place = places.enter(&Arc::downgrade(&here), None).unwrap();
    let looking = line_up(&places, &here);
    let mut next = line_up(&places, &here);
    assert!(matches!(places.tell(&Arc::downgrade(&here), false), Next::Taken));
    drop(looking);
    assert!(matches!(next.given.try_recv(), Ok(Given::Look)), "nobody looks");
}

#[test]
fn whoever_lines_up_again_stands_where_he_stood() {
    let places = places(1);
    let [here, _] = sites();
    let site = Arc::downgrade(&here);
    let _place = places.enter(&site, None).unwrap();
    let first = line_up(&places, &here);
    let arrival = first.arrival();
    let mut second = line_up(&places, &here);
    drop(first);
    let mut again = places.enter(&site, Some(arrival)).unwrap_err();
    assert!(matches!(places.tell(&site, false), Next::Taken));
    assert!(is_given(&mut again));
    assert!(!is_given(&mut second));
}

#[test]
fn room_goes_to_ones_own_and_after_a_while_to_others() {
    let places = places(1);
    let [here, there] = sites();
    let site = Arc::downgrade(&here);
    let _place = places.enter(&site, None).unwrap();
    let _elsewhere = line_up(&places, &there);
    for _ in 0..PASSES {
        let mut own = line_up(&places, &here);
        assert!(matches!(places.tell(&site, false), Next::Taken));
        assert!(is_given(&mut own));
    }
    let mut own = line_up(&places, &here);
    assert!(matches!(places.tell(&site, false), Next::Goes));
    assert!(!is_given(&mut own));
}

#[test]
fn what_nobody_here_wants_goes_at_once_when_it_is_idle_and_later_when_not() {
    let places = places(1);
    let [here, there] = sites();
    let site = Arc::downgrade(&here);
    assert!(matches!(places.tell(&site, true), Next::Stays), "nobody waits at all");
    let _place = places.enter(&site, None).unwrap();
    let _elsewhere = line_up(&places, &there);
    assert!(matches!(places.tell(&site, true), Next::Goes));
    for _ in 0..PASSES {
        assert!(matches!(places.tell(&site, false), Next::Stays));
    }
    assert!(matches!(places.tell(&site, false), Next::Goes));
}

#[tokio::test]
async fn waiting_ends_with_what_is_given() {
    let places = places(1);
    let [here, _] = sites();
    let place = places.enter(&Arc::downgrade(&here), None).unwrap();
    let mut line = line_up(&places, &here);
    assert!(tokio::time::timeout(Duration::from_millis(10), line.given()).await.is_err());
    drop(place);
    assert!(matches!(line.given().await, Given::Place(_)));
}
