use super::*;

fn refusal() -> Refusal {
    Refusal {
        label: Label::new(Scope::Endpoint, "/chat/completions"),
        kind: Kind::Tokens,
        set: 300_000,
        window: Duration::from_secs(60),
        left: 1_200,
        needed: 5_000,
        retry_after: Duration::from_nanos(2_300_000_001),
        never_fits: false,
    }
}

#[test]
fn sentence_names_limit_owner_left_needed_and_when() {
    assert_eq!(
        refusal().to_string(),
        "The limit of endpoint /chat/completions is 300000 tokens per minute; 1200 are left and this request needs 5000. \
         Try again in 2.301 s."
    );
    let overall = Refusal { label: Label::new(Scope::Overall, "relay"), never_fits: true, ..refusal() };
    assert_eq!(
        overall.to_string(),
        "The relay's overall limit is 300000 tokens per minute; this request needs 5000 and can never fit. Ask for less, or \
         have the limit raised."
    );
}

#[test]
fn header_names_scope_and_limit() {
    let by = |seconds| Refusal { window: Duration::from_secs_f64(seconds), ..refusal() }.refused_by();
    assert_eq!(by(60.0), "endpoint:tokens_per_minute");
    assert_eq!(by(1.0), "endpoint:tokens_per_second");
    assert_eq!(by(86_400.0), "endpoint:tokens_per_day");
    assert_eq!(by(90.0), "endpoint:tokens_per_90_seconds");
    assert_eq!(by(0.25), "endpoint:tokens_per_250_milliseconds");
}

#[test]
fn fault_tells_limit_from_never_and_never_shortens_the_wait() {
    let fault = Fault::from(&refusal());
    assert_eq!((fault.kind, fault.retry_after_ms), (FaultKind::LimitTokens, Some(2_301)));
    assert_eq!(fault.refused_by.as_deref(), Some("endpoint:tokens_per_minute"));
    let requests = Fault::from(&Refusal { kind: Kind::Requests, ..refusal() });
    assert_eq!(requests.kind, FaultKind::LimitRequests);
    let never = Fault::from(&Refusal { never_fits: true, retry_after: Duration::ZERO, ..refusal() });
    assert_eq!((never.kind, never.retry_after_ms), (FaultKind::NeverFits, None));
    assert!(!never.kind.retry_helps());
}
