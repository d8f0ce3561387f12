use super::{Concerns, Relay, Rule};
use crate::lab::call::{ByClass, Kinds, Size};
use crate::lab::provider::{Counted, Provider};
use crate::lab::record::{End, Run};
use crate::lab::report::Report;
use crate::lab::run::{Control, Experiment};
use crate::lab::traffic::{Offered, Part, Shape, Spacing, Traffic};
use proptest::prelude::*;
use sluicegate_flow::{Kind, Label, Mode, Quota, Scope};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn rule(scope: Scope, kind: Kind, quota: Quota, concerns: Concerns) -> Rule {
    Rule { label: Label::new(scope, "it"), kind, quota, concerns }
}

/// Calls that use what was reserved for them, so that limits on tokens hold to the last one.
fn kinds() -> Kinds {
    Kinds { keys: 4, tokens_in: Size::Fixed(30), tokens_out: Size::Fixed(10), ..Kinds::default() }
}

fn any_shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        (1.0..60.0).prop_map(|rate| Shape::Steady { rate }),
        (1.0..20.0).prop_map(|base| Shape::Spike { base, factor: 5.0, length: 2 * SECOND, every: 8 * SECOND }),
        (1..40_u32).prop_map(|clients| Shape::Closed { clients, think: SECOND / 20 }),
        (1..60_u32).prop_map(|calls| Shape::Edge { calls, window: SECOND }),
    ]
}

#[derive(Debug)]
struct Setting {
    experiment: Experiment,
    requests: u64,
    tokens: u64,
    permits: u64,
}

fn any_setting(mode: Mode) -> impl Strategy<Value = Setting> {
    let limits = (1..60_u64, 40..2400_u64, 1..60_u64);
    (limits, prop::collection::vec(any_shape(), 1..3), any::<bool>(), any::<u64>(), any::<bool>()).prop_map(
        move |((requests, tokens, permits), shapes, even, seed, at_egress)| {
            // A caller's own limits hold when he is let in. What is sent is held to them only where nobody waits for a
            // provider after that.
            let permits = if at_egress { permits } else { 10_000 };
            let rules = vec![
                rule(Scope::Key, Kind::Requests, Quota::window(requests, 10 * SECOND), Concerns::EachKey),
                rule(Scope::Overall, Kind::Requests, Quota::window(requests, SECOND), Concerns::All),
                rule(Scope::Overall, Kind::Tokens, Quota::window(tokens, SECOND), Concerns::All),
            ];
            let permit = rule(Scope::Provider, Kind::Concurrency, Quota::concurrency(permits), Concerns::All);
            let (ingress, egress) = if at_egress { (vec![permit], rules) } else { (rules, vec![permit]) };
            let relay = Relay { ingress, egress, mode, waits: ByClass([2 * SECOND; 4]), ..Relay::default() };
            let parts = shapes.into_iter().map(|shape| Part { shape, length: 10 * SECOND }).collect();
            let spacing = if even { Spacing::Even } else { Spacing::Poisson };
            let experiment = Experiment {
                offered: Offered::Generated(Traffic { parts, spacing, kinds: kinds() }),
                provider: Provider { first_token: SECOND / 10, tokens_per_second: 10.0, ..Provider::default() },
                control: Control::Relay(Box::new(relay)),
                seed,
            };
            Setting { experiment, requests, tokens, permits }
        },
    )
}

/// What must hold in every mode.
fn holds(Setting { experiment, requests, tokens, permits }: &Setting) -> Result<Run, TestCaseError> {
    let run = experiment.run();
    prop_assert!(run.worst_window(SECOND, Counted::Requests) <= *requests);
    prop_assert!(run.worst_window(SECOND, Counted::Tokens) <= *tokens);
    for key in 0..4 {
        let own = |id: u32| run.records[id as usize].call.key == key;
        let sends = run.sends.iter().filter(|(_, id)| own(*id)).copied().collect();
        let own = Run { sends, ..run.clone() };
        prop_assert!(own.worst_window(10 * SECOND, Counted::Requests) <= *requests);
    }
    // In flight at a moment: every answer takes 1.1 seconds.
    let in_flight = run.worst_window(SECOND + SECOND / 10, Counted::Requests);
    prop_assert!(in_flight <= *permits, "{in_flight} in flight of {permits}");
    for record in &run.records {
        prop_assert!(record.end != End::Stuck, "{record:?}");
        prop_assert!(record.sent.is_none_or(|sent| sent <= record.call.at.after(2 * SECOND)), "{record:?}");
    }
    Ok(run)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn an_adaptive_relay_never_exceeds_a_limit_and_forgets_nobody(setting in any_setting(Mode::Adaptive)) {
        holds(&setting)?;
    }

    #[test]
    fn a_strict_relay_never_exceeds_a_limit_and_nobody_waits(setting in any_setting(Mode::Strict)) {
        let run = holds(&setting)?;
        for record in &run.records {
            let told_at_once = record.sent.unwrap_or(record.ended) == record.call.at;
            prop_assert!(told_at_once, "{record:?}");
        }
    }
}

/// 40 clients hammer a limit of 600 a minute.
fn hammered(mode: Mode, instances: u32, shared: bool) -> Run {
    let minute = rule(Scope::Overall, Kind::Requests, Quota::window(600, 60 * SECOND), Concerns::All);
    let relay = Relay { ingress: vec![minute], mode, instances, shared, ..Relay::default() };
    let shape = Shape::Closed { clients: 40, think: SECOND / 100 };
    let traffic = Traffic { kinds: kinds(), ..Traffic::new(shape, 300 * SECOND) };
    let provider = Provider { first_token: SECOND / 10, tokens_per_second: 0.0, ..Provider::default() };
    let control = Control::Relay(Box::new(relay));
    Experiment { offered: Offered::Generated(traffic), provider, control, seed: 1 }.run()
}

#[test]
fn a_saturated_minute_is_full_without_gaps_and_never_over() {
    let run = hammered(Mode::Adaptive, 1, true);
    assert!(run.worst_window(60 * SECOND, Counted::Requests) <= 600);
    let saturated: Vec<u64> = run.sends.iter().map(|(at, _)| at.0).filter(|at| *at >= 61_000_000_000).collect();
    let longest = saturated.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(longest <= 1_000_000_000, "a gap of {longest} ns");
    for start in (61..240).map(|second| second * 1_000_000_000) {
        let inside = saturated.iter().filter(|at| (start..start + 60_000_000_000).contains(*at)).count();
        assert!(inside >= 582, "{inside} in the minute from {start}");
    }
}

#[test]
fn several_instances_keep_a_limit_together_only_if_each_has_its_share() {
    let most = |shared| hammered(Mode::Strict, 4, shared).worst_window(60 * SECOND, Counted::Requests);
    assert!(most(true) <= 600);
    assert_eq!(most(false), 2400);
}

#[test]
fn the_limit_that_binds_is_named() {
    let run = hammered(Mode::Adaptive, 1, true);
    assert_eq!(run.binding[0].0, "overall:it requests_per_minute");
    let report = Report::of(&run);
    assert!(report.refused.keys().all(|end| *end == "429 limit"), "{:?}", report.refused);
}
