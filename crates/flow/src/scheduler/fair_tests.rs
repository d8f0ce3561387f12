use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::HashMap;

const WEIGHTS: [u32; 4] = [1, 2, 4, 8];
const NOW: Nanos = Nanos(1_000_000_000);

fn place(class: Priority, flow: u64, order: u64, cost: u64) -> Place {
    Place { class, flow, order, cost, amount: 1 }
}

/// Serves whoever is next.
fn serve(queue: &mut FairQueue, now: Nanos) -> Option<Place> {
    let next = queue.next()?;
    queue.serve(now, next.class, next.flow, next.order)
}

/// A queue in which each of these always has calls of this cost waiting: each served call is followed by the next.
fn saturate(queue: &mut FairQueue, flows: &[(Priority, u64, u64)], calls: u64) -> HashMap<(Priority, u64), u64> {
    let mut order = 0;
    let mut served = HashMap::new();
    for &(class, flow, cost) in flows {
        for _ in 0..2 {
            queue.push(NOW, place(class, flow, order, cost));
            order += 1;
        }
    }
    for _ in 0..calls {
        let next = serve(queue, NOW).unwrap();
        *served.entry((next.class, next.flow)).or_insert(0) += next.cost;
        queue.push(NOW, place(next.class, next.flow, order, next.cost));
        order += 1;
    }
    served
}

#[test]
fn a_flow_is_served_in_order_of_arrival() {
    let mut queue = FairQueue::new(WEIGHTS);
    for order in [4, 2, 9, 1] {
        queue.push(NOW, place(Priority::Normal, 7, order, 5));
    }
    let served: Vec<u64> = std::iter::from_fn(|| serve(&mut queue, NOW)).map(|place| place.order).collect();
    assert_eq!(served, [1, 2, 4, 9]);
    assert!(queue.is_empty());
}

#[test]
fn shares_match_weights_2pct() {
    let mut queue = FairQueue::new(WEIGHTS);
    let flows =
        [(Priority::Critical, 1, 200), (Priority::High, 2, 400), (Priority::Normal, 3, 400), (Priority::Low, 4, 1_200)];
    let served = saturate(&mut queue, &flows, 20_000);
    let total: u64 = served.values().sum();
    for (class, flow, _) in flows {
        let share = served[&(class, flow)] as f64 / total as f64;
        let due = f64::from(*pick(&WEIGHTS, class)) / 15.0;
        assert!((share / due - 1.0).abs() < 0.02, "{class:?}: {share} of {due}");
    }
}

#[test]
fn flows_of_a_class_share_it_evenly_whatever_their_calls_cost() {
    let mut queue = FairQueue::new(WEIGHTS);
    let flows = [(Priority::Low, 1, 10), (Priority::Low, 2, 1_000), (Priority::Low, 3, 50)];
    let served = saturate(&mut queue, &flows, 40_000);
    let due = served.values().sum::<u64>() / 3;
    assert!(served.values().all(|&cost| cost.abs_diff(due) <= 1_000), "{served:?}");
}

#[test]
fn idle_earns_no_credit() {
    let mut queue = FairQueue::new(WEIGHTS);
    let busy = [(Priority::Normal, 1, 100)];
    saturate(&mut queue, &busy, 1_000);
    // Flow 2 comes after flow 1 has been served a thousand times, and class high after all of that.
    for order in 0..100 {
        queue.push(NOW, place(Priority::Normal, 2, 10_000 + order, 100));
        queue.push(NOW, place(Priority::Normal, 1, 20_000 + order, 100));
        queue.push(NOW, place(Priority::High, 3, 30_000 + order, 100));
    }
    let served: Vec<u64> = (0..60).filter_map(|_| serve(&mut queue, NOW)).map(|place| place.flow).collect();
    let count = |flow| served.iter().filter(|&&served| served == flow).count();
    assert!(count(3).abs_diff(40) <= 2, "high gets its two thirds and no more: {served:?}");
    assert!(count(1).abs_diff(count(2)) <= 2, "nobody makes up for the time it was away: {served:?}");
}

