//! Header sets as providers send them.

use super::*;

const NOON: u64 = 1_795_255_200_000; // 2026-11-21T10:00:00Z

fn read(headers: &[(&str, &str)]) -> Limits {
    Limits::read(headers.iter().map(|(name, value)| (*name, value.as_bytes())), NOON)
}

const fn level(limit: u64, remaining: u64, reset_ms: u64) -> Option<Level> {
    Some(Level { limit: Some(limit), remaining: Some(remaining), reset: Some(Duration::from_millis(reset_ms)) })
}

#[test]
fn openai() {
    let limits = read(&[
        ("date", "Sat, 21 Nov 2026 10:00:00 GMT"),
        ("content-type", "application/json"),
        ("openai-processing-ms", "217"),
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-limit-tokens", "30000000"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-ratelimit-remaining-tokens", "29999986"),
        ("x-ratelimit-reset-requests", "6ms"),
        ("x-ratelimit-reset-tokens", "6m0s"),
        ("x-request-id", "req_1"),
    ]);
    assert_eq!(limits.requests, level(10_000, 9_999, 6));
    assert_eq!(limits.tokens, level(30_000_000, 29_999_986, 360_000));
    assert_eq!((limits.input_tokens, limits.output_tokens), (None, None));
}

#[test]
fn azure_sends_whole_seconds_and_negative_or_no_values() {
    let limits = read(&[
        ("x-ratelimit-limit-requests", "-1"),
        ("x-ratelimit-remaining-requests", "-1"),
        ("x-ratelimit-limit-tokens", "150000"),
        ("x-ratelimit-remaining-tokens", "149984"),
        ("x-ratelimit-reset-tokens", "60"),
        ("apim-request-id", "1"),
    ]);
    assert_eq!(limits.requests, Some(Level::default()), "told, and not known");
    assert_eq!(limits.tokens, level(150_000, 149_984, 60_000));
    let zero = read(&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "0")]);
    assert_eq!(zero.tokens, Some(Level { limit: None, remaining: Some(0), reset: Some(Duration::ZERO) }));
}

#[test]
fn anthropic_names_moments_and_rounds_tokens() {
    let limits = read(&[
        ("anthropic-ratelimit-requests-limit", "50"),
        ("anthropic-ratelimit-requests-remaining", "49"),
        ("anthropic-ratelimit-requests-reset", "2026-11-21T10:00:01Z"),
        ("anthropic-ratelimit-tokens-limit", "38000"),
        ("anthropic-ratelimit-tokens-remaining", "37000"),
        ("anthropic-ratelimit-tokens-reset", "2026-11-21T10:00:05Z"),
        ("anthropic-ratelimit-input-tokens-limit", "30000"),
        ("anthropic-ratelimit-input-tokens-remaining", "30000"),
        ("anthropic-ratelimit-input-tokens-reset", "2026-11-21T10:00:00Z"),
        ("anthropic-ratelimit-output-tokens-limit", "8000"),
        ("anthropic-ratelimit-output-tokens-remaining", "0"),
        ("anthropic-ratelimit-output-tokens-reset", "2026-11-21T10:00:30Z"),
        ("anthropic-ratelimit-unified-status", "allowed"),
        ("anthropic-ratelimit-unified-5h-reset", "1795255205"),
        ("request-id", "req_1"),
    ]);
    assert_eq!(limits.requests, level(50, 49, 1_000));
    assert_eq!(limits.tokens, level(38_000, 36_500, 5_000));
    assert_eq!(limits.input_tokens, level(30_000, 29_500, 0));
    assert_eq!(limits.output_tokens, level(8_000, 0, 30_000));
    assert_eq!(limits.tokens_left(), Some(0));
}

#[test]
fn moments_are_counted_by_the_providers_own_clock() {
    let limits = read(&[
        ("anthropic-ratelimit-requests-reset", "2026-11-21T10:05:30Z"),
        ("date", "Sat, 21 Nov 2026 10:05:00 GMT"),
    ]);
    assert_eq!(limits.requests.unwrap().reset, Some(Duration::from_secs(30)));
}

#[test]
fn groq_mistral_and_cerebras() {
    let groq = read(&[
        ("x-ratelimit-limit-requests", "14400"),
        ("x-ratelimit-remaining-requests", "14370"),
        ("x-ratelimit-reset-requests", "2m59.56s"),
    ]);
    assert_eq!(groq.requests, level(14_400, 14_370, 179_560));
    let mistral = read(&[
        ("x-ratelimit-limit-tokens-minute", "5000000"),
        ("x-ratelimit-remaining-tokens-minute", "4999911"),
        ("x-ratelimit-tokens-query-cost", "52"),
        ("x-ratelimit-limit-req-minute", "720"),
        ("x-ratelimit-remaining-req-minute", "717"),
        ("x-ratelimit-limit-tokens-month", "1000000000"),
    ]);
    assert_eq!(mistral.requests, Some(Level { limit: Some(720), remaining: Some(717), reset: None }));
    assert_eq!(mistral.tokens, Some(Level { limit: Some(5_000_000), remaining: Some(4_999_911), reset: None }));
    let cerebras = read(&[
        ("x-ratelimit-limit-requests-day", "14400"),
        ("x-ratelimit-remaining-requests-day", "14000"),
        ("x-ratelimit-limit-tokens-minute", "60000"),
        ("x-ratelimit-remaining-tokens-minute", "59000"),
        ("x-ratelimit-reset-tokens-minute", "11.382"),
    ]);
    assert_eq!((cerebras.requests, cerebras.tokens), (None, level(60_000, 59_000, 11_382)));
}

#[test]
fn answers_without_such_headers_say_nothing() {
    assert!(
        read(&[("content-type", "text/event-stream"), ("x-ratelimit", "1"), ("x-ratelimit-limit", "5")]).is_empty()
    );
    assert!(Limits::read([("x-ratelimit-limit-tokens", &b"\xff"[..])].into_iter(), NOON).is_empty());
}
