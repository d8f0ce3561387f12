use super::*;
use proptest::prelude::*;

const fn at(seconds: u64) -> Nanos {
    Nanos(seconds * 1_000_000_000)
}

#[test]
fn it_stays_up_until_a_call_finds_no_room() {
    let ladder = Ladder::new();
    assert!(!ladder.is_down(at(1), || 0.0));
    ladder.short(at(2));
    assert!(ladder.is_down(at(2), || 0.0));
}

#[test]
fn it_goes_up_after_half_a_minute_of_headroom() {
    let ladder = Ladder::new();
    ladder.short(at(0));
    assert!(ladder.is_down(at(10), || 0.5));
    assert!(ladder.is_down(at(39), || 0.5));
    assert!(!ladder.is_down(at(40), || 0.5));
}

#[test]
fn one_look_at_too_little_starts_the_time_again() {
    let ladder = Ladder::new();
    ladder.short(at(0));
    assert!(ladder.is_down(at(10), || 0.5));
    assert!(ladder.is_down(at(35), || 0.2));
    assert!(ladder.is_down(at(41), || 0.5));
    assert!(ladder.is_down(at(70), || 0.5));
    assert!(!ladder.is_down(at(71), || 0.5));
}

#[test]
fn a_call_without_room_starts_the_time_again_too() {
    let ladder = Ladder::new();
    ladder.short(at(0));
    assert!(ladder.is_down(at(5), || 0.9));
    ladder.short(at(34));
    assert!(ladder.is_down(at(36), || 0.9));
}

proptest! {
    #[test]
    fn between_two_steps_lies_half_a_minute(looks in prop::collection::vec((0_u64..20, 0.0_f64..1.0, any::<bool>()), 1..200)) {
        let ladder = Ladder::new();
        let (mut now, mut was, mut stepped) = (0, false, None);
        for (later, fill, short) in looks {
            now += later;
            if short {
                ladder.short(at(now));
            }
            let is = ladder.is_down(at(now), || fill);
            if is != was {
                if let Some(before) = stepped {
                    prop_assert!(now - before >= 30, "{before} s, then {now} s");
                }
                (was, stepped) = (is, Some(now));
            }
        }
    }
}
