//! The promises about evidence, by simulation: good migrations are hardly ever called worse, bad ones soon.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test may fail")]

#[path = "../examples/evidence/simulation.rs"]
mod simulation;

use simulation::{World, run};
use sluicegate_migration::{Guard, Limit, Metric};

/// Worlds in which both sides are alike: with few and many calls on the new side, rare and frequent errors, and rates that
/// swing under both.
fn alike() -> Vec<World> {
    let alone = || vec![Guard::new(Metric::Errors, Limit::MaxIncrease(0.0))];
    vec![
        World::alike(alone(), 50.0, 0.01),
        World::alike(alone(), 20.0, 0.10),
        World { swing: 0.9, ..World::alike(alone(), 40.0, 0.05) },
        World::alike(Guard::defaults(), 40.0, 0.01),
    ]
}

fn false_alarms(world: &World, runs: u64) -> usize {
    (0..runs).filter(|&seed| run(world, seed).worse.is_some()).count()
}

fn within_400(share: f64, runs: u64) -> usize {
    let alone = vec![Guard::new(Metric::Errors, Limit::MaxIncrease(0.0))];
    let world = World { added: 0.05, calls: 400, ..World::alike(alone, share, 0.01) };
    (0..runs).filter(|&seed| run(&world, seed).worse.is_some()).count()
}

#[test]
fn good_migrations_looked_at_after_every_call_are_rolled_back_at_most_one_time_in_twenty() {
    for world in alike() {
        let world = World { calls: 300, ..world };
        let worse = false_alarms(&world, 60);
        assert!(worse <= 3, "{worse} of 60 in {world:?}");
    }
}

#[test]
fn five_points_more_errors_are_noticed_within_400_calls() {
    for share in [5.0, 20.0] {
        let noticed = within_400(share, 40);
        assert!(noticed >= 38, "{noticed} of 40 at {share} %");
    }
}

#[test]
#[ignore = "minutes; part of the soak"]
fn two_thousand_good_migrations_are_rolled_back_at_most_one_time_in_twenty() {
    for world in alike() {
        let world = World { calls: 2_000, ..world };
        let worse = false_alarms(&world, 2_000);
        println!("{worse} of 2000 in {world:?}");
        assert!(worse <= 100, "{worse} of 2000 in {world:?}");
    }
}

#[test]
#[ignore = "minutes; part of the soak"]
fn five_points_more_errors_are_noticed_within_400_calls_in_95_percent_of_2000_runs() {
    for share in [5.0, 10.0, 20.0, 40.0, 50.0] {
        let noticed = within_400(share, 2_000);
        println!("{noticed} of 2000 at {share} %");
        assert!(noticed >= 1_900, "{noticed} of 2000 at {share} %");
    }
}
