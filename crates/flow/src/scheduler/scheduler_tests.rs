//! What the scheduler does call by call. Laws and whole evenings are in `laws_tests.rs` and `overload_tests.rs`.

use super::support::*;
use super::*;
use crate::quota::{Kind, Quota};

fn world() -> World {
    World::new(Bounds::default())
}

#[test]
fn a_call_that_finds_room_goes_at_once() {
    let (mut world, limit) = (world(), per_second("a", 10));
    let call = world.arrive(Call::new(NORMAL, &[&limit]));
    assert_eq!(world.ends[call], End::Went { at: world.now, waited: Duration::ZERO });
    assert_eq!(world.scheduler.next_at(), None);
}

#[test]
fn those_of_one_flow_go_in_order_at_the_pace_of_the_limit() {
    let (mut world, limit) = (world(), per_second("a", 10));
    let start = world.now;
    for _ in 0..6 {
        world.arrive(Call::new(NORMAL, &[&limit]));
    }
    assert_eq!((world.went(), limit.waiting()), (1, 5));
    world.pass_for(Duration::from_millis(320));
    assert_eq!(world.order(), [0, 1, 2, 3]);
    let End::Went { at, waited } = world.ends[3] else { panic!("{:?}", world.ends) };
    assert_eq!(start.until(at), Duration::from_millis(300));
    assert_eq!(waited, Duration::from_millis(300));
    world.pass_for(Duration::from_secs(1));
    assert_eq!((world.waiting(), limit.waiting(), world.scheduler.next_at()), (0, 0, None));
}

#[test]
fn a_limit_keeps_only_its_own_callers_waiting() {
    let (mut world, slow, other) = (world(), per_second("slow", 1), per_second("other", 1_000));
    for _ in 0..20 {
        world.arrive(Call::new(LOW, &[&slow]));
    }
    world.pass_for(Duration::from_millis(10));
    let call = world.arrive(Call::new(LOW, &[&other]));
    assert!(matches!(world.ends[call], End::Went { .. }));
    assert_eq!((slow.waiting(), other.waiting()), (19, 0));
}

#[test]
fn nobody_overtakes_those_who_wait_at_another_limit_of_his() {
    let (mut world, mine, shared) = (world(), per_second("mine", 1_000), per_second("shared", 10));
    for _ in 0..4 {
        world.arrive(Call::new(NORMAL, &[&shared]).of(1));
    }
    let newcomer = world.arrive(Call::new(NORMAL, &[&mine, &shared]).of(1));
    assert_eq!(world.ends[newcomer], End::Waiting);
    world.pass_for(Duration::from_secs(2));
    assert_eq!(world.order(), [0, 1, 2, 3, 4]);
}

#[test]
fn a_call_that_can_never_fit_is_told_so_at_once_even_behind_others() {
    let mut world = world();
    let window = limit("w", Kind::Tokens, Quota::window(1_000, Duration::from_secs(60)));
    let requests = per_second("r", 1);
    for _ in 0..3 {
        world.arrive(Call::new(HIGH, &[&requests]));
    }
    let alone = world.arrive(Call::new(HIGH, &[&window]).tokens(1_001));
    let End::Shed { why, .. } = world.ends[alone] else { panic!("{:?}", world.ends) };
    assert_eq!(why, "never fits");
    let behind = world.arrive(Call::new(HIGH, &[&requests, &window]).tokens(1_001));
    assert!(matches!(world.ends[behind], End::Shed { why: "never fits", waited: Duration::ZERO, .. }));
}

#[test]
fn a_higher_class_goes_first_but_not_only() {
    let (mut world, limit) = (world(), per_second("a", 100));
    world.arrive(Call::new(LOW, &[&limit]));
    for _ in 0..8 {
        world.arrive(Call::new(LOW, &[&limit]));
    }
    let high: Vec<usize> = (0..8).map(|_| world.arrive(Call::new(CRITICAL, &[&limit]))).collect();
    world.pass_for(Duration::from_millis(95));
    let order = world.order();
    let early = order[1..10].iter().filter(|call| high.contains(call)).count();
    assert!((7..=8).contains(&early), "{order:?}");
}

