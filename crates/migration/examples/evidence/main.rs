//! Prints how often good migrations are called worse and how soon bad ones are, as the tables that the documentation
//! shows: `cargo run --release -p sluicegate-migration --example evidence [RUNS]`.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

mod simulation;

use simulation::{World, run};
use sluicegate_migration::{Guard, Limit, Metric, Percentile};

fn main() {
    let runs: u64 = std::env::args().nth(1).and_then(|runs| runs.parse().ok()).unwrap_or(2_000);
    let alone = || vec![Guard::new(Metric::Errors, Limit::MaxIncrease(0.0))];
    println!("Each line: {runs} simulated migrations, looked at after every call.\n");

    println!("Both sides alike: how many are called worse although they are not (promised: at most 5 %).\n");
    println!("| guards | share | error rate | new calls | called worse |");
    println!("|---|---:|---:|---:|---:|");
    for (name, guards) in [("error rate, no margin", alone()), ("the defaults", Guard::defaults())] {
        for (share, base, swing) in
            [(5.0, 0.01, 0.0), (20.0, 0.01, 0.0), (50.0, 0.01, 0.0), (20.0, 0.001, 0.0), (20.0, 0.03, 0.9)]
        {
            let world = World { swing, calls: 2_000, ..World::alike(guards.clone(), share, base) };
            let worse = many(&world, runs).iter().filter(|(worse, _)| worse.is_some()).count();
            let swings = if swing > 0.0 { ", swinging from a tenth to nearly double" } else { "" };
            println!("| {name} | {share} % | {} %{swings} | 2,000 | {} |", base * 100.0, part(worse, runs));
        }
    }

    println!("\nThe new side fails more: calls of it until it is called worse, error rate of the old side 1 %.\n");
    println!(
        "| guards | share | more errors | half of the runs | 95 % of the runs | within 400 calls | failed calls, mean |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for (name, guards) in [("error rate, no margin", alone()), ("the defaults", Guard::defaults())] {
        for share in [5.0, 10.0, 20.0, 40.0, 50.0] {
            for added in [0.02, 0.05, 0.10, 0.50] {
                if added != 0.05 && share != 10.0 {
                    continue;
                }
                let world = World { added, calls: 4_000, ..World::alike(guards.clone(), share, 0.01) };
                line(name, &format!("{share} %"), &format!("+{:.0} pp", added * 100.0), &world, runs);
            }
        }
    }

    println!("\nThe new side is slower or dearer, at 20 %.\n");
    println!(
        "| guard | share | change | half of the runs | 95 % of the runs | within 400 calls | failed calls, mean |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    let late = vec![Guard::new(Metric::FirstToken(Percentile::P95), Limit::MaxIncrease(0.25))];
    for slower in [1.5, 2.0, 3.0] {
        let world = World { slower, calls: 4_000, ..World::alike(late.clone(), 20.0, 0.01) };
        line("first token p95, +25 %", "20 %", &format!("+{:.0} %", (slower - 1.0) * 100.0), &world, runs.min(400));
    }
    let cost = vec![Guard::new(Metric::Cost, Limit::MaxIncrease(0.6))];
    for dearer in [2.0, 3.0] {
        let world = World { dearer, calls: 4_000, ..World::alike(cost.clone(), 20.0, 0.01) };
        line("cost per request, +60 %", "20 %", &format!("+{:.0} %", (dearer - 1.0) * 100.0), &world, runs.min(400));
    }

    println!(
        "\nBoth sides alike: calls of the new side until a guard with a margin calls it better or equal, at 20 %.\n"
    );
    println!("| guard | error rate | half of the runs | 95 % of the runs |");
    println!("|---|---:|---:|---:|");
    for (guard, base) in [
        (Guard::new(Metric::Errors, Limit::MaxIncrease(0.01)), 0.01),
        (Guard::new(Metric::Errors, Limit::MaxIncrease(0.02)), 0.01),
        (Guard::new(Metric::Errors, Limit::Max(0.05)), 0.01),
        (Guard::new(Metric::FirstToken(Percentile::P95), Limit::MaxIncrease(0.25)), 0.01),
        (Guard::new(Metric::Cost, Limit::MaxIncrease(0.6)), 0.01),
    ] {
        let world = World { calls: 8_000, ..World::alike(vec![guard], 20.0, base) };
        let few = runs.min(200);
        let mut good: Vec<u64> = (0..few).map(|seed| run(&world, seed).good.unwrap_or(u64::MAX)).collect();
        good.sort_unstable();
        let limit = match guard.limit {
            Limit::MaxIncrease(by) => {
                format!("+{:.0} {}", by * 100.0, if guard.metric == Metric::Errors { "pp" } else { "%" })
            }
            Limit::Max(at) => format!("at most {:.0} %", at * 100.0),
        };
        println!(
            "| {}, {limit} | {} % | {} | {} |",
            guard.metric.title(),
            base * 100.0,
            at(&good, 0.5),
            at(&good, 0.95)
        );
    }
}

fn many(world: &World, runs: u64) -> Vec<(Option<u64>, u64)> {
    (0..runs).map(|seed| run(world, seed)).map(|outcome| (outcome.worse, outcome.failed)).collect()
}

fn line(name: &str, share: &str, change: &str, world: &World, runs: u64) {
    let outcomes = many(world, runs);
    let mut calls: Vec<u64> = outcomes.iter().map(|(worse, _)| worse.unwrap_or(u64::MAX)).collect();
    calls.sort_unstable();
    let soon = calls.iter().filter(|&&calls| calls <= 400).count();
    let failed = outcomes.iter().map(|(_, failed)| *failed).sum::<u64>() as f64 / runs as f64;
    let (half, most) = (at(&calls, 0.5), at(&calls, 0.95));
    println!("| {name} | {share} | {change} | {half} | {most} | {} | {failed:.1} |", part(soon, runs));
}

fn at(sorted: &[u64], quantile: f64) -> String {
    let rank = ((sorted.len() as f64 * quantile).ceil() as usize).saturating_sub(1);
    match sorted.get(rank) {
        Some(&u64::MAX) | None => "not decided".to_owned(),
        Some(calls) => calls.to_string(),
    }
}

fn part(count: usize, runs: u64) -> String {
    format!("{:.1} %", count as f64 * 100.0 / runs as f64)
}
