use super::*;
use proptest::prelude::*;
use sluicegate_vocabulary::{Dialect, Fault, Format};

const KINDS: [FaultKind; 26] = [
    FaultKind::BadRequest,
    FaultKind::Unsupported,
    FaultKind::ContextLength,
    FaultKind::NeverFits,
    FaultKind::Unauthenticated,
    FaultKind::PaymentRequired,
    FaultKind::Forbidden,
    FaultKind::UnknownPath,
    FaultKind::UnknownModel,
    FaultKind::MethodNotAllowed,
    FaultKind::RequestTimeout,
    FaultKind::Conflict,
    FaultKind::BodyTooLarge,
    FaultKind::UrlTooLong,
    FaultKind::UnsupportedMedia,
    FaultKind::HeadersTooLarge,
    FaultKind::LimitRequests,
    FaultKind::LimitTokens,
    FaultKind::UpstreamRateLimited,
    FaultKind::UpstreamAuth,
    FaultKind::UpstreamUnreachable,
    FaultKind::UpstreamBroken,
    FaultKind::UpstreamOverloaded,
    FaultKind::Overloaded,
    FaultKind::Timeout,
    FaultKind::Internal,
];
const DIALECTS: [Dialect; 3] = [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini];

/// Compares with a kept file; `UPDATE_GOLDEN=1` writes it anew.
fn golden(name: &str, text: &str) {
    let path = format!("{}/tests/errors/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    for (line, (ours, kept)) in text.lines().zip(kept.lines()).enumerate() {
        assert_eq!(ours, kept, "{name}, line {}", line + 1);
    }
    assert_eq!(text.len(), kept.len(), "{name}");
}

#[test]
fn every_kind_has_its_words_in_every_dialect() {
    let mut text = String::new();
    for kind in KINDS {
        let fault = Fault::new(kind, "What happened and what to do.");
        for dialect in DIALECTS {
            let Rendered { status, body, headers } = render(&fault, dialect, "req_1");
            let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            let body = String::from_utf8(body).unwrap();
            text += &format!("{} {} {status} {}\n  {body}\n", kind.as_str(), dialect.as_str(), headers.join(", "));
        }
    }
    golden("kinds.txt", &text);
}

#[test]
fn a_refusal_explains_itself_in_every_dialect() {
    let fault = Fault::new(FaultKind::LimitTokens, "Key `ci` may use 1000 tokens per minute; 0 are left.")
        .param("max_tokens")
        .code("key_limit")
        .retry_after_ms(1_201)
        .refused_by("key:tokens_per_minute");
    let mut text = String::new();
    for dialect in DIALECTS {
        let Rendered { status, body, headers } = render(&fault, dialect, "");
        text += &format!("{} {status} {headers:?}\n  {}\n", dialect.as_str(), String::from_utf8(body).unwrap());
    }
    for format in Format::ALL {
        let event = String::from_utf8(stream_event(&fault, format, "req_1", 7)).unwrap();
        text += &format!("{} {event:?}\n", format.as_str());
    }
    golden("refusal.txt", &text);
}

#[test]
fn a_key_of_ours_to_a_provider_never_becomes_a_401() {
    for dialect in DIALECTS {
        let status = render(&Fault::new(FaultKind::UpstreamAuth, "x"), dialect, "").status;
        assert!(status >= 500, "{dialect:?}: {status}");
    }
}

#[test]
fn the_wait_is_rounded_up_and_never_beyond_what_clients_obey() {
    let header = |ms: u64, name: &str| {
        let fault = Fault::new(FaultKind::LimitRequests, "x").retry_after_ms(ms);
        let headers = render(&fault, Dialect::OpenAi, "").headers;
        headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone())
    };
    assert_eq!(header(1, "retry-after").as_deref(), Some("1"));
    assert_eq!(header(0, "retry-after").as_deref(), Some("1"));
    assert_eq!(header(1001, "retry-after").as_deref(), Some("2"));
    assert_eq!(header(1001, "retry-after-ms").as_deref(), Some("1001"));
    assert_eq!(header(120_000, "x-should-retry").as_deref(), Some("true"));
    assert_eq!(header(3_600_000, "retry-after").as_deref(), Some("120"));
    assert_eq!(header(3_600_000, "retry-after-ms"), None);
    assert_eq!(header(3_600_000, "x-should-retry").as_deref(), Some("false"));
}

