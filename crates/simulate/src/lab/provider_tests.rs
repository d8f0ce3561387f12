use super::{AtWork, Ceiling, Counted, Form, Provider, Verdict};
use crate::lab::call::{Call, Dealer, Kinds};
use proptest::prelude::*;
use sluicegate_flow::Nanos;
use std::time::Duration;

fn ceiling(counted: Counted, amount: u64, form: Form) -> Ceiling {
    Ceiling { counted, amount, window: Duration::from_secs(1), form }
}

fn call(tokens: u32) -> Call {
    let call = Dealer::new(&Kinds::default(), 1).deal(Nanos::ZERO, None);
    Call { tokens_in: tokens, tokens_out: 0, ..call }
}

proptest! {
    #[test]
    fn a_provider_never_grants_over_its_limits(
        gaps in prop::collection::vec((0_u64..300_000_000, 0_u32..40), 1..200),
        bucket in any::<bool>(),
        failures_count in any::<bool>(),
    ) {
        let form = if bucket { Form::Bucket { capacity: 10 } } else { Form::Window };
        let provider = Provider {
            ceilings: vec![ceiling(Counted::Requests, 10, form), ceiling(Counted::Tokens, 100, Form::Window)],
            failures_count,
            ..Provider::default()
        };
        let mut at_work = AtWork::new(&provider, 1);
        let (mut now, mut granted) = (Nanos(0), Vec::new());
        for (gap, tokens) in gaps {
            now = Nanos(now.0 + gap);
            if matches!(at_work.offer(now, &call(tokens)), Verdict::Accepted { .. }) {
                granted.push((now, tokens));
            }
        }
        for (start, _) in &granted {
            let end = start.after(Duration::from_secs(1));
            let inside = granted.iter().filter(|(at, _)| at >= start && *at < end);
            let (requests, tokens) = inside.fold((0, 0), |(n, sum), (_, tokens)| (n + 1, sum + tokens));
            prop_assert!(requests <= if bucket { 20 } else { 10 }, "{requests} requests in a second");
            prop_assert!(tokens <= 100, "{tokens} tokens in a second");
        }
    }
}

#[test]
fn one_more_than_it_can_work_on_is_refused_until_another_is_done() {
    let provider = Provider { concurrency: Some(2), ..Provider::default() };
    let mut at_work = AtWork::new(&provider, 1);
    assert!(matches!(at_work.offer(Nanos(0), &call(1)), Verdict::Accepted { .. }));
    assert!(matches!(at_work.offer(Nanos(0), &call(1)), Verdict::Accepted { .. }));
    assert_eq!(at_work.offer(Nanos(1), &call(1)), Verdict::Refused);
    at_work.done();
    assert!(matches!(at_work.offer(Nanos(2), &call(1)), Verdict::Accepted { .. }));
}

#[test]
fn where_failures_count_who_hammers_locks_itself_out() {
    let ceilings = vec![ceiling(Counted::Requests, 2, Form::Window)];
    let granted = |failures_count| {
        let provider = Provider { ceilings: ceilings.clone(), failures_count, ..Provider::default() };
        let mut at_work = AtWork::new(&provider, 1);
        let every_tenth = (0..100).map(|tenth| Nanos(tenth * 100_000_000));
        every_tenth.filter(|at| at_work.offer(*at, &call(1)) != Verdict::Refused).count()
    };
    assert_eq!(granted(false), 20);
    assert_eq!(granted(true), 2);
}