#[test]
fn a_debt_outlives_a_pause_but_not_five_minutes() {
    let first_of_two = |later: Nanos| {
        let mut queue = FairQueue::new(WEIGHTS);
        for flow in [1, 2] {
            queue.push(NOW, place(Priority::Normal, flow, flow, 100));
        }
        serve(&mut queue, NOW);
        serve(&mut queue, NOW);
        queue.correct(NOW, Priority::Normal, 1, 5_000);
        queue.push(later, place(Priority::Normal, 1, 3, 100));
        queue.push(later, place(Priority::Normal, 2, 4, 100));
        serve(&mut queue, later).map(|place| place.flow)
    };
    assert_eq!(first_of_two(NOW.after(Duration::from_secs(299))), Some(2));
    assert_eq!(first_of_two(NOW.after(Duration::from_secs(301))), Some(1));
}

#[test]
fn a_flow_whose_place_was_given_up_pays_nothing() {
    let mut queue = FairQueue::new(WEIGHTS);
    queue.push(NOW, place(Priority::Normal, 1, 1, 1_000));
    queue.push(NOW, place(Priority::Normal, 1, 2, 1_000));
    queue.push(NOW, place(Priority::Normal, 2, 3, 1_000));
    assert_eq!(queue.remove(NOW, Priority::Normal, 1, 1).map(|place| place.order), Some(1));
    assert_eq!(queue.remove(NOW, Priority::Normal, 1, 1), None);
    assert_eq!(serve(&mut queue, NOW).map(|place| place.order), Some(2));
}

#[test]
fn what_is_remembered_of_absent_flows_is_bounded() {
    let mut queue = FairQueue::new(WEIGHTS);
    for flow in 0..100_000 {
        queue.push(NOW, place(Priority::Low, flow, flow, 10));
        serve(&mut queue, NOW);
        queue.correct(NOW, Priority::Low, flow + 1_000_000, 1_000);
    }
    assert!(queue.class(Priority::Low).kept.len() <= 2 * KEPT_FLOWS);
    assert!(queue.remembers(NOW) && !queue.remembers(NOW.after(KEEP)));
}

#[test]
fn the_highest_costs_and_corrections_end_in_no_overflow() {
    let mut queue = FairQueue::new([0; 4]);
    for order in 0..100 {
        queue.push(NOW, place(Priority::Low, 1, order, u64::MAX));
        queue.correct(NOW, Priority::Low, 1, i64::MAX);
        queue.correct(NOW, Priority::Low, 2, i64::MIN);
    }
    assert!(queue.ahead(NOW, Priority::Low, 3).cost < u64::MAX);
    assert_eq!(std::iter::from_fn(|| serve(&mut queue, NOW)).count(), 100);
}

#[test]
fn what_is_ahead_counts_others_only_up_to_the_own_turn() {
    let mut queue = FairQueue::new(WEIGHTS);
    for order in 0..10 {
        queue.push(NOW, place(Priority::Normal, 1, order, 100));
    }
    queue.push(NOW, place(Priority::Normal, 2, 20, 30));
    assert_eq!(queue.ahead(NOW, Priority::Normal, 3).cost, 0, "a new flow is next in its class");
    assert_eq!(queue.ahead(NOW, Priority::Normal, 2).cost, 60, "its own 30 and as much of flow 1");
    assert_eq!(queue.ahead(NOW, Priority::Normal, 1).cost, 1_030);
    assert_eq!(queue.allowance(NOW, Priority::High, Priority::Normal, 100), 200);
}

fn classes() -> impl Strategy<Value = Priority> {
    (0..4_usize).prop_map(|class| CLASSES[class])
}

