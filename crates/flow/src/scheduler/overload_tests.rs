//! Whole spells of overload: a spike that everybody can sit out, and ten minutes that nobody can.

use super::support::*;
use super::*;
use crate::quota::{Kind, Quota};

const ALL: [Priority; 4] = [LOW, NORMAL, HIGH, CRITICAL];

/// Random arrivals at a rate, divided over the classes (low, normal, high, critical), each with ten keys.
fn arrivals(world: &mut World, draw: &mut Draw, limit: &Arc<Limit>, per_second: f64, mix: [f64; 4], while_: Duration) {
    let end = world.now.after(while_);
    loop {
        let next = world.now.after(draw.gap(per_second));
        if next > end {
            break;
        }
        world.pass(next);
        let mut left = draw.unit() * mix.iter().sum::<f64>();
        let class = ALL.into_iter().zip(mix).find(|(_, part)| {
            left -= part;
            left <= 0.0
        });
        let class = class.map_or(CRITICAL, |(class, _)| class);
        let flow = class as u64 * 100 + (draw.unit() * 10.0) as u64;
        world.arrive(Call::new(class, &[limit]).of(flow));
    }
    world.pass(end);
}

fn bucket() -> Arc<Limit> {
    per_second("bucket", 50)
}

fn window() -> Arc<Limit> {
    limit("window", Kind::Requests, Quota::window(3_000, Duration::from_secs(60)))
}

const EVEN: [f64; 4] = [0.25; 4];
const USUAL: [f64; 4] = [0.2, 0.5, 0.2, 0.1];

/// Spikes of 3.4 times the base load for 8 seconds, at 60 % load between them.
fn spikes(mix: [f64; 4], limit: &Arc<Limit>) -> World {
    let (mut world, mut draw) = (World::new(Bounds::default()), Draw(7));
    for _ in 0..4 {
        arrivals(&mut world, &mut draw, limit, 30.0, mix, Duration::from_secs(60));
        arrivals(&mut world, &mut draw, limit, 102.0, mix, Duration::from_secs(8));
    }
    world.pass_for(Duration::from_secs(60));
    assert_eq!(world.waiting(), 0);
    world
}

#[test]
fn spikes_that_fit_the_deadlines_refuse_nobody() {
    for limit in [bucket(), window()] {
        let world = spikes(USUAL, &limit);
        assert_eq!(world.went(), world.calls.len(), "{}", limit.label());
    }
}

/// A quarter of the calls are high and have ten seconds: what the spike leaves waiting of the class takes nearly as
/// long, and the key that sent most of it finds its last call beyond.
#[test]
fn spikes_that_only_just_fit_refuse_next_to_nobody() {
    for limit in [bucket(), window()] {
        let world = spikes(EVEN, &limit);
        let refused = world.calls.len() - world.went();
        assert!(refused * 5_000 <= 2 * world.calls.len(), "{refused} of {} at {}", world.calls.len(), limit.label());
    }
}

/// Ten minutes at 1.5 times the limit. Returns, by class, the shares of calls that were refused.
fn sustained(mix: [f64; 4], limit: &Arc<Limit>) -> [f64; 4] {
    let (mut world, mut draw) = (World::new(Bounds::default()), Draw(11));
    arrivals(&mut world, &mut draw, limit, 30.0, mix, Duration::from_secs(30));
    let before = world.went();
    arrivals(&mut world, &mut draw, limit, 75.0, mix, Duration::from_secs(600));
    let goodput = (world.went() - before) as f64 / (50.0 * 600.0);
    assert!(goodput >= 0.97, "{goodput}");
    world.pass_for(Duration::from_secs(400));
    assert_eq!(world.waiting(), 0);
    let (early, late) = (world.shed("early"), world.shed("late"));
    assert_eq!(world.went() + early + late, world.calls.len(), "nothing but deadlines refuses");
    assert!(late * 100 <= early, "told late: {late}; at once: {early}");
    ALL.map(|class| {
        let all = world.count(|call, _| call.class == class);
        let refused = world.count(|call, end| call.class == class && matches!(end, End::Shed { .. }));
        refused as f64 / all as f64
    })
}

#[test]
fn in_sustained_overload_the_limit_stays_full_and_the_rest_is_told_at_once() {
    let [low, normal, high, critical] = sustained(EVEN, &bucket());
    assert!(low > normal && normal > high && critical == 0.0, "the lowest first: {low} {normal} {high} {critical}");
    assert!(low < 0.8, "and it has its share: {low}");
    let [_, normal, high, critical] = sustained(USUAL, &window());
    assert!(normal > 0.4 && high == 0.0 && critical == 0.0, "{normal} {high} {critical}");
}
