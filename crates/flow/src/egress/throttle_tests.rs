//! Refusals as providers wrote them.

use super::*;

#[derive(Clone, Copy)]
struct Sample {
    status: u16,
    dialect: Dialect,
    words: &'static [&'static str],
    message: &'static str,
    retry_after: Option<u64>,
    left: (Option<u64>, Option<u64>),
}

const PLAIN: Sample =
    Sample { status: 429, dialect: Dialect::OpenAi, words: &[], message: "", retry_after: None, left: (None, None) };

fn of(sample: Sample) -> Option<Throttle> {
    let words: Vec<String> = sample.words.iter().map(|&word| word.to_owned()).collect();
    Throttle::classify(&Refused {
        status: sample.status,
        dialect: sample.dialect,
        words: &words,
        message: sample.message,
        retry_after: sample.retry_after.map(Duration::from_secs),
        requests_left: sample.left.0,
        tokens_left: sample.left.1,
    })
}

const REQUESTS: Option<Throttle> = Some(Throttle::QuotaRequests { reset: None });
const TOKENS: Option<Throttle> = Some(Throttle::QuotaTokens { reset: None });

#[test]
fn openai_tells_by_the_type() {
    let words = |words| of(Sample { words, ..PLAIN });
    assert_eq!(words(&["rate_limit_exceeded", "requests"]), REQUESTS);
    assert_eq!(words(&["rate_limit_exceeded", "tokens"]), TOKENS);
    assert_eq!(words(&["slow_down", "rate_limit_error"]), Some(Throttle::Slope));
    assert_eq!(words(&["insufficient_quota", "insufficient_quota"]), Some(Throttle::Billing));
    assert_eq!(words(&["project_spend_limit_exceeded", "insufficient_quota"]), Some(Throttle::Billing));
    let full = Sample { status: 503, words: &["server_is_overloaded", "service_unavailable_error"], ..PLAIN };
    assert_eq!(of(full), Some(Throttle::Overloaded));
}

#[test]
fn anthropic_tells_by_the_sentence_and_the_details() {
    let anthropic = Sample { dialect: Dialect::Anthropic, words: &["rate_limit_error"], ..PLAIN };
    let says = |message| of(Sample { message, ..anthropic });
    assert_eq!(
        says(
            "This request would exceed the rate limit for your organization (0dcc) of 20,000 input tokens per minute."
        ),
        TOKENS
    );
    assert_eq!(says("Number of request tokens has exceeded your per-minute rate limit"), TOKENS);
    assert_eq!(says("This request would exceed your organization's rate limit of 50 requests per minute."), REQUESTS);
    assert_eq!(
        says("Number of concurrent connections has exceeded your rate limit. Please try again later."),
        Some(Throttle::Concurrency { limit: None })
    );
    let detailed = |words| of(Sample { words, ..anthropic });
    assert_eq!(detailed(&["ramp_limit_exceeded", "rate_limit_error"]), Some(Throttle::Slope));
    assert_eq!(detailed(&["enforced_spend_limit_reached", "rate_limit_error"]), Some(Throttle::Billing));
    let overloaded = Sample { status: 529, words: &["overloaded_error"], ..anthropic };
    assert_eq!(of(overloaded), Some(Throttle::Overloaded));
    let in_stream = Sample { status: 200, ..overloaded };
    assert_eq!(of(in_stream), Some(Throttle::Overloaded));
    let broke = Sample {
        status: 400,
        words: &["invalid_request_error"],
        message: "Your credit balance is too low to access the API.",
        ..anthropic
    };
    assert_eq!(of(broke), Some(Throttle::Billing));
}

#[test]
fn gemini_names_the_quota() {
    let names = |words, retry_after| of(Sample { dialect: Dialect::Gemini, words, retry_after, ..PLAIN });
    assert_eq!(
        names(&["GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "RESOURCE_EXHAUSTED"], Some(34)),
        Some(Throttle::QuotaRequests { reset: Some(Duration::from_secs(34)) })
    );
    assert_eq!(
        names(&["GenerateContentInputTokensPerModelPerMinute-FreeTier", "RESOURCE_EXHAUSTED"], Some(34)),
        Some(Throttle::QuotaTokens { reset: Some(Duration::from_secs(34)) })
    );
    assert_eq!(names(&["GenerateRequestsPerDayPerProjectPerModel-FreeTier"], Some(34)), Some(Throttle::Billing));
    assert_eq!(names(&["limit: 0"], None), Some(Throttle::Billing));
    let empty = Sample { status: 402, dialect: Dialect::Gemini, words: &["RESOURCE_EXHAUSTED"], ..PLAIN };
    assert_eq!(of(empty), Some(Throttle::Billing));
}

#[test]
fn those_who_took_over_openais_form_have_words_of_their_own() {
    let says = |message| of(Sample { words: &["rate_limit_reached_error"], message, ..PLAIN });
    assert_eq!(
        says(
            "Your account org-1<ak-2> request reached max organization concurrency: 3, please try again after 1 seconds"
        ),
        Some(Throttle::Concurrency { limit: Some(3) })
    );
    assert_eq!(
        says("Your account org-1 request reached organization max RPM: 3, please try again after 1 s"),
        REQUESTS
    );
    assert_eq!(says("Your account request reached project TPM rate limit, current: 1410, limit: 100"), TOKENS);
    assert_eq!(
        says("Your account request reached organization TPD rate limit, current: 1500434, limit: 1500000"),
        Some(Throttle::Billing)
    );
    let overloaded = Sample { words: &["engine_overloaded_error"], ..PLAIN };
    assert_eq!(of(overloaded), Some(Throttle::Overloaded));
    let cerebras = Sample { words: &["token_quota_exceeded", "too_many_tokens_error"], ..PLAIN };
    assert_eq!(of(cerebras), TOKENS);
    let mistral = Sample { message: "Service tier capacity exceeded for this model.", ..PLAIN };
    assert_eq!(of(mistral), Some(Throttle::Overloaded));
    let azure = Sample { words: &["429"], message: "Requests to the API have exceeded token rate limit.", ..PLAIN };
    assert_eq!(of(azure), TOKENS);
    let bedrock = Sample { message: "Too many tokens, please wait before trying again.", ..PLAIN };
    assert_eq!(of(bedrock), TOKENS);
}

#[test]
fn without_words_the_headers_tell() {
    let left = |requests, tokens| of(Sample { left: (requests, tokens), ..PLAIN });
    assert_eq!(left(Some(0), Some(1000)), REQUESTS);
    assert_eq!(left(Some(59), Some(12)), TOKENS);
    assert_eq!(left(None, Some(0)), TOKENS);
    assert_eq!(left(None, None), REQUESTS);
}

#[test]
fn a_days_quota_that_comes_back_soon_is_waited_for() {
    let day = |retry_after| {
        of(Sample { message: "Rate limit reached on requests per day (RPD): Limit 200", retry_after, ..PLAIN })
    };
    assert_eq!(day(Some(432)), Some(Throttle::QuotaRequests { reset: Some(Duration::from_secs(432)) }));
    assert_eq!(day(Some(40_000)), Some(Throttle::Billing));
    assert_eq!(day(None), Some(Throttle::Billing));
}

#[test]
fn what_is_no_throttling_is_not_taken_for_it() {
    for status in [400, 401, 403, 404, 413, 422, 500, 502, 504] {
        let sample = Sample { status, message: "the prompt mentions concurrency, overloaded servers and tpm", ..PLAIN };
        assert_eq!(of(sample), None, "{status}");
    }
    assert_eq!(of(Sample { status: 402, ..PLAIN }), Some(Throttle::Billing));
}
