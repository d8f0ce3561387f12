use super::*;
use crate::gameday::script::{Fault, day};

fn steady(seconds: usize) -> Vec<Second> {
    vec![Second { calls: 100, by: [60, 40, 0], ..Second::default() }; seconds]
}

fn scene(begins: u64, lasts: u64) -> Scene {
    Scene {
        name: "a dies",
        begins: Duration::from_secs(begins),
        lasts: Duration::from_secs(lasts),
        at: vec![0],
        fault: Fault::Dead,
        nobody_left: false,
        returns: true,
    }
}

#[test]
fn a_day_on_which_nothing_is_noticed_passes() {
    let bars = bars(&steady(60), &[scene(10, 5)], &[Beside::default()], 0);
    assert!(bars.iter().all(Bar::passed), "{bars:?}");
}

#[test]
fn errors_extra_tries_and_what_is_held_are_missed_bars() {
    let mut seconds = steady(60);
    for second in &mut seconds {
        second.failed = 1;
        second.extra = 11;
    }
    let missed = bars(&seconds, &[], &[], 1).iter().filter(|bar| !bar.passed()).count();
    assert_eq!(missed, 3);
}

#[test]
fn recovery_is_when_the_share_is_back_and_stays() {
    let mut seconds = steady(120);
    for (number, second) in seconds.iter_mut().enumerate() {
        // It comes back after twenty seconds, but for one flicker.
        if (10..35).contains(&number) && number != 20 {
            second.by = [0, 100, 0];
        }
    }
    assert_eq!(recovered(&seconds, &scene(10, 5), &scene(10, 5)), Some(21.0));
    for second in &mut seconds[35..] {
        second.by = [0, 100, 0];
    }
    assert_eq!(recovered(&seconds, &scene(10, 5), &scene(10, 5)), None);
}

#[test]
fn failures_beyond_those_in_flight_and_the_trials_count() {
    let beside = |failures| Beside { in_flight: 20, failures };
    let allowed = 20 + trials(&scene(10, 5));
    assert!(isolation(&scene(10, 5), &beside(allowed + 5)).passed());
    assert!(!isolation(&scene(10, 5), &beside(allowed + 6)).passed());
}

#[test]
fn scenes_do_not_overlap_and_leave_time_to_recover() {
    for short in [false, true] {
        let (length, scenes) = day(short);
        assert!(scenes.windows(2).all(|pair| pair[0].ends() < pair[1].begins));
        assert!(scenes.last().is_some_and(|last| over(last) < length));
    }
}