#[test]
fn a_newcomer_who_cannot_be_served_in_time_is_told_at_once_and_how_long_it_would_take() {
    let (mut world, limit) = (world(), per_second("a", 10));
    let mut shed = Vec::new();
    for _ in 0..160 {
        let call = world.arrive(Call::new(HIGH, &[&limit]));
        if let End::Shed { why, .. } = world.ends[call] {
            assert_eq!(why, "early");
            shed.push(call);
        }
    }
    // One went, a hundred can wait for ten seconds.
    assert!((95..=101).contains(&world.waiting()), "{}", world.waiting());
    let wait = world.scheduler.expected_wait(
        world.now,
        &world.calls[0].set,
        &Ask { cost: crate::Cost { requests: 1, tokens: 100 }, class: HIGH, ..Ask::default() },
        HIGH as u64,
    );
    assert!((9_900..10_500).contains(&wait.as_millis()), "{wait:?}");
    world.pass_for(Duration::from_secs(11));
    assert_eq!(world.shed("late"), 0);
    assert_eq!(world.went() + shed.len(), 160);
}

#[test]
fn whoever_is_let_in_while_the_limit_slows_down_is_shed_when_its_time_is_up() {
    let (mut world, slow) = (world(), per_second("a", 100));
    for _ in 0..200 {
        world.arrive(Call::new(HIGH, &[&slow]));
    }
    assert_eq!(world.waiting(), 199);
    let quota = Quota::bucket(1, Duration::from_secs(1), 1.0, None);
    let slower = slow.reconfigure(world.now, quota);
    let mut out = Vec::new();
    world.scheduler.limits_changed(world.now, &mut out);
    assert!(out.is_empty(), "no free burst");
    let start = world.now;
    world.pass_for(Duration::from_secs(20));
    assert_eq!(world.waiting(), 0);
    assert!((9..=12).contains(&world.went()), "{}", world.went());
    for end in &world.ends {
        if let End::Shed { at, .. } = end {
            assert_eq!(start.until(*at), Duration::from_nanos(10 * SECOND + 1), "told neither early nor late");
        }
    }
    assert_eq!((slow.waiting(), slower.waiting()), (0, 0));
}

#[test]
fn typical_time_to_the_first_byte_comes_off_the_deadline() {
    let (mut world, limit) = (world(), per_second("a", 1));
    world.arrive(Call::new(HIGH, &[&limit]));
    let ask = Ask { cost: crate::Cost { requests: 1, tokens: 1 }, class: HIGH, ..Ask::default() };
    let mut wait = |lead| {
        let waiter = Waiter {
            flow: 9,
            ask,
            bytes: 1,
            arrived: world.now,
            deadline: world.now.after(Duration::from_secs(4)),
            lead: Duration::from_millis(lead),
            set: LimitSet::new([Arc::clone(&limit)]),
            debit: None,
            item: 0,
        };
        world.scheduler.enqueue(world.now, waiter, &mut Vec::new())
    };
    let first = wait(2_900);
    assert!(first.is_some());
    assert!(wait(3_100).is_none());
}

#[test]
fn permits_go_to_the_next_when_given_back() {
    let (mut world, limit) = (world(), permits("p", 2));
    for _ in 0..5 {
        world.arrive(Call::new(HIGH, &[&limit]).takes(Duration::from_secs(1)));
    }
    assert_eq!((world.went(), limit.waiting()), (2, 3));
    world.pass_for(Duration::from_millis(1_500));
    assert_eq!(world.went(), 4);
    world.pass_for(Duration::from_secs(3));
    assert_eq!((world.went(), limit.waiting(), limit.status(world.now).left), (5, 0, 2));
}

#[test]
fn a_class_at_its_cap_lets_the_classes_above_go_first() {
    let (mut world, limit) = (world(), permits("p", 20));
    for _ in 0..25 {
        world.arrive(Call::new(LOW, &[&limit]).takes(Duration::from_secs(1)));
    }
    assert_eq!(world.went(), 18, "90 % of 20");
    let normal = world.arrive(Call::new(NORMAL, &[&limit]).takes(Duration::from_secs(1)));
    let high = world.arrive(Call::new(HIGH, &[&limit]).takes(Duration::from_secs(1)));
    for call in [normal, high] {
        assert!(matches!(world.ends[call], End::Went { waited: Duration::ZERO, .. }));
    }
    world.pass_for(Duration::from_secs(3));
    assert_eq!(world.waiting(), 0);
}

#[test]
fn cancelled_in_any_place_a_call_leaves_nothing_behind() {
    let (mut world, a, b) = (world(), per_second("a", 10), per_second("b", 10));
    for number in 0..30 {
        let limits: &[&Arc<Limit>] = if number % 3 == 0 {
            &[&a, &b]
        } else if number % 3 == 1 {
            &[&a]
        } else {
            &[&b]
        };
        world.arrive(Call::new(NORMAL, limits).of(number));
    }
    world.pass_for(Duration::from_millis(150));
    for number in 0..30 {
        world.cancel(number);
    }
    assert_eq!((a.waiting(), b.waiting(), world.scheduler.len()), (0, 0, 0));
    let stats = world.scheduler.stats(world.now);
    assert_eq!((stats.waiting, stats.bytes, stats.limits.len()), ([0; 4], 0, 0));
    world.pass_for(Duration::from_secs(1_000));
    assert!(world.scheduler.lines.is_empty() && world.scheduler.next_at().is_none(), "nothing is kept for ever");
}

