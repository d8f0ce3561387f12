use super::*;
use proptest::prelude::*;
use sluicegate_vocabulary::{AttemptRecord, AttemptResult, FaultKind};

fn answered(class: Priority, queued_ms: u64) -> Receipt {
    let mut receipt = Receipt { priority: class, end: EndReason::Done, ..Receipt::default() };
    receipt.attempts.push(AttemptRecord {
        provider: "lab".into(),
        credential: "-".into(),
        model: "sim".into(),
        result: AttemptResult::Ok,
        status: 200,
        started: Duration::ZERO,
        took: Duration::ZERO,
    });
    receipt.times.queued = Duration::from_millis(queued_ms);
    receipt.times.first_token = Some(Duration::from_millis(40));
    receipt.times.total = Duration::from_millis(400);
    receipt
}

fn refused(fault: FaultKind, by: Option<&'static str>) -> Receipt {
    Receipt { end: EndReason::Refused, fault: Some(fault), refused_by: by.map(Into::into), ..Receipt::default() }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn a_minute_tells_calls_refusals_errors_and_tokens() {
    let mut recent = Recent::default();
    let mut reserved = answered(Priority::Normal, 0);
    reserved.reserved = 500;
    reserved.usage.output = 120;
    let broken = Receipt { end: EndReason::UpstreamError, ..answered(Priority::Normal, 0) };
    let calls = [
        reserved,
        broken,
        refused(FaultKind::LimitTokens, Some("key:tokens_per_minute")),
        refused(FaultKind::Overloaded, Some("queue")),
        refused(FaultKind::Timeout, Some("provider:requests_per_minute")),
        refused(FaultKind::Unauthenticated, None),
    ];
    recent.count(seconds(100), &calls);
    let minute = recent.last_minute(seconds(101));
    let Sums { calls, refused, errors, reserved, used, .. } = minute.sums;
    assert_eq!((calls, refused, errors), (6, [1, 0, 1, 1], 1));
    assert_eq!((reserved, used), (500, 120));
    assert_eq!((minute.calls.len(), minute.calls[58], minute.calls[59]), (60, 6, 0));
    assert_eq!(minute.refusals[58], 3);
}

#[test]
fn waits_are_those_of_calls_that_asked_for_admission() {
    let mut recent = Recent::default();
    let mut waited = vec![answered(Priority::Low, 1000), answered(Priority::High, 0)];
    waited.push(refused(FaultKind::Unauthenticated, None));
    recent.count(seconds(5), &waited);
    let minute = recent.last_minute(seconds(5));
    assert_eq!(minute.sums.waits.each_ref().map(Histogram::count), [0, 1, 0, 1]);
    assert_eq!(minute.waits().count(), 2);
    let p99 = minute.sums.waits[3].quantile(0.99).unwrap().as_secs_f64();
    assert!((p99 - 1.0).abs() < 0.07, "{p99}");
}

#[test]
fn right_after_the_start_a_rate_is_over_the_time_there_was() {
    let mut recent = Recent::default();
    recent.count(seconds(2), &[answered(Priority::Normal, 0), answered(Priority::Normal, 0)]);
    let rate = |now| {
        let minute = Recent::last_minute;
        let mut recent = Recent { slots: recent.slots.clone(), second: recent.second };
        let minute = minute(&mut recent, seconds(now));
        minute.per_second(minute.sums.calls)
    };
    assert!((rate(4) - 0.5).abs() < 1e-9 && (rate(60) - 2.0 / 60.0).abs() < 1e-9);
}

proptest! {
    #[test]
    fn a_call_is_counted_for_sixty_seconds_and_not_for_longer(gaps in prop::collection::vec(0_u64..90, 1..40), until in 0_u64..200) {
        let mut recent = Recent::default();
        let mut now = 0;
        let mut ends = Vec::new();
        for gap in gaps {
            now += gap;
            recent.count(seconds(now), &[answered(Priority::Normal, 0)]);
            ends.push(now);
        }
        now += until;
        let expected = ends.iter().filter(|end| **end + 60 > now).count() as u64;
        let minute = recent.last_minute(seconds(now));
        prop_assert_eq!(minute.sums.calls, expected);
        prop_assert_eq!(minute.calls.iter().sum::<u64>(), expected);
    }
}
