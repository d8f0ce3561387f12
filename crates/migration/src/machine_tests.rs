use super::*;
use crate::{Guard, Limit, Metric, Plan, Target};
use proptest::prelude::*;

const MINUTE: u64 = 60_000;

fn percent(share: f64) -> Share {
    Share::percent(share).unwrap()
}

fn definition(guards: Vec<Guard>) -> Definition {
    let steps = [5.0, 20.0].map(|share| Step::new(percent(share)).hold(Duration::from_secs(600)).min_calls(50));
    let (from, to) = (Target::new("a", "m-1"), Target::new("b", "m-2"));
    Definition { guards, ..Definition::new("a-to-b", "smart", from, to, Plan::new(steps).unwrap()) }
}

fn started(guards: Vec<Guard>) -> Migration {
    let mut migration = Migration::new(definition(guards), Seed(7));
    assert_eq!(migration.start(Moment(0), "ada", "cheaper"), Ok(Started::Now));
    migration
}

/// Calls by their own sides, `fails` saying which fail on the new side; the last entry that a tick made.
fn calls(
    migration: &mut Migration,
    now: Moment,
    ids: std::ops::Range<u64>,
    fails: impl Fn(u64) -> bool,
) -> Option<Action> {
    let mut last = None;
    for id in ids {
        let arm = migration.arm(&id.to_le_bytes());
        let failed = arm == Arm::New && fails(id);
        let seen =
            if failed { Observation::failure() } else { Observation { empty: Some(false), ..Observation::default() } };
        migration.observe(arm, &seen);
        last = migration.tick(now).map(|entry| entry.action).or(last);
    }
    last
}

fn no_errors() -> Vec<Guard> {
    vec![Guard::new(Metric::Errors, Limit::Max(0.05))]
}

#[test]
fn a_step_lasts_as_long_as_it_says_and_has_the_calls_it_says() {
    let mut migration = started(Vec::new());
    assert_eq!(migration.share(), percent(5.0));
    // Calls enough, not long enough.
    assert_eq!(calls(&mut migration, Moment(9 * MINUTE), 0..2_000, |_| false), None);
    assert_eq!(migration.tick(Moment(10 * MINUTE)).map(|entry| entry.action), Some(Action::Advanced));
    assert_eq!(migration.share(), percent(20.0));
    // Long enough, not calls enough.
    assert_eq!(migration.tick(Moment(30 * MINUTE)), None);
    // The last step before everything wants 500 calls of the new side in all.
    assert_eq!(calls(&mut migration, Moment(30 * MINUTE), 2_000..3_000, |_| false), None);
    assert!(migration.evidence().calls(Arm::New) < 500);
    // The step with everything has nothing to wait for here.
    assert_eq!(calls(&mut migration, Moment(30 * MINUTE), 3_000..5_000, |_| false), Some(Action::Promoted));
    let actions: Vec<Action> = migration.history().entries().map(|entry| entry.action).collect();
    assert_eq!(actions, [Action::Started, Action::Advanced, Action::Advanced, Action::Promoted]);
    assert_eq!(migration.phase(), Phase::Promoted);
    assert_eq!(migration.share(), Share::ALL);
}

#[test]
fn worse_sends_everything_back_after_a_hundred_calls_and_says_why_in_one_sentence() {
    let mut migration = started(Guard::defaults());
    assert_eq!(calls(&mut migration, Moment(MINUTE), 0..20_000, |id| id % 2 == 0), Some(Action::RolledBack));
    assert_eq!(migration.phase(), Phase::RolledBack);
    assert_eq!(migration.share(), Share::NONE);
    let entry = migration.history().last().unwrap();
    assert_eq!(migration.evidence().calls(Arm::New), 100, "at the first call at which it may be said");
    assert!(entry.why.starts_with("error rate") && entry.why.contains("beyond the limit"), "{}", entry.why);
    assert_eq!((entry.who.as_str(), entry.evidence.len()), ("sluicegate", 4));
}

#[test]
fn fewer_calls_than_the_minimum_conclude_nothing() {
    let mut migration = started(no_errors());
    for _ in 0..99 {
        migration.observe(Arm::New, &Observation::failure());
        assert_eq!(migration.tick(Moment(1)), None);
    }
    migration.observe(Arm::New, &Observation::failure());
    assert_eq!(migration.tick(Moment(1)).map(|entry| entry.action), Some(Action::RolledBack));
}

