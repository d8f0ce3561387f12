use super::*;

#[test]
fn calls_of_one_conversation_are_told_by_what_they_name_or_how_they_began() {
    let of = |body: &str| of_body(body.as_bytes(), true).conversation;
    assert_eq!(of(r#"{"prompt_cache_key":"a","input":"x"}"#), of(r#"{"input":"y","prompt_cache_key":"a"}"#));
    assert_ne!(of(r#"{"prompt_cache_key":"a"}"#), of(r#"{"prompt_cache_key":"b"}"#));
    let first = r#"{"thinking":{},"messages":[{"role":"user","content":"q"}]}"#;
    let second = r#"{"thinking":{},"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}"#;
    assert!(of(first).is_some());
    assert_eq!(of(first), of(second), "the same conversation a turn later");
    assert_eq!(of_body(first.as_bytes(), false).conversation, None, "nobody signs anything there");
    assert_eq!(of(r#"{"messages":[{"role":"user","content":"q"}]}"#), None);
    assert_eq!(of("nonsense \"thinking\""), None);
}

#[test]
fn a_stored_response_is_found_in_an_answer_and_in_the_call_that_goes_on_from_it() {
    let begin = br#"event: response.created
data: {"type":"response.created","response":{"id":"resp_1","previous_response_id":"resp_0"}}"#;
    let made = stored(Endpoint::Responses, begin);
    assert_eq!(made, of_body(br#"{"previous_response_id":"resp_1"}"#, false).after);
    assert_eq!(stored(Endpoint::ChatCompletions, begin), None);
    assert_eq!(stored(Endpoint::Responses, b"{\"id\":\"resp_"), None);
}

#[test]
fn what_is_remembered_is_bounded_and_the_newest_stay() {
    let stored = Stored::default();
    for response in 0..100_000 {
        stored.put(response, response + 1);
    }
    assert_eq!(stored.key_of(99_999), Some(100_000));
    assert_eq!(stored.key_of(0), None);
    assert!(stored.0.lock().iter().map(HashMap::len).sum::<usize>() <= 2 * KEPT);
}
