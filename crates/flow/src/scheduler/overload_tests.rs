//! Whole spells of overload: a spike that everybody can sit out, and ten minutes that nobody can.

use super::support::*;
use super::*;
use crate::quota::{Kind, Quota};

const ALL: [Priority; 4] = [LOW, NORMAL, HIGH, CRITICAL];

/// What comes.
#[derive(Clone, Copy)]
struct Traffic {
    /// Shares of the classes: low, normal, high, critical.
    mix: [f64; 4],
    /// Shares of the keys. Each has calls of all classes.
    keys: fn(usize) -> f64,
    /// Everything takes this part of its time.
    faster: u32,
    /// Each second the machine stands still for so long.
    pause: Duration,
    /// The provider answers after 20 ms, and refuses each of so many calls.
    refuses_each: Option<usize>,
}

const fn evenly(mix: [f64; 4]) -> Traffic {
    Traffic { mix, keys: |key| if key < 10 { 1.0 } else { 0.0 }, faster: 1, pause: Duration::ZERO, refuses_each: None }
}

/// The largest of 20 keys makes every fourth call.
const fn unequal(mix: [f64; 4]) -> Traffic {
    Traffic { keys: |key| if key < 20 { 1.0 / (key + 1) as f64 } else { 0.0 }, ..evenly(mix) }
}

fn drawn(draw: &mut Draw, shares: &[f64]) -> usize {
    let mut left = draw.unit() * shares.iter().sum::<f64>();
    let found = shares.iter().position(|share| {
        left -= share;
        left <= 0.0
    });
    found.unwrap_or(shares.len() - 1)
}

/// Random arrivals at a rate.
fn arrivals(world: &mut World, draw: &mut Draw, limit: &Arc<Limit>, per_second: f64, of: Traffic, while_: Duration) {
    let keys: Vec<f64> = (0..20).map(of.keys).collect();
    let quota = world.quota();
    let end = world.now.after(while_ / of.faster);
    loop {
        let next = world.now.after(draw.gap(per_second) / of.faster);
        if next > end {
            break;
        }
        world.pass(next);
        let class = ALL[drawn(draw, &of.mix)];
        let flow = class as u64 * 100 + drawn(draw, &keys) as u64;
        let call = Call::new(class, &[limit]).of(flow).within(patience(class) / of.faster);
        world.arrive(match of.refuses_each {
            Some(_) => call.from(&quota).takes(Duration::from_millis(20)),
            None => call,
        });
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
const EVENING: [f64; 4] = [0.3, 0.4, 0.2, 0.1];

/// Spikes of 3.4 times the base load for 8 seconds, at 60 % load between them.
fn spikes(of: Traffic, limit: &Arc<Limit>) -> World {
    let (mut world, mut draw) = (World::new(Bounds::default()), Draw(7));
    for _ in 0..4 {
        arrivals(&mut world, &mut draw, limit, 30.0, of, Duration::from_secs(60));
        arrivals(&mut world, &mut draw, limit, 102.0, of, Duration::from_secs(8));
    }
    world.pass_for(Duration::from_secs(60));
    assert_eq!(world.waiting(), 0);
    world
}

#[test]
fn spikes_that_fit_the_deadlines_refuse_nobody() {
    for limit in [bucket(), window()] {
        let world = spikes(evenly(USUAL), &limit);
        assert_eq!(world.went(), world.calls.len(), "{}", limit.label());
    }
}

/// A quarter of the calls are high and have ten seconds: what the spike leaves waiting of the class takes nearly as
/// long, and the key that sent most of it finds its last call beyond.
#[test]
fn spikes_that_only_just_fit_refuse_next_to_nobody() {
    for limit in [bucket(), window()] {
        let world = spikes(evenly(EVEN), &limit);
        let refused = world.calls.len() - world.went();
        assert!(refused * 5_000 <= 2 * world.calls.len(), "{refused} of {} at {}", world.calls.len(), limit.label());
    }
}

/// Room is shared evenly among the keys of a class that want it, so the largest waits longest, and for longer the more
/// is expected of the others.
#[test]
fn spikes_refuse_next_to_nobody_of_the_busiest_key() {
    for limit in [bucket(), window()] {
        let world = spikes(unequal(EVENING), &limit);
        let refused = world.calls.len() - world.went();
        assert!(refused * 5_000 <= world.calls.len(), "{refused} of {} at {}", world.calls.len(), limit.label());
    }
}

/// Ten minutes at 1.5 times the limit. Returns, by class, the shares of calls that were refused.
fn sustained(of: Traffic, limit: &Arc<Limit>) -> [f64; 4] {
    let (mut world, mut draw) = (World::new(Bounds::default()), Draw(11));
    world.pause = of.pause;
    world.refuses_each = of.refuses_each;
    arrivals(&mut world, &mut draw, limit, 30.0, of, Duration::from_secs(30));
    let before = world.went();
    arrivals(&mut world, &mut draw, limit, 75.0, of, Duration::from_secs(600));
    let goodput = (world.went() - before) as f64 / (50.0 * 600.0);
    // What is not let go in a pause is lost but for a moment's worth.
    let paused = of.pause.as_secs_f64();
    assert!(goodput >= 0.97 - paused, "{goodput}");
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
    let [low, normal, high, critical] = sustained(evenly(EVEN), &bucket());
    assert!(low > normal && normal > high && critical == 0.0, "the lowest first: {low} {normal} {high} {critical}");
    assert!(low < 0.8, "and it has its share: {low}");
    let [_, normal, high, critical] = sustained(evenly(USUAL), &window());
    assert!(normal > 0.4 && high == 0.0 && critical == 0.0, "{normal} {high} {critical}");
}

/// Where everything goes ten times as fast and nobody waits for longer than a tenth, it is the same.
#[test]
fn an_overload_is_told_at_once_however_short_the_waits_are() {
    let limit = per_second("fast", 500);
    let [low, normal, high, critical] = sustained(Traffic { faster: 10, ..evenly(EVEN) }, &limit);
    assert!(low > normal && normal > high && critical == 0.0, "the lowest first: {low} {normal} {high} {critical}");
}

/// Real machines stand still now and then, and then a limit lets through a little less than it could.
#[test]
fn an_overload_is_told_at_once_although_the_machine_pauses() {
    let window = || limit("window", Kind::Requests, Quota::window(500, Duration::from_secs(1)));
    let bucket = || per_second("fast", 500);
    for (limit, pause) in [(window(), 10), (window(), 30), (bucket(), 10), (bucket(), 30)] {
        let of = Traffic { faster: 10, pause: Duration::from_millis(pause), ..evenly(EVENING) };
        let [low, normal, high, critical] = sustained(of, &limit);
        assert!(low >= normal && high < 0.01 && critical < 0.01, "{pause} ms: {low} {normal} {high} {critical}");
    }
}

/// A provider that is used to its edge refuses a call now and then without saying for how long. For a tenth of a second
/// nothing goes then, and who waits waits where it is: in its order, and with what it was promised.
#[test]
fn an_overload_is_told_at_once_although_the_provider_refuses_a_call_now_and_then() {
    let limit = limit("window", Kind::Requests, Quota::window(500, Duration::from_secs(1)));
    let of = Traffic { faster: 10, refuses_each: Some(10_000), ..evenly(EVENING) };
    let [low, normal, high, critical] = sustained(of, &limit);
    assert!(low >= normal && high < 0.01 && critical < 0.01, "{low} {normal} {high} {critical}");
}