#[test]
fn what_is_rolled_back_stays_back_until_a_person_starts_it_again() {
    let mut migration = started(no_errors());
    migration.rollback(Moment(5), "ada", "customers complain").unwrap();
    assert_eq!(migration.start_unasked(Moment(6)), Started::Already);
    let saved = serde_json::to_string(&migration).unwrap();
    let mut migration: Migration = serde_json::from_str(&saved).unwrap();
    migration = migration.adopt(definition(no_errors()), Seed(99), Moment(7));
    assert_eq!(migration.start_unasked(Moment(8)), Started::Already);
    assert_eq!((migration.phase(), migration.share()), (Phase::RolledBack, Share::NONE));
    assert_eq!(migration.start(Moment(9), "ada", "mended"), Ok(Started::Now));
    assert_eq!((migration.phase(), migration.seed(), migration.run()), (Phase::Running, Seed(7), 2));
}

#[test]
fn two_starts_are_one() {
    let mut migration = started(no_errors());
    calls(&mut migration, Moment(MINUTE), 0..1_000, |_| false);
    let before = migration.clone();
    assert_eq!(migration.start(Moment(2 * MINUTE), "bob", "again"), Ok(Started::Already));
    assert_eq!(migration, before);
}

#[test]
fn a_restart_resumes_at_the_step_with_the_same_callers_and_does_not_count_the_time_between() {
    let mut migration = started(no_errors());
    calls(&mut migration, Moment(4 * MINUTE), 0..3_000, |_| false);
    migration.checkpoint(Moment(4 * MINUTE));
    let saved = serde_json::to_string(&migration).unwrap();
    let restored: Migration = serde_json::from_str(&saved).unwrap();
    let mut restored = restored.adopt(definition(no_errors()), Seed(12_345), Moment(500 * MINUTE));
    assert_eq!((restored.phase(), restored.step_index(), restored.seed()), (Phase::Running, 0, Seed(7)));
    assert_eq!(restored.step_calls(), migration.step_calls());
    assert_eq!(restored.evidence().calls(Arm::New), migration.evidence().calls(Arm::New));
    assert!((0..5_000_u64).all(|id| restored.arm(&id.to_le_bytes()) == migration.arm(&id.to_le_bytes())));
    assert_eq!(restored.held_until(Moment(502 * MINUTE)), Duration::from_secs(6 * 60));
    assert_eq!(restored.tick(Moment(505 * MINUTE)), None);
    assert_eq!(restored.tick(Moment(506 * MINUTE)).map(|entry| entry.action), Some(Action::Advanced));
}

#[test]
fn a_paused_migration_stands_still_and_its_time_does_not_count() {
    let mut migration = started(Vec::new());
    calls(&mut migration, Moment(MINUTE), 0..3_000, |_| false);
    migration.pause(Moment(5 * MINUTE), "ada", "lunch").unwrap();
    assert_eq!(migration.tick(Moment(60 * MINUTE)), None);
    assert_eq!(migration.share(), percent(5.0));
    migration.resume(Moment(60 * MINUTE), "ada", "back").unwrap();
    assert_eq!(migration.tick(Moment(64 * MINUTE)), None);
    assert_eq!(migration.tick(Moment(65 * MINUTE)).map(|entry| entry.action), Some(Action::Advanced));
}

#[test]
fn a_paused_migration_still_goes_back_when_it_gets_worse() {
    let mut migration = started(no_errors());
    migration.pause(Moment(1), "ada", "").unwrap();
    assert_eq!(calls(&mut migration, Moment(2), 0..20_000, |_| true), Some(Action::RolledBack));
}

#[test]
fn a_step_that_needs_approval_waits_for_a_person() {
    let steps = [Step::new(percent(5.0)).approval(), Step::new(percent(50.0))];
    let definition = Definition { plan: Plan::new(steps).unwrap(), ..definition(Vec::new()) };
    let mut migration = Migration::new(definition, Seed(7));
    migration.start(Moment(0), "ada", "").unwrap();
    assert_eq!(migration.tick(Moment(1)).map(|entry| entry.action), Some(Action::AwaitsApproval));
    assert_eq!(migration.tick(Moment(2)), None);
    assert_eq!((migration.phase(), migration.share()), (Phase::AwaitingApproval, percent(5.0)));
    migration.advance(Moment(3), "ada", "looks good", false).unwrap();
    assert_eq!((migration.phase(), migration.share()), (Phase::Running, percent(50.0)));
    let entry = migration.history().last().unwrap();
    assert_eq!((entry.who.as_str(), entry.why.as_str(), entry.at), ("ada", "looks good", Moment(3)));
}

