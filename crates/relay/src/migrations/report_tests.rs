use super::*;
use sluicegate_migration::{Definition, Guard, Observation, Plan, Seed, Step};

/// A migration whose step of half is over by time and calls, with this many good and bad calls of the new side.
fn waits(good: u32, bad: u32, min_calls_promotion: u64) -> String {
    let (from, to) = (Target::new("old", "x"), Target::new("new", "x"));
    let definition = Definition {
        guards: Guard::defaults(),
        min_calls_promotion,
        ..Definition::new("move", "smart", from, to, Plan::new([Step::new(Share::HALF)]).unwrap())
    };
    let mut machine = Migration::new(definition, Seed(1));
    machine.start(Moment(0), "ada", "").unwrap();
    for number in 0..good + bad {
        machine.observe(Arm::Old, &Observation::default());
        machine.observe(Arm::New, &Observation { failed: number < bad, ..Observation::default() });
    }
    next(&machine, Moment(1))
}

#[test]
fn what_a_step_waits_for_is_said_in_calls() {
    assert_eq!(waits(10, 0, 500), "before everything moves it wants 490 more calls on the new side");
    assert_eq!(waits(10, 0, 5), "the guards have not decided yet");
    let worse = "a guard is beyond its limit; nothing follows before 40 more calls on the new side";
    assert_eq!(waits(0, 60, 500), worse);
}

#[test]
fn how_long_a_step_lasts_is_said_in_units_that_fit() {
    for (millis, expected) in [
        (1_001, "2 s"),
        (120_000, "120 s"),
        (120_001, "3 min"),
        (3_599_500, "60 min"),
        (7_200_001, "2 h 1 min"),
        (21_600_000, "6 h 0 min"),
    ] {
        assert_eq!(lasting(std::time::Duration::from_millis(millis)), expected, "{millis}");
    }
}
