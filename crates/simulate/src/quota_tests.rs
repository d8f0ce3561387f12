use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn allowed(requests_per_minute: Option<u32>, tokens_per_minute: Option<u32>) -> Allowed {
    Allowed { requests_per_minute, tokens_per_minute, concurrency: None }
}

fn exhausted(taken: Result<Permit, Full>) -> Exhausted {
    match taken {
        Err(Full::Minute(exhausted)) => exhausted,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_bucket_admits_its_limit_and_then_its_rate() {
    let mut quota = Quota::new(allowed(Some(60), None));
    for _ in 0..60 {
        assert!(quota.take(1, 10, Duration::ZERO).1.is_ok());
    }
    let (levels, refused) = quota.take(1, 10, Duration::ZERO);
    let refused = exhausted(refused);
    assert_eq!((refused.what, refused.retry_after), ("requests", SECOND));
    assert_eq!(levels.requests.unwrap().remaining, 0);
    assert_eq!(levels.requests.unwrap().reset, 60 * SECOND);
    assert!(quota.take(2, 10, Duration::ZERO).1.is_ok(), "another key has its own");
    assert!(quota.take(1, 10, SECOND).1.is_ok());
    assert!(quota.take(1, 10, SECOND).1.is_err());
}

#[test]
fn a_request_refused_for_its_tokens_takes_no_request() {
    let mut quota = Quota::new(allowed(Some(10), Some(1000)));
    let (levels, refused) = quota.take(1, 1001, Duration::ZERO);
    assert_eq!(exhausted(refused).what, "tokens");
    assert_eq!(levels.requests.unwrap().remaining, 10);
    assert_eq!(levels.tokens.unwrap().remaining, 1000);
}

#[test]
fn durations_and_moments_are_printed_as_the_providers_do() {
    for (ms, text) in [(0, "0s"), (17, "17ms"), (50_529, "50.529s"), (1_200, "1.2s"), (360_000, "6m0s")] {
        assert_eq!(go_duration(Duration::from_millis(ms)), text);
    }
    assert_eq!(go_duration(Duration::from_secs(3723)), "1h2m3s");
    assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
    assert_eq!(rfc3339(1_795_255_205), "2026-11-21T10:00:05Z");
    assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
}

#[test]
fn each_dialect_tells_its_levels_in_its_own_headers() {
    let level = Level { limit: 60, remaining: 59, reset: SECOND };
    let tokens = Level { limit: 150_000, remaining: 149_984, reset: Duration::from_millis(6) };
    let levels = Levels { requests: Some(level), tokens: Some(tokens) };
    let mut headers = HeaderMap::new();
    levels.write(Dialect::OpenAi, 0, &mut headers);
    assert_eq!(headers["x-ratelimit-remaining-tokens"], "149984");
    assert_eq!(headers["x-ratelimit-reset-tokens"], "6ms");
    headers.clear();
    levels.write(Dialect::Anthropic, 0, &mut headers);
    assert_eq!(headers["anthropic-ratelimit-tokens-remaining"], "150000");
    assert_eq!(headers["anthropic-ratelimit-requests-reset"], "1970-01-01T00:00:01Z");
    headers.clear();
    levels.write(Dialect::Gemini, 0, &mut headers);
    assert!(headers.is_empty());
}

#[test]
fn a_limit_that_changes_keeps_the_part_that_is_full() {
    let mut quota = Quota::new(allowed(Some(100), None));
    for _ in 0..50 {
        assert!(quota.take(1, 0, Duration::ZERO).1.is_ok());
    }
    quota.set(allowed(Some(10), None), Duration::ZERO);
    let left = (0..10).take_while(|_| quota.take(1, 0, Duration::ZERO).1.is_ok()).count();
    assert_eq!(left, 5);
    quota.set(Allowed::default(), Duration::ZERO);
    assert!(quota.is_unlimited() && quota.take(1, 0, Duration::ZERO).1.is_ok());
}

#[test]
fn a_place_is_free_again_when_its_permit_is_dropped() {
    let limits = Allowed { concurrency: Some(2), requests_per_minute: Some(10), ..Allowed::default() };
    let mut quota = Quota::new(limits);
    let mut take = |key: u64| quota.take(key, 5, Duration::ZERO);
    let (first, second) = (take(1).1.unwrap(), take(1).1.unwrap());
    let (levels, refused) = take(1);
    assert_eq!(refused.unwrap_err(), Full::AtOnce(2));
    assert_eq!(levels.requests.unwrap().remaining, 8, "a refused request takes nothing");
    let other = take(2).1.unwrap();
    assert!(take(2).1.is_ok(), "another key has its own");
    drop(first);
    let third = take(1).1.unwrap();
    assert!(take(1).1.is_err());
    quota.set(Allowed { concurrency: Some(3), ..limits }, Duration::ZERO);
    assert!(quota.take(1, 5, Duration::ZERO).1.is_ok(), "two of three are under way");
    drop((second, third, other));
}