#[test]
fn undecided_guards_hold_advance_or_roll_back_as_told() {
    for (on_inconclusive, expected) in [
        (OnInconclusive::Hold, Action::Held),
        (OnInconclusive::Advance, Action::Advanced),
        (OnInconclusive::Rollback, Action::RolledBack),
    ] {
        // No margin: that two equal sides are equal is never certain.
        let guards = vec![Guard::new(Metric::Errors, Limit::MaxIncrease(0.0))];
        let mut migration = Migration::new(Definition { on_inconclusive, ..definition(guards) }, Seed(7));
        migration.start(Moment(0), "ada", "").unwrap();
        calls(&mut migration, Moment(MINUTE), 0..3_000, |_| false);
        assert_eq!(migration.tick(Moment(10 * MINUTE)).map(|entry| entry.action), Some(expected));
        // Said once a step.
        if expected == Action::Held {
            assert_eq!(migration.tick(Moment(11 * MINUTE)), None);
        }
    }
}

#[test]
fn a_breach_pauses_or_alerts_where_that_is_asked_for() {
    for (on_breach, expected, phase) in
        [(OnBreach::Pause, Action::Paused, Phase::Paused), (OnBreach::Alert, Action::Alerted, Phase::Running)]
    {
        let mut migration = Migration::new(Definition { on_breach, ..definition(no_errors()) }, Seed(7));
        migration.start(Moment(0), "ada", "").unwrap();
        assert_eq!(calls(&mut migration, Moment(MINUTE), 0..6_000, |_| true), Some(expected));
        assert_eq!((migration.phase(), migration.share()), (phase, percent(5.0)));
        assert_eq!(migration.tick(Moment(20 * MINUTE)), None, "it neither goes on nor says so again");
        assert!(matches!(migration.advance(Moment(21 * MINUTE), "ada", "", false), Err(Refused::Worse(_))));
        migration.advance(Moment(21 * MINUTE), "ada", "known and accepted", true).unwrap();
        assert_eq!(migration.share(), percent(20.0));
    }
}

#[test]
fn a_kill_switch_sends_everything_back_and_nothing_starts_while_it_is_set() {
    let mut migration = started(no_errors());
    migration.set_kill_switch(KillSwitch { environment: true, configuration: false }, Moment(1));
    assert_eq!((migration.phase(), migration.share()), (Phase::RolledBack, Share::NONE));
    assert!(migration.history().last().unwrap().why.contains("environment variable"));
    assert_eq!(migration.start(Moment(2), "ada", ""), Err(Refused::Killed("an environment variable")));
    migration.set_kill_switch(KillSwitch::default(), Moment(3));
    assert_eq!(migration.phase(), Phase::RolledBack, "lifted, nothing starts by itself");
    assert_eq!(migration.start(Moment(4), "ada", ""), Ok(Started::Now));
}

#[test]
fn a_promoted_migration_can_go_back_and_an_idle_one_cannot() {
    let mut migration = started(no_errors());
    migration.promote(Moment(1), "ada", "sure", false).unwrap();
    assert_eq!(migration.start(Moment(2), "ada", ""), Err(Refused::Over));
    assert_eq!(migration.advance(Moment(2), "ada", "", true), Err(Refused::Over));
    migration.rollback(Moment(3), "ada", "not so sure").unwrap();
    assert_eq!(migration.share(), Share::NONE);
    let refused = migration.pause(Moment(4), "ada", "").unwrap_err();
    assert_eq!(refused.to_string(), "the migration is rolled back, not under way");
    let mut idle = Migration::new(definition(no_errors()), Seed(7));
    assert_eq!(idle.rollback(Moment(0), "ada", ""), Err(Refused::NothingMoved));
    assert_eq!(idle.pause(Moment(0), "ada", ""), Err(Refused::NotUnderWay { phase: Phase::Idle }));
    assert_eq!(idle.resume(Moment(0), "ada", ""), Err(Refused::NotPaused { phase: Phase::Idle }));
}

