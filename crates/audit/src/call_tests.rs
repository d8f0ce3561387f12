use super::*;

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