#[test]
fn no_retry_is_offered_where_it_cannot_help() {
    let fault = Fault::new(FaultKind::NeverFits, "x").retry_after_ms(500);
    let headers = render(&fault, Dialect::Gemini, "").headers;
    assert_eq!(headers.as_slice(), [("x-should-retry", "false".to_owned())]);
}

#[test]
fn the_body_says_who_refused() {
    let origin = |fault: &Fault| {
        let body: serde_json::Value = serde_json::from_slice(&render(fault, Dialect::OpenAi, "").body).unwrap();
        body["sluicegate"]["origin"].clone()
    };
    assert_eq!(origin(&Fault::new(FaultKind::UpstreamRateLimited, "x")), "upstream");
    assert_eq!(origin(&Fault::new(FaultKind::LimitRequests, "x")), "sluicegate");
    assert_eq!(origin(&Fault::new(FaultKind::Timeout, "x")), "upstream");
    assert_eq!(origin(&Fault::new(FaultKind::Timeout, "x").refused_by("queue:deadline")), "sluicegate");
}

fn read(status: u16, dialect: Dialect, body: &str) -> UpstreamError {
    read_upstream(status, &UpstreamHeaders::default(), body.as_bytes(), dialect)
}

#[test]
fn providers_errors_are_understood_by_code_then_type_then_status() {
    use Dialect::{Anthropic, Gemini, OpenAi};
    use FaultKind as K;
    let cases: &[(u16, Dialect, &str, FaultKind, bool)] = &[
        (
            400,
            OpenAi,
            r#"{"error":{"message":"m","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
            K::ContextLength,
            false,
        ),
        (
            400,
            OpenAi,
            r#"{"error":{"message":"Unsupported parameter: 'max_tokens'","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}"#,
            K::BadRequest,
            false,
        ),
        (
            400,
            OpenAi,
            r#"{"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error","param":"messages","code":null}}"#,
            K::ContextLength,
            false,
        ),
        (
            401,
            OpenAi,
            r#"{"error":{"message":"Incorrect API key provided: sk-abc****wxyz.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
            K::UpstreamAuth,
            true,
        ),
        (401, OpenAi, r#"{"error":{"message":"bad","type":"invalid_request_error"}}"#, K::UpstreamAuth, true),
        (
            402,
            OpenAi,
            r#"{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}"#,
            K::UpstreamAuth,
            true,
        ),
        (
            403,
            OpenAi,
            r#"{"error":{"message":"Country, region, or territory not supported","code":"unsupported_country_region_territory"}}"#,
            K::UpstreamAuth,
            true,
        ),
        (
            404,
            OpenAi,
            r#"{"error":{"message":"The model `x` does not exist","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
            K::UnknownModel,
            false,
        ),
        (404, OpenAi, "<html><h1>404 Not Found</h1></html>", K::UpstreamBroken, false),
        (
            404,
            OpenAi,
            r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}"#,
            K::UnknownModel,
            false,
        ),
        (
            422,
            OpenAi,
            r#"{"detail":[{"loc":["body","messages",0],"msg":"field required","type":"value_error.missing"}]}"#,
            K::BadRequest,
            false,
        ),
        (
            429,
            OpenAi,
            r#"{"error":{"message":"Rate limit reached","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#,
            K::UpstreamRateLimited,
            false,
        ),
        (
            429,
            OpenAi,
            r#"{"error":{"message":"slow","type":"rate_limit_error","code":"slow_down"}}"#,
            K::UpstreamRateLimited,
            false,
        ),
        (
            429,
            OpenAi,
            r#"{"error":{"message":"quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
            K::UpstreamAuth,
            true,
        ),
        (
            429,
            OpenAi,
            r#"{"error":{"message":"quota","type":"insufficient_quota","code":"credit_balance_exhausted"}}"#,
            K::UpstreamAuth,
            true,
        ),
        (429, OpenAi, "", K::UpstreamRateLimited, false),
        (
            500,
            OpenAi,
            r#"{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}"#,
            K::UpstreamBroken,
            false,
        ),
        (
            503,
            OpenAi,
            r#"{"error":{"message":"busy","type":"service_unavailable_error","code":"server_is_overloaded"}}"#,
            K::UpstreamOverloaded,
            false,
        ),
        (502, OpenAi, "<html>Bad Gateway</html>", K::UpstreamBroken, false),
        (504, OpenAi, "upstream request timeout", K::Timeout, false),
        (
            400,
            OpenAi,
            r#"{"error":{"message":"filtered","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
            K::BadRequest,
            false,
        ),
        (
            401,
            OpenAi,
            r#"{"error":{"code":"401","message":"Access denied due to invalid subscription key"}}"#,
            K::UpstreamAuth,
            true,
        ),
        (400, OpenAi, r#"{"error":"model is required"}"#, K::BadRequest, false),
        (400, OpenAi, r#"{"detail":"bad"}"#, K::BadRequest, false),
        (400, OpenAi, r#"{"message":"bad"}"#, K::BadRequest, false),
        (
            400,
            OpenAi,
            r#"{"object":"error","message":"bad","type":"BadRequestError","param":null,"code":400}"#,
            K::BadRequest,
            false,
        ),
        (200, OpenAi, r#"{"error":{"message":"boom","type":"server_error"}}"#, K::UpstreamBroken, false),
        (200, OpenAi, r#"{"error":{"message":"no","code":429}}"#, K::UpstreamRateLimited, false),
        (
            200,
            OpenAi,
            r#"{"type":"error","error":{"type":"invalid_request_error","code":"invalid_prompt","message":"m"},"sequence_number":3}"#,
            K::BadRequest,
            false,
        ),
        (
            200,
            OpenAi,
            r#"{"type":"error","code":"rate_limit_exceeded","message":"m","param":null,"sequence_number":3}"#,
            K::UpstreamRateLimited,
            false,
        ),
        (
            200,
            OpenAi,
            r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"m"}}}"#,
            K::UpstreamBroken,
            false,
        ),
        (
            400,
            Anthropic,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
            K::ContextLength,
            false,
        ),
        (
            400,
            Anthropic,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#,
            K::UpstreamAuth,
            true,
        ),
        (
            401,
            Anthropic,
            r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#,
            K::UpstreamAuth,
            true,
        ),
        (
            403,
            Anthropic,
            r#"{"type":"error","error":{"type":"permission_error","message":"no"}}"#,
            K::UpstreamAuth,
            true,
        ),
        (
            404,
            Anthropic,
            r#"{"type":"error","error":{"type":"not_found_error","message":"model: x"}}"#,
            K::UnknownModel,
            false,
        ),
        (
            413,
            Anthropic,
            r#"{"type":"error","error":{"type":"request_too_large","message":"m"}}"#,
            K::BodyTooLarge,
            false,
        ),
        (
            429,
            Anthropic,
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"m"}}"#,
            K::UpstreamRateLimited,
            false,
        ),
        (
            429,
            Anthropic,
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}}}"#,
            K::UpstreamAuth,
            true,
        ),
        (
            529,
            Anthropic,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            K::UpstreamOverloaded,
            false,
        ),
        (
            200,
            Anthropic,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            K::UpstreamOverloaded,
            false,
        ),
        (504, Anthropic, r#"{"type":"error","error":{"type":"timeout_error","message":"m"}}"#, K::Timeout, false),
        (
            400,
            Gemini,
            r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}"#,
            K::UpstreamAuth,
            true,
        ),
        (
            400,
            Gemini,
            r#"{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}"#,
            K::ContextLength,
            false,
        ),
        (403, Gemini, r#"{"error":{"code":403,"message":"m","status":"PERMISSION_DENIED"}}"#, K::UpstreamAuth, true),
        (
            404,
            Gemini,
            r#"[{"error":{"code":404,"message":"models/x is not found","status":"NOT_FOUND"}}]"#,
            K::UnknownModel,
            false,
        ),
        (
            429,
            Gemini,
            r#"{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}]}}"#,
            K::UpstreamRateLimited,
            true,
        ),
        (
            429,
            Gemini,
            r#"{"error":{"code":429,"message":"Quota exceeded for metric: x, limit: 0","status":"RESOURCE_EXHAUSTED"}}"#,
            K::UpstreamRateLimited,
            true,
        ),
        (402, Gemini, r#"{"error":{"code":402,"message":"m","status":"RESOURCE_EXHAUSTED"}}"#, K::UpstreamAuth, true),
        (
            503,
            Gemini,
            r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#,
            K::UpstreamOverloaded,
            false,
        ),
        (
            200,
            Gemini,
            "{\n  \"error\": {\n    \"code\": 500,\n    \"message\": \"m\",\n    \"status\": \"INTERNAL\"\n  }\n}",
            K::UpstreamBroken,
            false,
        ),
    ];
    for (status, dialect, body, kind, spent) in cases {
        let error = read(*status, *dialect, body);
        assert_eq!((error.kind, error.credential_spent), (*kind, *spent), "{status} {body}");
        assert!(!error.message.is_empty(), "{status} {body}");
    }
}

