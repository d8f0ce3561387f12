//! What holds whatever comes: for random calls over random limits, and for limits that are short together.

use super::support::*;
use super::*;
use crate::quota::{Kind, Quota};
use proptest::collection::vec;
use proptest::prelude::*;

fn classes() -> impl Strategy<Value = Priority> {
    (0..4_usize).prop_map(|class| CLASSES[class])
}

/// Limits of every kind, of which a call may have several.
fn some_limits() -> Vec<Arc<Limit>> {
    vec![
        per_second("requests", 20),
        tokens_per_second("tokens", 4_000, 1.0),
        limit("window", Kind::Requests, Quota::window(15, Duration::from_secs(1))),
        permits("permits", 6),
        limit("few", Kind::Requests, Quota::window(30, Duration::from_secs(10))),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Arrive { class: Priority, flow: u64, tokens: u64, which: u8, patience: u64, takes: u64 },
    Cancel(usize),
    Pass(u64),
    Reconfigure { which: usize, set: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let arrive = (classes(), 0_u64..5, 1_u64..3_000, 1_u8..32, 1_u64..20_000, 0_u64..3_000).prop_map(
        |(class, flow, tokens, which, patience, takes)| Step::Arrive { class, flow, tokens, which, patience, takes },
    );
    let step = prop_oneof![
        12 => arrive,
        3 => (0_usize..400).prop_map(Step::Cancel),
        6 => (0_u64..400).prop_map(Step::Pass),
        1 => (0_usize..5, 1_u64..60).prop_map(|(which, set)| Step::Reconfigure { which, set }),
    ];
    vec(step, 1..250)
}

fn play(steps: &[Step], bounds: Bounds, mut check: impl FnMut(&World)) -> (World, Vec<Arc<Limit>>) {
    let mut world = World::new(bounds);
    let mut limits = some_limits();
    for step in steps {
        match *step {
            Step::Arrive { class, flow, tokens, which, patience, takes } => {
                let chosen: Vec<&Arc<Limit>> =
                    limits.iter().enumerate().filter(|(number, _)| which >> number & 1 == 1).map(|(_, l)| l).collect();
                let call = Call::new(class, &chosen).of(flow).tokens(tokens);
                world.arrive(call.within(Duration::from_millis(patience)).takes(Duration::from_millis(takes)));
            }
            Step::Cancel(number) => {
                if number < world.calls.len() {
                    world.cancel(number);
                }
            }
            Step::Pass(millis) => world.pass_for(Duration::from_millis(millis)),
            Step::Reconfigure { which, set } => {
                let old = &limits[which];
                let quota = Quota { set, ..*old.quota() };
                limits[which] = old.reconfigure(world.now, quota);
                let mut out = Vec::new();
                world.scheduler.limits_changed(world.now, &mut out);
                world.note(out);
            }
        }
        check(&world);
    }
    (world, limits)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Every call has one outcome or is cancelled, none is dispatched late (which the world asserts at each), and
    /// afterwards nothing is left: no permit, nobody waiting, no line, no timer.
    #[test]
    fn no_dispatch_after_deadline(steps in steps()) {
        let (mut world, limits) = play(&steps, Bounds::default(), |_| {});
        world.pass_for(Duration::from_secs(100));
        prop_assert_eq!(world.waiting(), 0);
        let ended = world.count(|_, end| matches!(end, End::Went { .. } | End::Shed { .. } | End::Cancelled));
        prop_assert_eq!(ended, world.calls.len());
        prop_assert_eq!(world.shed("full") + world.shed("pushed out"), 0);
        let stats = world.scheduler.stats(world.now);
        let counted: u64 = stats.sheds.iter().map(|s| s.early + s.late + s.queue_full + s.pushed_out + s.never_fits).sum();
        prop_assert_eq!(counted as usize, world.count(|_, end| matches!(end, End::Shed { .. })));
        for limit in &limits {
            prop_assert_eq!(limit.waiting(), 0);
        }
        prop_assert_eq!(limits[3].status(world.now).left, limits[3].quota().set, "permits are all back");
        world.pass_for(Duration::from_secs(1_000));
        prop_assert!(world.scheduler.lines.is_empty());
        prop_assert_eq!(world.scheduler.next_at(), None);
    }

    /// Whoever is told late is told as soon as the last moment has passed.
    #[test]
    fn nobody_is_left_waiting_beyond_the_last_moment(steps in steps()) {
        play(&steps, Bounds::default(), |world| {
            for (number, end) in world.ends.iter().enumerate() {
                if let End::Shed { waited, why: "late", .. } = end {
                    assert_eq!(*waited, world.calls[number].patience + Duration::from_nanos(1));
                }
            }
        });
    }

    /// Calls and bytes stay within bounds at every moment, and a class is not pushed out of its share.
    #[test]
    fn queue_bytes_bounded(steps in steps(), calls in 1_u64..20, bytes in 1_000_u64..12_000) {
        let bounds = Bounds { calls, bytes, ..Bounds::default() };
        let mut before = Stats::default();
        play(&steps, bounds, |world| {
            let stats = world.scheduler.stats(world.now);
            assert!(stats.waiting.iter().sum::<u64>() <= calls && stats.bytes <= bytes);
            for class in CLASSES.map(|class| class as usize) {
                let share = calls.min(bytes / 1_000) * u64::from(bounds.class_share[class]) / 100;
                let (now, then) = (stats.sheds[class], before.sheds[class]);
                // Some may have gone or been shed in the same step, after that.
                let gone = stats.admitted[class] - before.admitted[class] + now.late - then.late;
                let left = stats.waiting[class] + gone;
                assert!(now.pushed_out == then.pushed_out || left >= share, "{left} left of {share}");
            }
            before = stats;
        });
    }
}

/// Keeps so many calls of each class waiting for so long, and says how many tokens each class was served.
fn saturate(world: &mut World, calls: &[Call], waiting: usize, seconds: u64) -> [u64; 4] {
    let end = world.now.after(Duration::from_secs(seconds));
    let start = world.ends.len();
    while world.now < end {
        for call in calls {
            let there = world.scheduler.waiting_of(call.flow);
            for _ in there..waiting {
                world.arrive(call.clone());
            }
        }
        world.pass_for(Duration::from_millis(50));
    }
    CLASSES.map(|class| {
        let calls = world.calls.iter().zip(&world.ends).skip(start);
        let went = calls.filter(|(call, end)| call.class == class && matches!(end, End::Went { .. }));
        went.map(|(call, _)| call.tokens).sum()
    })
}

fn assert_shares(served: [u64; 4]) {
    let total: u64 = served.iter().sum();
    for (class, weight) in CLASSES.into_iter().zip([1.0, 2.0, 4.0, 8.0]) {
        let share = served[class as usize] as f64 / total as f64;
        let due = weight / 15.0;
        assert!((share - due).abs() < 0.02, "{class:?} has {share:.3} of {due:.3}: {served:?}");
    }
}

fn of_every_class(limits: &[&Arc<Limit>]) -> [Call; 4] {
    let sizes = [1_200, 400, 400, 200];
    CLASSES.map(|class| {
        let call = Call::new(class, limits).of(class as u64).tokens(sizes[class as usize]);
        call.within(Duration::from_secs(10_000)).takes(Duration::from_millis(400))
    })
}

#[test]
fn four_saturating_classes_share_by_tokens_at_a_limit_on_requests() {
    let (mut world, limit) = (World::new(Bounds::default()), per_second("r", 50));
    assert_shares(saturate(&mut world, &of_every_class(&[&limit]), 40, 200));
}

#[test]
fn four_saturating_classes_share_by_tokens_at_a_limit_on_tokens() {
    let (mut world, limit) = (World::new(Bounds::default()), tokens_per_second("t", 20_000, 0.2));
    assert_shares(saturate(&mut world, &of_every_class(&[&limit]), 40, 200));
}

#[test]
fn caps_on_occupancy_leave_the_shares_of_saturating_classes_as_they_are() {
    let (mut world, limit) = (World::new(Bounds::default()), permits("p", 40));
    assert_shares(saturate(&mut world, &of_every_class(&[&limit]), 40, 200));
}

/// Requests and tokens are short together, and which of them is the tighter changes from call to call.
#[test]
fn two_limits_short_at_once_are_both_used_and_nobody_starves() {
    let (mut world, requests) = (World::new(Bounds::default()), per_second("r", 50));
    let tokens = tokens_per_second("t", 20_000, 0.1);
    let served = saturate(&mut world, &of_every_class(&[&requests, &tokens]), 40, 200);
    assert_shares(served);
    // The mix of calls that 8:4:2:1 by tokens makes has about 300 tokens each, so requests are the tighter.
    let went = world.went() as f64 / (200.0 * 50.0);
    let used = served.iter().sum::<u64>() as f64 / (200.0 * 20_000.0);
    assert!(went.max(used) > 0.95, "requests used {went:.3}, tokens {used:.3}");
    for (call, end) in world.calls.iter().zip(&world.ends) {
        if let End::Went { waited, .. } = end {
            assert!(*waited < Duration::from_secs(60), "{:?} waited {waited:?}", call.class);
        }
    }
}

/// A large call needs most of what the token limit holds at once, while small ones keep coming.
#[test]
fn a_large_call_is_not_starved_by_small_ones() {
    for extra in [None, Some(per_second("r", 200))] {
        let (mut world, tokens) = (World::new(Bounds::default()), tokens_per_second("t", 10_000, 1.0));
        let limits: Vec<&Arc<Limit>> = extra.iter().chain([&tokens]).collect();
        let small = Call::new(NORMAL, &limits).of(1).tokens(100);
        saturate(&mut world, std::slice::from_ref(&small), 50, 5);
        let large = world.arrive(Call::new(NORMAL, &limits).of(2).tokens(9_500));
        saturate(&mut world, &[small], 50, 10);
        let End::Went { waited, .. } = world.ends[large] else { panic!("{:?}", world.ends[large]) };
        assert!(waited < Duration::from_secs(3), "{waited:?}");
    }
}

/// Some need both limits, some only the one or the other; each limit has its own callers beside. Nobody's share is
/// lost to those who need less.
#[test]
fn those_who_need_two_limits_are_not_starved_by_those_who_need_one() {
    for (first, second) in [(50, 50), (50, 10), (10, 50), (5, 100)] {
        let (mut world, a, b) = (World::new(Bounds::default()), per_second("a", first), per_second("b", second));
        let long = Duration::from_secs(10_000);
        let call = |flow, limits: &[&Arc<Limit>]| Call::new(NORMAL, limits).of(flow).within(long);
        let calls = [call(1, &[&a, &b]), call(2, &[&a]), call(3, &[&b])];
        saturate(&mut world, &calls, 30, 120);
        let went = |flow| world.count(|call, end| call.flow == flow && matches!(end, End::Went { .. })) as f64 / 120.0;
        let (both, only_a, only_b) = (went(1), went(2), went(3));
        let due = first.min(second) as f64 / 2.0;
        let report = format!("a {first} b {second}: both {both:.1}, only a {only_a:.1}, only b {only_b:.1}");
        assert!(both >= due * 0.8, "{report}");
        assert!(only_a + both >= first as f64 * 0.9 && only_b + both >= second as f64 * 0.9, "room unused: {report}");
        assert!(only_a >= due * 0.8 && only_b >= due * 0.8, "{report}");
    }
}

#[test]
fn limits_that_halve_and_double_keep_everybody_in_place_and_give_no_free_burst() {
    let (mut world, mut limit) = (World::new(Bounds::default()), per_second("a", 40));
    for _ in 0..400 {
        world.arrive(Call::new(LOW, &[&limit]));
    }
    for set in [20, 40, 80, 10, 40] {
        let quota = Quota::bucket(set, Duration::from_secs(1), 1.0 / set as f64, None);
        limit = limit.reconfigure(world.now, quota);
        let (before, mut out) = (world.went(), Vec::new());
        world.scheduler.limits_changed(world.now, &mut out);
        world.note(out);
        world.pass_for(Duration::from_secs(2));
        let went = (world.went() - before) as u64;
        assert!(went.abs_diff(2 * set) <= 2, "{went} at {set} a second");
    }
    let order = world.order();
    assert!(order.is_sorted(), "everybody in his place");
    assert_eq!(world.waiting() + world.went(), 400);
}
