use super::*;

#[test]
fn an_answer_reads_the_same_whole_and_streamed_in_either_format() {
    let whole = br#"{"choices":[{"index":0,"finish_reason":"tool_calls","message":{"content":"Let me look.","tool_calls":[{"function":{"name":"find","arguments":"{\"q\":1}"}}]}}]}"#;
    let streamed = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Let me \"}}]}\r\n\r\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"look.\",\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"find\",\"arguments\":\"{\\\"q\\\"\"}}]}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\":1}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n";
    let expected = Answer {
        status: 200,
        finish: Some("tool_calls".to_owned()),
        text: "Let me look.".to_owned(),
        tools: vec![("find".to_owned(), "{\"q\":1}".to_owned())],
        ..Answer::default()
    };
    assert_eq!(read(Endpoint::ChatCompletions, 200, whole), expected);
    assert_eq!(read(Endpoint::ChatCompletions, 200, streamed), expected);

    let whole = br#"{"type":"message","stop_reason":"tool_use","content":[{"type":"text","text":"Let me look."},{"type":"tool_use","name":"find","input":{"q":1}}]}"#;
    let streamed = b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"Let me look.\"}}\n\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"name\":\"find\",\"input\":{}}}\n\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"q\\\":1}\"}}\n\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"}}\n\n";
    let expected = Answer { finish: Some("tool_use".to_owned()), ..expected };
    assert_eq!(read(Endpoint::Messages, 200, whole), expected);
    assert_eq!(read(Endpoint::Messages, 200, streamed), expected);
}

#[test]
fn what_is_no_answer_has_no_words() {
    for body in [&b""[..], b"<html>", b"data: {", br#"{"choices":7}"#, &[0xff; 40]] {
        assert_eq!(read(Endpoint::ChatCompletions, 502, body), Answer { status: 502, ..Answer::default() });
    }
}