#[test]
fn changed_steps_move_nobody_back_and_changed_sides_begin_anew() {
    let mut migration = started(no_errors());
    migration.advance(Moment(1), "ada", "", false).unwrap();
    let steps = [1.0, 10.0, 25.0].map(|share| Step::new(percent(share)));
    let finer = Definition { plan: Plan::new(steps).unwrap(), ..definition(no_errors()) };
    let adopted = migration.clone().adopt(finer, Seed(1), Moment(2));
    assert_eq!((adopted.share(), adopted.seed()), (percent(25.0), Seed(7)));
    let other = Definition { to: vec![Target::new("c", "m-3")], ..definition(no_errors()) };
    let other = migration.adopt(other, Seed(1), Moment(2));
    assert_eq!((other.phase(), other.share(), other.seed()), (Phase::Idle, Share::NONE, Seed(1)));
    assert!(other.history().entries().count() > 2);
}

#[test]
fn the_history_is_bounded_and_its_words_are_too() {
    let mut migration = started(Vec::new());
    for at in 0..1_000 {
        migration.pause(Moment(at), &"x".repeat(5_000), &"ü".repeat(5_000)).unwrap();
        migration.resume(Moment(at), "ada", "").unwrap();
    }
    assert_eq!(migration.history().entries().count(), crate::KEPT);
    assert_eq!(migration.history().forgotten(), 2_001 - crate::KEPT as u64);
    assert!(
        migration.history().entries().all(|entry| entry.who.chars().count() <= 300 && entry.why.chars().count() <= 300)
    );
}

#[derive(Debug, Clone)]
enum Did {
    Start,
    Advance(bool),
    Pause,
    Resume,
    Rollback,
    Promote,
    Calls(u16, bool),
    Wait(u32),
    Restart,
    Kill(bool),
}

fn anything() -> impl Strategy<Value = Did> {
    prop_oneof![
        Just(Did::Start),
        any::<bool>().prop_map(Did::Advance),
        Just(Did::Pause),
        Just(Did::Resume),
        Just(Did::Rollback),
        Just(Did::Promote),
        (0_u16..300, any::<bool>()).prop_map(|(calls, fail)| Did::Calls(calls, fail)),
        (0_u32..1_200_000).prop_map(Did::Wait),
        Just(Did::Restart),
        any::<bool>().prop_map(Did::Kill),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_traffic_only_grows_by_steps_goes_back_whole_and_survives_restarts(
        deeds in prop::collection::vec(anything(), 1..40)
    ) {
        let mut migration = Migration::new(definition(no_errors()), Seed(3));
        let (mut now, mut id) = (Moment(0), 0);
        for deed in deeds {
            let (before, phase) = (migration.share(), migration.phase());
            match deed {
                Did::Start => drop(migration.start(now, "ada", "")),
                Did::Advance(in_spite) => drop(migration.advance(now, "ada", "", in_spite)),
                Did::Pause => drop(migration.pause(now, "ada", "")),
                Did::Resume => drop(migration.resume(now, "ada", "")),
                Did::Rollback => drop(migration.rollback(now, "ada", "")),
                Did::Promote => drop(migration.promote(now, "ada", "", false)),
                Did::Kill(set) => migration.set_kill_switch(KillSwitch { configuration: set, environment: false }, now),
                Did::Calls(count, fail) => for _ in 0..count {
                    id += 1;
                    let arm = migration.arm(&u64::to_le_bytes(id));
                    let failed = fail && arm == Arm::New;
                    migration.observe(arm, &Observation { failed, ..Observation::default() });
                    migration.tick(now);
                },
                Did::Wait(ms) => {
                    now.0 += u64::from(ms);
                    migration.tick(now);
                }
                Did::Restart => {
                    migration.checkpoint(now);
                    let saved = serde_json::to_string(&migration).unwrap();
                    migration = serde_json::from_str::<Migration>(&saved).unwrap().adopt(definition(no_errors()), Seed(8), now);
                    prop_assert_eq!(migration.share(), before);
                    prop_assert_eq!(migration.phase(), phase);
                }
            }
            let after = migration.share();
            // Never a part of the way back.
            prop_assert!(after >= before || after == Share::NONE, "{} to {}", before, after);
            prop_assert_eq!(migration.seed(), Seed(3));
            prop_assert_eq!(after == Share::NONE, matches!(migration.phase(), Phase::Idle | Phase::RolledBack));
        }
    }
}
