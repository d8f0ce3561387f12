use super::*;
use http::{HeaderMap, HeaderValue};
use sluicegate_flow::{Label, Quota, Scope};

const MINUTE: Duration = Duration::from_secs(60);

fn go(millis: u64) -> String {
    let mut out = Vec::new();
    go_duration(&mut out, Duration::from_millis(millis));
    String::from_utf8(out).unwrap()
}

fn limits() -> LimitSet {
    let key = Label::new(Scope::Key, "web");
    LimitSet::new([
        Limit::new(key.clone(), Kind::Requests, Quota::window(600, MINUTE)),
        Limit::new(key, Kind::Tokens, Quota::window(120_000, MINUTE)),
        Limit::new(Label::new(Scope::Overall, "overall"), Kind::Requests, Quota::window(50, Duration::from_secs(1))),
    ])
}

fn told(limits: LimitSet) -> Told {
    let words = words(&limits);
    Told::new(limits, words)
}

fn written(dialect: Dialect) -> HeaderMap {
    let mut headers = HeaderMap::new();
    told(limits()).write(&mut headers, dialect, Nanos(0), 1_763_700_000_000);
    headers
}

#[test]
fn durations_are_written_as_go_writes_them() {
    let known = [
        (0, "0s"),
        (17, "17ms"),
        (1000, "1s"),
        (50_529, "50.529s"),
        (1_500, "1.5s"),
        (1_005, "1.005s"),
        (1_050, "1.05s"),
        (59_999, "59.999s"),
        (60_000, "1m0s"),
        (60_001, "1m1s"),
        (610_000, "10m10s"),
        (360_000, "6m0s"),
        (3_723_000, "1h2m3s"),
        (86_400_000, "24h0m0s"),
    ];
    for (millis, text) in known {
        assert_eq!(go(millis), text);
    }
}

#[test]
fn openai_clients_read_the_limit_with_the_least_left() {
    let headers = written(Dialect::OpenAi);
    assert_eq!(headers["x-ratelimit-limit-requests"], "50");
    assert_eq!(headers["x-ratelimit-remaining-requests"], "50");
    assert_eq!(headers["x-ratelimit-limit-tokens"], "120000");
    assert_eq!(headers["x-ratelimit-reset-tokens"], "0s");
}

#[test]
fn anthropic_clients_read_moments() {
    let headers = written(Dialect::Anthropic);
    assert_eq!(headers["anthropic-ratelimit-tokens-limit"], "120000");
    assert_eq!(headers["anthropic-ratelimit-requests-reset"], "2025-11-21T04:40:00Z");
    assert!(!headers.contains_key("x-ratelimit-limit-requests"));
}

#[test]
fn every_limit_is_named_in_every_dialect() {
    for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini] {
        let headers = written(dialect);
        assert_eq!(
            headers["ratelimit-policy"],
            "\"key-requests-60s\";q=600;w=60, \"key-tokens-60s\";q=120000;qu=\"tokens\";w=60, \"overall-requests-1s\";q=50;w=1"
        );
        assert_eq!(
            headers["ratelimit"],
            "\"key-requests-60s\";r=600;t=0, \"key-tokens-60s\";r=120000;t=0, \"overall-requests-1s\";r=50;t=0"
        );
    }
}

#[test]
fn without_limits_nothing_is_said() {
    let mut headers = HeaderMap::new();
    told(LimitSet::default()).write(&mut headers, Dialect::OpenAi, Nanos(0), 0);
    assert!(headers.is_empty());
}

#[test]
fn a_limit_that_only_watches_is_not_told() {
    let watching = Quota::window(1, MINUTE).in_shadow();
    let mut headers = HeaderMap::new();
    let key = || Label::new(Scope::Key, "web");
    told(LimitSet::new([Limit::new(key(), Kind::Tokens, watching)])).write(&mut headers, Dialect::OpenAi, Nanos(0), 0);
    assert!(headers.is_empty());
    let both =
        [Limit::new(key(), Kind::Requests, watching), Limit::new(key(), Kind::Concurrency, Quota::concurrency(7))];
    told(LimitSet::new(both)).write(&mut headers, Dialect::OpenAi, Nanos(0), 0);
    assert_eq!(headers["ratelimit-policy"], "\"key-concurrency\";q=7;qu=\"concurrent-requests\"");
    assert_eq!((&headers["ratelimit"], headers.len()), (&HeaderValue::from_static("\"key-concurrency\";r=7"), 2));
}
