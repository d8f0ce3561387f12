use super::*;

#[test]
fn lists_of_all_families_are_read() {
    let openai = br#"{"object":"list","data":[{"id":"gpt-4.1","object":"model","owned_by":"openai"},{"id":"o3"}]}"#;
    assert_eq!(models(openai), ["gpt-4.1", "o3"]);
    let anthropic = br#"{"data":[{"type":"model","id":"claude-x","display_name":"Claude X"}],"has_more":false}"#;
    assert_eq!(models(anthropic), ["claude-x"]);
    let gemini = br#"{"models":[{"name":"models/gemini-2.5-flash","displayName":"Gemini"}]}"#;
    assert_eq!(models(gemini), ["gemini-2.5-flash"]);
}

#[test]
fn anything_else_is_an_empty_list() {
    for body in ["", "null", "[]", "{}", r#"{"data":7}"#, r#"{"data":[{"id":"a\u001b[2J"}]}"#, "<html>"] {
        assert!(models(body.as_bytes()).is_empty(), "{body}");
    }
}

#[test]
fn only_a_clear_refusal_of_the_key_is_one() {
    assert!(refuses_key(StatusCode::UNAUTHORIZED, b""));
    assert!(refuses_key(StatusCode::BAD_REQUEST, br#"{"error":{"details":[{"reason":"API_KEY_INVALID"}]}}"#));
    assert!(!refuses_key(StatusCode::BAD_REQUEST, b"unknown field"));
    assert!(!refuses_key(StatusCode::FORBIDDEN, b"Incorrect API key"));
    assert!(!refuses_key(StatusCode::TOO_MANY_REQUESTS, b""));
}