#[test]
fn when_the_next_one_leaves_the_one_after_it_goes_as_soon_as_it_can() {
    let (mut world, limit) = (world(), tokens_per_second("t", 100, 10.0));
    world.arrive(Call::new(LOW, &[&limit]).tokens(1_000));
    let large = world.arrive(Call::new(LOW, &[&limit]).tokens(900));
    world.arrive(Call::new(LOW, &[&limit]).tokens(100));
    world.pass_for(Duration::from_secs(2));
    assert_eq!(world.went(), 1, "a large call is not overtaken");
    world.cancel(large);
    world.pass_for(Duration::from_millis(1));
    assert_eq!(world.went(), 2);
}

#[test]
fn stats_say_who_waits_where_and_for_how_long() {
    let (mut world, a, b) = (world(), per_second("a", 1), per_second("b", 1));
    for _ in 0..3 {
        world.arrive(Call::new(NORMAL, &[&a]).of(7));
    }
    for _ in 0..2 {
        world.arrive(Call::new(LOW, &[&b]).of(8));
    }
    world.pass_for(Duration::from_millis(500));
    let stats = world.scheduler.stats(world.now);
    assert_eq!((stats.waiting, stats.bytes), ([1, 2, 0, 0], 3_000));
    let places: Vec<_> = stats.limits.iter().map(|limit| (limit.label.to_string(), limit.waiting)).collect();
    assert_eq!(places, [("provider:a".to_owned(), 2), ("provider:b".to_owned(), 1)]);
    assert_eq!(stats.limits[0].oldest, Duration::from_millis(500));
    assert_eq!(stats.oldest, [500, 500, 0, 0].map(Duration::from_millis));
    assert_eq!((world.scheduler.waiting_of(7), world.scheduler.waiting_of(8)), (2, 1));
}

/// While the class sheds, newcomers go first, but only as far as those before them still get their turn in time.
#[test]
fn a_shedding_class_serves_newest_first_once_everybody_can_be_served_in_time() {
    let (mut world, mut limit) = (world(), per_second("a", 10));
    for _ in 0..120 {
        world.arrive(Call::new(HIGH, &[&limit]));
    }
    let (waiting, shed) = (world.waiting(), world.shed("early"));
    assert!(shed > 10);
    world.pass_for(Duration::from_secs(1));
    assert!(world.order().is_sorted(), "as long as the last is only just in time, the first goes first");
    limit = limit.reconfigure(world.now, Quota::bucket(40, Duration::from_secs(1), 0.025, None));
    world.scheduler.limits_changed(world.now, &mut Vec::new());
    let newcomer = world.arrive(Call::new(HIGH, &[&limit]));
    world.pass_for(Duration::from_millis(60));
    assert!(matches!(world.ends[newcomer], End::Went { .. }), "{:?}", world.ends[newcomer]);
    world.pass_for(Duration::from_secs(9));
    assert_eq!((world.went(), world.shed("late")), (waiting + 2, 0));
    assert!(!world.scheduler.lines.values().any(|line| line.is_shedding(HIGH)));
}

/// A turn is charged when it comes, also if the call then waits on for another limit; if it never goes, the flow gets
/// the charge back.
#[test]
fn a_turn_that_was_not_used_costs_the_flow_nothing() {
    let (mut world, a, b) = (world(), per_second("a", 1), per_second("b", 4));
    world.arrive(Call::new(LOW, &[&a]).of(9));
    for _ in 0..9 {
        world.arrive(Call::new(LOW, &[&b]).of(9));
    }
    let second = world.arrive(Call::new(HIGH, &[&a]).of(2));
    let both = world.arrive(Call::new(HIGH, &[&a, &b]).of(1).tokens(1_000));
    world.pass_for(Duration::from_millis(1_010));
    assert!(matches!(world.ends[second], End::Went { .. }));
    assert_eq!((world.ends[both], a.waiting()), (End::Waiting, 0), "it had its turn at a and waits at b");
    world.cancel(both);
    let later = world.arrive(Call::new(HIGH, &[&a]).of(2));
    let first = world.arrive(Call::new(HIGH, &[&a]).of(1));
    world.pass_for(Duration::from_millis(1_000));
    assert!(matches!(world.ends[first], End::Went { .. }) && world.ends[later] == End::Waiting);
}
