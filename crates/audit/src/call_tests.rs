use super::*;
use http::{HeaderMap, HeaderName, HeaderValue};

#[test]
fn refusals_are_told_apart_by_their_words() {
    for (body, expected) in [
        ("Rate limit reached for gpt-x on tokens per min (TPM): Limit 30000", Some(TooMuch::Tokens)),
        ("Rate limit reached for gpt-x on requests per min (RPM): Limit 60", Some(TooMuch::Requests)),
        ("Your account reached max organization concurrency: 3", Some(TooMuch::Concurrency)),
        (r#"{"error":{"message":"slow down","type":"requests"}}"#, Some(TooMuch::Requests)),
        ("slow down", None),
    ] {
        assert_eq!(too_much(body), expected, "{body}");
    }
}

#[test]
fn refusals_without_words_are_told_apart_by_what_their_headers_say_is_left() {
    let ask = Ask::words(100, 0, 10);
    for (requests, tokens, expected) in [
        ("0", "5000", Some(TooMuch::Requests)),
        ("7", "110", Some(TooMuch::Tokens)),
        ("7", "118", None),
        ("-", "-", None),
    ] {
        let fields = [("x-ratelimit-remaining-requests", requests), ("x-ratelimit-remaining-tokens", tokens)];
        let fields = fields.map(|(name, left)| (HeaderName::from_static(name), HeaderValue::from_static(left)));
        let fields = Fields::from(HeaderMap::from_iter(fields));
        assert_eq!(exhausted(&fields, &ask), expected, "{requests} {tokens}");
    }
    assert_eq!(exhausted(&Fields::default(), &ask), None);
}

#[test]
fn what_is_left_of_input_and_of_output_is_held_against_each_alone() {
    let ask = Ask::words(100, 0, 10);
    for (input, output, expected) in
        [("5000", "10", None), ("5000", "9", Some(TooMuch::Tokens)), ("50", "10", Some(TooMuch::Tokens))]
    {
        let fields = [
            ("anthropic-ratelimit-input-tokens-remaining", input),
            ("anthropic-ratelimit-output-tokens-remaining", output),
        ];
        let fields = fields.map(|(name, left)| (HeaderName::from_static(name), HeaderValue::from_static(left)));
        assert_eq!(exhausted(&Fields::from(HeaderMap::from_iter(fields)), &ask), expected, "{input} {output}");
    }
}
