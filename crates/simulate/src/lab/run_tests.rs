use super::{Control, Experiment};
use crate::lab::call::Kinds;
use crate::lab::policy::Retry;
use crate::lab::provider::{Ceiling, Counted, Form, Provider};
use crate::lab::record::{End, Run};
use crate::lab::report::Report;
use crate::lab::traffic::{Offered, Part, Shape, Spacing, Traffic};
use proptest::prelude::*;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn any_traffic() -> impl Strategy<Value = Traffic> {
    let shape = prop_oneof![
        (1.0..40.0).prop_map(|rate| Shape::Steady { rate }),
        (1.0..20.0).prop_map(|base| Shape::Spike { base, factor: 3.4, length: 2 * SECOND, every: 10 * SECOND }),
        (1..30_u32).prop_map(|clients| Shape::Closed { clients, think: SECOND / 10 }),
        (1..30_u32).prop_map(|calls| Shape::Edge { calls, window: SECOND }),
    ];
    (prop::collection::vec(shape, 1..3), any::<bool>()).prop_map(|(shapes, even)| Traffic {
        parts: shapes.into_iter().map(|shape| Part { shape, length: 15 * SECOND }).collect(),
        spacing: if even { Spacing::Even } else { Spacing::Poisson },
        kinds: Kinds::default(),
    })
}

fn any_control() -> impl Strategy<Value = Control> {
    prop_oneof![
        Just(Control::None),
        Just(Control::Retry(Retry::default())),
        (1..60_u32).prop_map(|permits| Control::Semaphore { permits, timeout: 3 * SECOND }),
    ]
}

fn any_provider() -> impl Strategy<Value = Provider> {
    (5..40_u64, any::<bool>(), prop::option::of(1..50_u32), 0.0..0.2).prop_map(
        |(amount, bucket, concurrency, errors)| {
            let form = if bucket { Form::Bucket { capacity: amount } } else { Form::Window };
            Provider {
                ceilings: vec![Ceiling { counted: Counted::Requests, amount, window: SECOND, form }],
                concurrency,
                error_rate: errors,
                ..Provider::default()
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_call_has_one_end_and_the_same_under_a_seed(
        traffic in any_traffic(),
        control in any_control(),
        provider in any_provider(),
        seed in any::<u64>(),
    ) {
        let experiment = Experiment { offered: Offered::Generated(traffic), provider, control, seed };
        let run = experiment.run();
        for record in &run.records {
            prop_assert!(record.end != End::Stuck);
            prop_assert!(record.ended >= record.call.at);
            prop_assert!(record.sent.is_none_or(|sent| sent >= record.call.at && sent <= record.ended));
            prop_assert!(record.end != End::Answered || record.attempts > 0);
        }
        prop_assert!(run.sends.is_sorted_by_key(|(at, _)| *at));
        let attempts: u64 = run.records.iter().map(|record| u64::from(record.attempts)).sum();
        prop_assert_eq!(attempts, run.sends.len() as u64);
        let report = Report::of(&run);
        prop_assert_eq!(report.answered + report.refused.values().sum::<u64>(), report.offered);
        prop_assert_eq!(report.classes.iter().map(|class| class.offered).sum::<u64>(), report.offered);
        prop_assert_eq!(run, experiment.run());
    }
}

/// 20 calls a second where 10 are allowed.
fn overloaded(control: Control, failures_count: bool) -> Run {
    let provider = Provider {
        ceilings: vec![Ceiling { counted: Counted::Requests, amount: 10, window: SECOND, form: Form::Window }],
        failures_count,
        ..Provider::default()
    };
    let traffic = Traffic { spacing: Spacing::Even, ..Traffic::new(Shape::Steady { rate: 20.0 }, 60 * SECOND) };
    Experiment { offered: Offered::Generated(traffic), provider, control, seed: 1 }.run()
}

#[test]
fn without_control_the_excess_is_refused_by_the_provider() {
    let report = Report::of(&overloaded(Control::None, false));
    assert_eq!(report.offered, 1199);
    assert!((report.goodput - 10.0).abs() < 0.2, "{}", report.goodput);
    assert_eq!(report.refused["429 provider"], report.refusals());
    let locked_out = Report::of(&overloaded(Control::None, true));
    assert_eq!(locked_out.answered, 10, "who keeps failing against a limit that counts failures gets nothing");
}

#[test]
fn retries_multiply_the_attempts_and_answer_no_more() {
    let (none, retry) = (overloaded(Control::None, false), overloaded(Control::Retry(Retry::default()), false));
    let (none, retry) = (Report::of(&none), Report::of(&retry));
    assert!(retry.attempts as f64 > 1.5 * retry.offered as f64, "{}", retry.attempts);
    assert!(retry.answered < none.answered + 40, "{} after {}", retry.answered, none.answered);
}

#[test]
fn a_semaphore_serves_in_order_and_lets_nobody_wait_longer_than_its_time() {
    let run = overloaded(Control::Semaphore { permits: 4, timeout: 2 * SECOND }, false);
    let mut last = None;
    for record in &run.records {
        assert!(record.wait().is_none_or(|wait| wait <= 2 * SECOND));
        if record.end == End::Answered {
            assert!(record.sent >= last, "served before one who came earlier");
            last = record.sent;
        }
    }
    assert!(Report::of(&run).refused["504 deadline"] > 100);
}

#[test]
fn the_worst_window_is_found_wherever_it_lies() {
    let run = overloaded(Control::None, false);
    assert_eq!(run.worst_window(SECOND, Counted::Requests), 20);
    assert_eq!(run.worst_window(Duration::from_millis(40), Counted::Requests), 1);
    assert_eq!(run.worst_window(Duration::from_millis(51), Counted::Requests), 2);
}