proptest! {
    /// Two classes that both wait are never further apart, by weight, than one call of each; nor are two flows.
    #[test]
    fn no_class_starves(
        costs in vec((classes(), 0_u64..4, 1_u64..5_000), 2..40),
        calls in 100_usize..400,
    ) {
        let mut queue = FairQueue::new(WEIGHTS);
        let mut order = 0;
        let mut served: HashMap<Priority, u64> = HashMap::new();
        for &(class, flow, cost) in costs.iter().cycle().take(costs.len() * 2) {
            queue.push(NOW, place(class, flow, order, cost));
            served.insert(class, 0);
            order += 1;
        }
        let largest = costs.iter().map(|&(_, _, cost)| cost).max().unwrap() as f64;
        for _ in 0..calls {
            let next = serve(&mut queue, NOW).unwrap();
            *served.get_mut(&next.class).unwrap() += next.cost;
            queue.push(NOW, Place { order, ..next });
            order += 1;
            let by_weight = served.iter().map(|(&class, &cost)| cost as f64 / f64::from(*pick(&WEIGHTS, class)));
            let (least, most) = by_weight.fold((f64::MAX, 0.0_f64), |(low, high), next| (low.min(next), high.max(next)));
            prop_assert!(most - least <= 2.0 * largest + 1.0, "{served:?}");
        }
    }

    /// Against a plain list: nothing is lost, doubled or invented, and the backlogs add up.
    #[test]
    fn every_place_leaves_exactly_once(steps in vec((0_u8..4, classes(), 0_u64..3, 1_u64..100), 1..300)) {
        let mut queue = FairQueue::new(WEIGHTS);
        let mut waiting: Vec<Place> = Vec::new();
        for (order, (step, class, flow, cost)) in (0_u64..).zip(steps) {
            match step {
                0 | 1 => {
                    let place = place(class, flow, order, cost);
                    queue.push(NOW, place);
                    waiting.push(place);
                }
                2 => {
                    let served = serve(&mut queue, NOW);
                    prop_assert_eq!(served.is_none(), waiting.is_empty());
                    waiting.retain(|place| Some(*place) != served);
                }
                _ => {
                    let gone = waiting.pop();
                    prop_assert_eq!(gone.and_then(|gone| queue.remove(NOW, gone.class, gone.flow, gone.order)), gone);
                }
            }
            prop_assert_eq!(queue.len(), waiting.len());
            let cost: u64 = CLASSES.iter().map(|&class| queue.backlog(class).cost).sum();
            prop_assert_eq!(cost, waiting.iter().map(|place| place.cost).sum::<u64>());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Estimates are off by up to ten times either way, differently for each class; what is really used is corrected
    /// some calls later. What counts is what was really used.
    #[test]
    fn wrong_estimates_converge_when_corrected(
        errors in vec((1_u64..=10, any::<bool>()), 4),
        late in 1_usize..6,
    ) {
        let mut queue = FairQueue::new(WEIGHTS);
        let (mut used, mut flying) = ([0_u64; 4], std::collections::VecDeque::new());
        for order in 0..160 {
            let class = CLASSES[order as usize % 4];
            queue.push(NOW, place(class, 0, order, 1));
        }
        for order in 1_000..9_000 {
            let next = queue.next().unwrap();
            let class = next.class as usize;
            let (factor, over) = errors[class];
            let real = 1_000;
            let estimate = if over { real * factor } else { real / factor };
            let served = queue.serve(NOW, next.class, next.flow, next.order).unwrap();
            // The cost it was queued with is what was charged.
            flying.push_back((next.class, real as i64 - served.cost as i64));
            used[class] += real;
            queue.push(NOW, place(next.class, next.flow, order, estimate));
            if flying.len() > late {
                let (class, beyond) = flying.pop_front().unwrap();
                queue.correct(NOW, class, 0, beyond);
            }
        }
        let total: u64 = used.iter().sum();
        for class in CLASSES {
            let share = used[class as usize] as f64 / total as f64;
            let due = f64::from(*pick(&WEIGHTS, class)) / 15.0;
            prop_assert!((share / due - 1.0).abs() < 0.02, "{class:?}: {share} of {due}");
        }
    }
}