#[test]
fn the_wait_is_read_in_every_form() {
    let wait = |headers: UpstreamHeaders<'_>| read_upstream(429, &headers, b"", Dialect::OpenAi).retry_after_ms;
    let after = |text| UpstreamHeaders { retry_after: Some(text), ..UpstreamHeaders::default() };
    assert_eq!(wait(after("7")), Some(7000));
    assert_eq!(wait(after(" 0.25 ")), Some(250));
    assert_eq!(wait(after("-3")), None);
    assert_eq!(wait(after("soon")), None);
    assert_eq!(wait(UpstreamHeaders { retry_after_ms: Some("12.5"), ..after("7") }), Some(13));
    let date =
        UpstreamHeaders { date: Some("Sat, 28 Feb 2026 23:59:50 GMT"), ..after("Sun, 01 Mar 2026 00:00:20 GMT") };
    assert_eq!(wait(date), Some(30_000));
    assert_eq!(wait(UpstreamHeaders { date: None, ..date }), None, "no clock here");
    assert_eq!(wait(UpstreamHeaders { retry_after: date.date, date: date.retry_after, ..date }), None, "in the past");
    let body = r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"46.9s"}]}}"#;
    assert_eq!(read(429, Dialect::Gemini, body).retry_after_ms, Some(46_900));
}

