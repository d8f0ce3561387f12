use super::*;
use crate::quota::Quota;

/// 1,200 of 300,000 tokens are left.
fn refusal(scope: Scope, kind: Kind, window: Duration) -> Refusal {
    let quota = if kind == Kind::Concurrency { Quota::concurrency(20) } else { Quota::window(300_000, window) };
    Refusal {
        limit: Limit::new(Label::new(scope, "/chat/completions"), kind, quota),
        reason: Reason::Exhausted,
        left: 1_200,
        needed: 5_000,
        retry_after: Some(Duration::from_nanos(2_300_000_001)),
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn sentence_names_limit_owner_left_needed_and_when() {
    let tokens = refusal(Scope::Endpoint, Kind::Tokens, MINUTE);
    assert_eq!(
        tokens.to_string(),
        "The limit of endpoint /chat/completions is 300000 tokens per minute; 1200 are left and this request needs 5000. \
         Try again in 2.301 s."
    );
    assert_eq!(
        Refusal { reason: Reason::Pace, ..tokens }.to_string(),
        "The limit of endpoint /chat/completions is 300000 tokens per minute; 1200 are left, let go evenly, and the next \
         is not due yet. Try again in 2.301 s."
    );
    let overall = refusal(Scope::Overall, Kind::Tokens, MINUTE);
    assert_eq!(
        Refusal { reason: Reason::NeverFits, retry_after: None, ..overall }.to_string(),
        "The relay's overall limit is 300000 tokens per minute; this request needs 5000 and can never fit. Ask for less, or \
         have the limit raised."
    );
}

#[test]
fn sentence_about_permits_promises_no_time() {
    let permits = Refusal { retry_after: None, ..refusal(Scope::Key, Kind::Concurrency, MINUTE) };
    assert_eq!(
        permits.to_string(),
        "The limit of key /chat/completions is 20 requests at once; all of them are under way. Try again when one has \
         ended."
    );
    assert_eq!(
        Refusal { reason: Reason::Class, ..permits }.to_string(),
        "The limit of key /chat/completions is 20 requests at once; the rest is kept for higher classes. Try again when \
         one of them has ended."
    );
}

#[test]
fn header_names_scope_and_limit() {
    let by = |seconds| refusal(Scope::Endpoint, Kind::Tokens, Duration::from_secs_f64(seconds)).refused_by();
    assert_eq!(by(60.0), "endpoint:tokens_per_minute");
    assert_eq!(by(1.0), "endpoint:tokens_per_second");
    assert_eq!(by(86_400.0), "endpoint:tokens_per_day");
    assert_eq!(by(90.0), "endpoint:tokens_per_90_seconds");
    assert_eq!(by(0.25), "endpoint:tokens_per_250_milliseconds");
    assert_eq!(refusal(Scope::Key, Kind::Concurrency, MINUTE).refused_by(), "key:concurrency");
}

#[test]
fn fault_tells_limit_from_never_and_never_shortens_the_wait() {
    let tokens = refusal(Scope::Endpoint, Kind::Tokens, MINUTE);
    let fault = Fault::from(&tokens);
    assert_eq!((fault.kind, fault.retry_after_ms), (FaultKind::LimitTokens, Some(2_301)));
    assert_eq!(fault.refused_by.as_deref(), Some("endpoint:tokens_per_minute"));
    for kind in [Kind::Requests, Kind::Concurrency] {
        assert_eq!(Fault::from(&refusal(Scope::Key, kind, MINUTE)).kind, FaultKind::LimitRequests);
    }
    let never = Fault::from(&Refusal { reason: Reason::NeverFits, retry_after: None, ..tokens });
    assert_eq!((never.kind, never.retry_after_ms), (FaultKind::NeverFits, None));
    assert!(!never.kind.retry_helps());
}
