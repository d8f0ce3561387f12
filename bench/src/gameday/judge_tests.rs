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
    let bars = bars(&steady(60), &[scene(10, 5)], &[Beside::default()], 0, Terms::MEASURED);
    assert!(bars.iter().all(Bar::passed), "{bars:?}");
}

#[test]
fn errors_extra_tries_and_what_is_held_are_missed_bars() {
    let mut seconds = steady(60);
    for second in &mut seconds {
        second.failed = 1;
        second.extra = 11;
    }
    let missed = bars(&seconds, &[], &[], 1, Terms::MEASURED).iter().filter(|bar| !bar.passed()).count();
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
    assert_eq!(recovered(&seconds, &scene(10, 5), &scene(10, 5), Terms::MEASURED), Some(21.0));
    for second in &mut seconds[35..] {
        second.by = [0, 100, 0];
    }
    assert_eq!(recovered(&seconds, &scene(10, 5), &scene(10, 5), Terms::MEASURED), None);
}

#[test]
fn failures_beyond_those_in_flight_and_the_trials_count() {
    let beside = |failures| Beside { in_flight: 20, failures };
    let allowed = 20 + trials(&scene(10, 5));
    assert!(isolation(&scene(10, 5), &beside(allowed + 5), Terms::MEASURED).passed());
    assert!(!isolation(&scene(10, 5), &beside(allowed + 6), Terms::MEASURED).passed());
}

#[test]
fn the_short_day_spares_streams_that_were_cut_and_calls_that_piled_up_and_nothing_else() {
    let terms = Terms::counted(60);
    let mut seconds = steady(60);
    (seconds[10].failed, seconds[10].broken) = (20, 20);
    let piled_up = Beside { in_flight: 1, failures: 1 + 30 + trials(&scene(10, 5)) + 5 };
    let held_to = |seconds: &[Second], beside: Beside, terms| {
        bars(seconds, &[scene(10, 5)], &[beside], 0, terms).iter().filter(|bar| !bar.passed()).count()
    };
    assert_eq!(held_to(&seconds, piled_up.clone(), terms), 0);
    assert_eq!(held_to(&seconds, piled_up.clone(), Terms::MEASURED), 2);
    let one_more = Beside { failures: piled_up.failures + 1, ..piled_up };
    seconds[10].failed += 7;
    assert_eq!(held_to(&seconds, one_more, terms), 2);
}

#[test]
fn what_was_under_way_when_everybody_died_is_excused_and_what_was_before_is_not() {
    let mut seconds = steady(60);
    seconds[9].failed = 50;
    let all_die = Scene { nobody_left: true, ..scene(10, 5) };
    assert!(errors(&seconds, std::slice::from_ref(&all_die), Terms::MEASURED).passed());
    seconds[8].failed = 50;
    assert!(!errors(&seconds, &[all_die], Terms::MEASURED).passed());
}

#[test]
fn scenes_do_not_overlap_and_leave_time_to_recover() {
    for short in [false, true] {
        let (length, scenes) = day(short);
        assert!(scenes.windows(2).all(|pair| pair[0].ends() < pair[1].begins));
        assert!(scenes.last().is_some_and(|last| over(last) < length));
    }
}