#[test]
fn odd_shapes_keep_their_message() {
    let message = |body: &str| read(422, Dialect::OpenAi, body).message;
    assert_eq!(message(r#"{"error":"model is required"}"#), "model is required");
    assert_eq!(message(r#"{"detail":"nope"}"#), "nope");
    assert_eq!(
        message(r#"{"detail":[{"loc":["body","messages",0],"msg":"field required"}]}"#),
        "body.messages.0: field required"
    );
    assert_eq!(message("plain words"), "plain words");
    assert_eq!(message("<html>oops</html>"), "The provider answered 422 with a page that is no API error.");
    assert_eq!(message(""), "The provider answered 422 without a reason.");
    assert_eq!(message(&format!(r#"{{"error":"{}"}}"#, "é".repeat(5000))).len(), 2000 + " [...]".len());
    let azure =
        read(400, Dialect::OpenAi, r#"{"error":{"message":"m","type":null,"param":"prompt","code":"content_filter"}}"#);
    assert_eq!((azure.code.as_deref(), azure.param.as_deref()), (Some("content_filter"), Some("prompt")));
}

#[test]
fn nothing_of_the_operators_reaches_a_client() {
    for (text, clean) in [
        ("Incorrect API key provided: sk-proj-abc123****wxyz.", "Incorrect API key provided: [redacted]."),
        ("key AIzaSyA1234567890abcdef is bad", "key [redacted] is bad"),
        ("in organization org-AbC123xyz on tokens per min", "in organization [redacted] on tokens per min"),
        ("see https://platform.openai.com/account/api-keys.", "see [redacted]."),
        ("dial api.openai.com:443: refused", "dial [redacted]: refused"),
        ("my-res.openai.azure.com said no", "[redacted] said no"),
        ("connect 10.0.0.7:8080 failed", "connect [redacted] failed"),
        ("sk-proj-abc123****wxyz.https://h.example api.openai.com/sk-123456", "[redacted] [redacted]"),
        ("dial api.groq.com.https://10.0.0.7/v1", "dial [redacted]"),
        ("project projects/acme-prod has no access", "project [redacted] has no access"),
        ("token=eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.x1", "token=[redacted]"),
        (
            r#"{"message":"url \"https://a.example/x\" and sk-123456"}"#,
            r#"{"message":"url \"[redacted]\" and [redacted]"}"#,
        ),
    ] {
        assert_eq!(scrub(text), clean);
    }
    for text in [
        "prompt is too long: 210000 tokens > 200000 maximum",
        "Invalid value at messages[0].content: a risk-free task-based text, org-wide",
        "gpt-5.4-mini-2026-03 does not exist; try anthropic/claude-sonnet-5",
        "version 1.2.3 / 0.5",
        "",
    ] {
        assert_eq!(scrub(text), text);
    }
    let fault =
        read(401, Dialect::OpenAi, r#"{"error":{"message":"No access for org-123ABCDEF","code":"invalid_api_key"}}"#)
            .into_fault("main");
    assert_eq!(
        fault.message,
        "The provider main refused the relay's own credential or its bill; only the operator can mend that."
    );
    assert_eq!(fault.code, None, "a client must not read that its own key is wrong");
}

/// What secrets are made of, and what stands between them.
const PIECES: [&str; 14] = [
    ".openrouter.ai",
    "api.openai.com",
    "https://",
    "10.0.0.7",
    "sk-A1b2c3d4",
    "org-AbC123xyz",
    "eyJhbGciOiJIUzI1NiJ9a1",
    ".",
    ":",
    "/",
    "?",
    "=",
    " ",
    "word",
];

/// What JSON writes with a backslash.
const ESCAPED: [&str; 9] = ["\n", "\t", "\r", "\u{8}", "\u{c}", "\u{1}", "\\", "\"", "\\\n"];

proptest! {
    #[test]
    fn no_body_panics_and_every_answer_is_json(body in prop::collection::vec(any::<u8>(), 0..80), text in "[a-z{}\":,\\[\\]<0-9]{0,60}", status in 100u16..700) {
        for body in [&body[..], text.as_bytes(), format!("{{\"error\":{text}}}").as_bytes()] {
            for dialect in DIALECTS {
                let fault = read_upstream(status, &UpstreamHeaders { retry_after: Some(&text), ..UpstreamHeaders::default() }, body, dialect).into_fault("p");
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&render(&fault, dialect, "r").body).is_ok());
            }
        }
    }

    #[test]
    fn scrubbing_json_leaves_json(text in "[ -~é]{0,60}", key in "sk-[A-Z0-9]{8,20}") {
        let json = serde_json::json!({"message": format!("{text} {key} https://h.example/{text}"), "n": 1}).to_string();
        let clean = scrub(&json);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&clean).is_ok(), "{}", clean);
        prop_assert!(!clean.contains(&key));
    }

    #[test]
    fn scrubbing_leaves_escapes_whole_and_finds_what_follows_them(
        pieces in prop::collection::vec(prop_oneof![prop::sample::select(&PIECES[..]), prop::sample::select(&ESCAPED[..])], 0..8),
        escaped in prop::sample::select(&ESCAPED[..]),
    ) {
        let key = "sk-AB12cd34";
        let json = serde_json::json!({"message": format!("{}{escaped}{key}", pieces.concat())}).to_string();
        let clean = scrub(&json);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&clean).is_ok(), "{} of {}", clean, json);
        prop_assert!(!clean.contains(key), "{} of {}", clean, json);
    }

    #[test]
    fn scrubbing_twice_changes_nothing_more(
        text in prop_oneof![
            ".{0,80}",
            prop::collection::vec(prop::sample::select(&PIECES[..]), 0..8).prop_map(|pieces| pieces.concat()),
        ]
    ) {
        let once = scrub(&text).into_owned();
        prop_assert_eq!(scrub(&once).into_owned(), once.clone());
    }
}

#[test]
fn every_word_of_a_provider_is_kept_the_most_precise_first() {
    let words = |status, dialect, body: &str| read(status, dialect, body).words;
    let openai =
        r#"{"error":{"message":"Rate limit reached","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#;
    assert_eq!(words(429, Dialect::OpenAi, openai), ["rate_limit_exceeded", "tokens"]);
    let anthropic = r#"{"type":"error","error":{"type":"rate_limit_error","message":"Slower.",
        "details":{"error_code":"ramp_limit_exceeded"}}}"#;
    assert_eq!(words(429, Dialect::Anthropic, anthropic), ["ramp_limit_exceeded", "rate_limit_error"]);
    let gemini = r#"{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED","details":[
        {"violations":[{"quotaId":"GenerateRequestsPerMinutePerProjectPerModel"}]},{"retryDelay":"34.07s"}]}}"#;
    let read = read(429, Dialect::Gemini, gemini);
    assert_eq!(read.words, ["GenerateRequestsPerMinutePerProjectPerModel", "RESOURCE_EXHAUSTED"]);
    assert_eq!(read.retry_after_ms, Some(34_070));
}
