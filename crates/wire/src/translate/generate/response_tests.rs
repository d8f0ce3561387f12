use super::*;
use sluicegate_vocabulary::FaultKind;

#[test]
fn every_finish_reason_has_its_meaning() {
    let failed = |reason: &str| Finish::Failed(reason.to_owned());
    let cases = [
        ("STOP", false, Finish::Stop),
        ("STOP", true, Finish::ToolCalls),
        ("MAX_TOKENS", true, Finish::Length),
        ("CONTINUATION", false, Finish::Length),
        ("SAFETY", false, Finish::Filtered),
        ("RECITATION", false, Finish::Filtered),
        ("LANGUAGE", false, Finish::Filtered),
        ("BLOCKLIST", false, Finish::Filtered),
        ("PROHIBITED_CONTENT", false, Finish::Filtered),
        ("SPII", false, Finish::Filtered),
        ("IMAGE_SAFETY", false, Finish::Filtered),
        ("MODEL_ARMOR", false, Finish::Filtered),
        ("MALFORMED_FUNCTION_CALL", true, failed("MALFORMED_FUNCTION_CALL")),
        ("UNEXPECTED_TOOL_CALL", false, failed("UNEXPECTED_TOOL_CALL")),
        ("TOO_MANY_TOOL_CALLS", false, failed("TOO_MANY_TOOL_CALLS")),
        ("MISSING_THOUGHT_SIGNATURE", false, failed("MISSING_THOUGHT_SIGNATURE")),
        ("OTHER", false, failed("OTHER")),
        ("A_WORD_OF_NEXT_YEAR", false, Finish::Stop),
        ("A_WORD_OF_NEXT_YEAR", true, Finish::ToolCalls),
    ];
    for (reason, calls, finish) in cases {
        assert_eq!(part::finish(reason, calls), finish, "{reason}");
    }
}

#[test]
fn a_blocked_prompt_is_filtered_and_an_empty_answer_is_broken() {
    let blocked = read(br#"{"promptFeedback":{"blockReason":"SAFETY"}}"#).unwrap();
    assert_eq!(blocked.choices, [Choice { parts: vec![], finish: Some(Finish::Filtered) }]);
    for broken in ["", "{}", "[]", "7", r#"{"candidates":[]}"#, r#"{"promptFeedback":{}}"#, "<html>"] {
        assert_eq!(read(broken.as_bytes()).unwrap_err().kind, FaultKind::UpstreamBroken, "{broken}");
    }
}

#[test]
fn an_error_in_a_success_is_told_in_any_wrapping() {
    let error = r#"{"error":{"code":429,"message":"Slow.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"46.9s"}]}}"#;
    for body in [error.to_owned(), format!("[{error}]"), format!("\n  [ {error} ]\n")] {
        let fault = read(body.as_bytes()).unwrap_err();
        assert_eq!(fault.kind, FaultKind::UpstreamRateLimited);
        assert_eq!(fault.retry_after_ms, Some(46_900));
    }
    assert!(read(br#"{"error":null,"candidates":[{"finishReason":"STOP"}]}"#).is_ok(), "a null error is none");
}
