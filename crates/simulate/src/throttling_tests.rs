use super::*;

#[test]
fn every_kind_is_told_apart_in_every_dialect() {
    for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini] {
        let mut seen = Vec::new();
        for (name, kind) in NAMES {
            assert_eq!(Throttling::parse(name), Some(kind));
            let (refusal, levels) = kind.refusal(dialect, None);
            let body = refusal.body(dialect, "req");
            assert!(!seen.contains(&(body.clone(), levels)), "{name} says what another one says: {body}");
            seen.push((body, levels));
        }
    }
}

#[test]
fn an_ordered_wait_replaces_the_usual_one() {
    let wait = |kind: Throttling, wait| kind.refusal(Dialect::OpenAi, wait).0.retry_after;
    assert_eq!(wait(Throttling::Requests, None), Some(USUAL_WAIT));
    assert_eq!(wait(Throttling::Requests, Some(Duration::from_millis(200))), Some(Duration::from_millis(200)));
    assert_eq!(wait(Throttling::Billing, None), None, "waiting fills no account");
}
