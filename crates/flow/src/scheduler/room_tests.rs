use super::*;

const LOW: Priority = Priority::Low;
const NORMAL: Priority = Priority::Normal;
const CRITICAL: Priority = Priority::Critical;

fn guest(id: u64, class: Priority, flow: u64) -> Guest {
    Guest { id, class, flow, bytes: 100, latest: Nanos(1_000 + id) }
}

/// A room for ten calls, filled with these.
fn full(guests: &[Guest]) -> (Room, Bounds) {
    let bounds = Bounds { calls: 10, bytes: 1 << 20, class_share: [20, 30, 30, 50], ..Bounds::default() };
    let mut room = Room::default();
    guests.iter().for_each(|guest| room.enter(&bounds, guest));
    assert_eq!(room.taken().calls, 10);
    (room, bounds)
}

fn leaving(guests: &[Guest], newcomer: Guest) -> Option<Vec<u64>> {
    let (mut room, bounds) = full(guests);
    let find = |id: u64| guests.iter().copied().find(|guest| guest.id == id);
    let out = room.make_way(&bounds, &newcomer, || guests.iter().copied(), find)?;
    assert_eq!(room.taken().calls, 10, "they have yet to leave");
    Some(out.into_iter().map(|guest| guest.id).collect())
}

#[test]
fn the_lowest_class_beyond_its_share_loses_the_last_of_its_largest_flow() {
    let mut guests: Vec<Guest> = (0..4).map(|id| guest(id, LOW, id / 3)).collect();
    guests.extend((4..10).map(|id| guest(id, NORMAL, id)));
    assert_eq!(leaving(&guests, guest(99, CRITICAL, 50)), Some(vec![2]));
}

#[test]
fn a_class_within_its_share_is_left_alone() {
    let mut guests: Vec<Guest> = (0..2).map(|id| guest(id, LOW, 1)).collect();
    guests.extend((2..10).map(|id| guest(id, NORMAL, 2)));
    assert_eq!(leaving(&guests, guest(99, CRITICAL, 50)), Some(vec![9]), "low has its fifth, normal far more");
    assert_eq!(leaving(&guests, guest(99, LOW, 1)), None, "low would have more than its fifth");
}

#[test]
fn a_class_that_has_less_than_its_share_takes_it_even_from_a_higher_one() {
    let guests: Vec<Guest> = (0..10).map(|id| guest(id, CRITICAL, 1)).collect();
    assert_eq!(leaving(&guests, guest(99, LOW, 2)), Some(vec![9]));
}

#[test]
fn within_a_class_the_flow_that_takes_most_gives_way_to_the_others() {
    let guests: Vec<Guest> = (0..10).map(|id| guest(id, NORMAL, u64::from(id == 9))).collect();
    assert_eq!(leaving(&guests, guest(99, NORMAL, 2)), Some(vec![8]));
    assert_eq!(leaving(&guests, guest(99, NORMAL, 0)), None, "the newcomer would be its own flow's last");
}

#[test]
fn one_flow_may_have_the_whole_room_while_nobody_else_wants_it() {
    let guests: Vec<Guest> = (0..10).map(|id| guest(id, LOW, 1)).collect();
    full(&guests);
}

#[test]
fn nobody_is_pushed_out_in_vain() {
    let guests: Vec<Guest> = (0..10).map(|id| guest(id, LOW, 1)).collect();
    let (mut room, bounds) = full(&guests);
    let huge = Guest { bytes: bounds.bytes, ..guest(99, CRITICAL, 2) };
    let find = |id: u64| guests.iter().copied().find(|guest| guest.id == id);
    assert!(room.make_way(&bounds, &huge, || guests.iter().copied(), find).is_none());
    assert_eq!((room.taken().calls, room.of_flow(1), room.of_class(LOW).bytes), (10, 10, 1_000));
}

#[test]
fn when_all_have_left_nothing_is_taken_whether_or_not_anybody_looked() {
    for looked in [false, true] {
        let guests: Vec<Guest> = (0..10).map(|id| guest(id, CLASSES[id as usize % 4], id / 3)).collect();
        let (mut room, bounds) = full(&guests);
        if looked {
            room.look_closely(&bounds, guests.iter().copied());
        }
        assert_eq!(room.earliest(LOW, 0), looked.then_some(Nanos(1_000)));
        for (left, guest) in (1..).zip(&guests) {
            room.leave(&bounds, guest);
            assert_eq!(room.taken(), Taken { calls: 10 - left, bytes: 1_000 - 100 * left });
        }
        assert_eq!((room.of_flow(0), room.of_class(LOW), room.calls.len()), (0, Taken::default(), 0));
        assert!(room.seating.is_none(), "nobody has asked for a while");
    }
}

#[test]
fn who_looks_all_the_time_is_not_told_anew_each_time() {
    let guests: Vec<Guest> = (0..10).map(|id| guest(id, LOW, id)).collect();
    let (mut room, bounds) = full(&guests);
    for left in 1..=10 {
        room.look_closely(&bounds, guests.iter().copied().filter(|_| left == 1));
        assert_eq!(room.earliest(LOW, left - 1), Some(Nanos(999 + left)));
        room.leave(&bounds, &guests[left as usize - 1]);
        assert_eq!(room.earliest(LOW, left - 1), None);
    }
}

#[test]
fn who_waits_elsewhere_takes_room_and_is_not_asked_to_leave() {
    let guests: Vec<Guest> = (0..8).map(|id| guest(id, LOW, 1)).collect();
    let bounds = Bounds { calls: 10, bytes: 1_000, class_share: [20, 30, 30, 50], ..Bounds::default() };
    let mut room = Room::default();
    guests.iter().for_each(|guest| room.enter(&bounds, guest));
    room.set_aside(150, true);
    assert!(room.fits(&bounds, 50) && !room.fits(&bounds, 51), "950 bytes of 1,000");
    room.set_aside(0, true);
    assert!(!room.fits(&bounds, 0), "ten calls of ten");
    assert_eq!((room.taken().calls, room.taken().bytes), (8, 800));
    let find = |id: u64| guests.iter().copied().find(|guest| guest.id == id);
    let out = room.make_way(&bounds, &guest(99, CRITICAL, 2), || guests.iter().copied(), find);
    assert_eq!(out.map(|out| out.len()), Some(1), "one of those here leaves, not one of those elsewhere");
    let mut room = room.emptied();
    assert!(room.fits(&bounds, 850) && !room.fits(&bounds, 851));
    room.set_aside(150, false);
    room.set_aside(0, false);
    assert!(room.fits(&bounds, 1_000));
}
