//! Every marker does what its table says.

use std::io::Read as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{FORMATS, Got, plain, start};

#[tokio::test]
async fn status_gives_the_providers_own_body_and_headers() {
    let sim = start(plain());
    let chat = sim.say("chat", true, "[[sim:status=429]][[sim:retry-after=7s]]").await;
    assert_eq!((chat.status.as_u16(), chat.header("retry-after"), chat.header("retry-after-ms")), (429, "7", "7000"));
    assert_eq!(chat.json()["error"]["code"], "rate_limit_exceeded");
    assert!(chat.header("x-request-id").starts_with("req_"));
    let chat = sim.say("chat", false, "[[sim:status=429]][[sim:code=insufficient_quota]]").await;
    assert_eq!((chat.json()["error"]["type"].clone(), chat.header("retry-after")), (json!("insufficient_quota"), ""));
    let chat = sim.say("responses", true, "[[sim:status=503]]").await;
    assert_eq!(chat.json()["error"]["code"], "server_is_overloaded");

    let anthropic = sim.say("messages", true, "[[sim:status=529]]").await;
    assert_eq!(anthropic.status.as_u16(), 529);
    let body = anthropic.json();
    assert_eq!((&body["type"], &body["error"]["type"]), (&json!("error"), &json!("overloaded_error")));
    assert_eq!(body["request_id"], anthropic.header("request-id"));

    let gemini = sim.say("generate", true, "[[sim:status=429]][[sim:retry-after=46.9s]]").await.json();
    assert_eq!((&gemini["error"]["code"], &gemini["error"]["status"]), (&json!(429), &json!("RESOURCE_EXHAUSTED")));
    let details = gemini["error"]["details"].as_array().unwrap();
    assert!(details.iter().any(|detail| detail["retryDelay"] == "46.9s"), "{details:?}");
}

#[tokio::test]
async fn reset_breaks_the_connection_before_or_within_the_answer() {
    let sim = start(plain());
    for format in FORMATS {
        for stream in [false, true] {
            assert!(sim.try_say(format, stream, "[[sim:reset]]").await.is_err(), "{format}");
        }
        let within = sim.say(format, true, "[[sim:reset=3]]").await;
        assert!(within.broken, "{format}");
        assert!(!within.text().contains("STOP") && !within.text().contains("stop\""), "{format}");
    }
    assert!(sim.say("chat", false, "[[sim:reset=1]]").await.broken);
    assert_eq!(sim.handle.stats().cancelled, 0, "what the simulator breaks, no client has left");
}

#[tokio::test]
async fn stall_and_slow_headers_take_their_time() {
    let sim = start(plain());
    for (text, stream) in [
        ("[[sim:stall=150ms]]", true),
        ("[[sim:stall=150ms@0]]", true),
        ("[[sim:stall=150ms]]", false),
        ("[[sim:slow-headers=150ms]]", false),
        ("[[sim:ttft=150ms]]", false),
        ("[[sim:ttft=150ms]]", true),
        ("[[sim:tokens=16]][[sim:tps=100]]", true),
        ("[[sim:tokens=16]][[sim:tps=100]]", false),
    ] {
        for format in FORMATS {
            let start = Instant::now();
            let got = sim.say(format, stream, text).await;
            let took = start.elapsed();
            assert!(
                took >= Duration::from_millis(145) && took < Duration::from_millis(900),
                "{text} {format}: {took:?}"
            );
            assert!(!got.said().is_empty() && !got.broken);
        }
    }
}

#[tokio::test]
async fn truncate_ends_a_stream_without_its_end_and_a_body_before_its_length() {
    let sim = start(plain());
    for format in FORMATS {
        let got = sim.say(format, true, "[[sim:truncate=3]]").await;
        assert_eq!((got.events().len(), got.broken), (3, false), "{format}");
        let got = sim.say(format, false, "[[sim:truncate]]").await;
        assert!(got.broken && !got.chunks.is_empty(), "{format}");
    }
}

#[tokio::test]
async fn an_error_in_a_stream_has_the_formats_own_shape() {
    let sim = start(plain());
    for (format, name, place, said) in [
        ("chat", "", "/error/code", "server_is_overloaded"),
        ("responses", "error", "/error/code", "server_is_overloaded"),
        ("messages", "error", "/error/type", "overloaded_error"),
        ("generate", "", "/error/status", "UNAVAILABLE"),
    ] {
        for (marker, count) in [("error-in-stream=2", 3), ("error-200", 1)] {
            let got = sim.say(format, true, &format!("[[sim:{marker}]]")).await;
            let events = got.events();
            assert_eq!((got.status.as_u16(), events.len()), (200, count), "{format} {marker}");
            let (last, data) = events.last().unwrap();
            assert_eq!(last, name);
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(data.pointer(place).unwrap(), said, "{format} {marker}");
        }
        let whole = sim.say(format, false, "[[sim:error-200]]").await;
        assert_eq!((whole.status.as_u16(), whole.json().pointer(place).unwrap().clone()), (200, json!(said)));
    }
}

#[tokio::test]
async fn malformed_and_empty_answers_are_not_json() {
    let sim = start(plain());
    for format in FORMATS {
        let events = sim.say(format, true, "[[sim:malformed=2]]").await.events();
        let broken: Vec<bool> =
            events.iter().map(|(_, data)| data != "[DONE]" && serde_json::from_str::<Value>(data).is_err()).collect();
        assert!(broken[1] && broken.iter().filter(|broken| **broken).count() == 1, "{format} {broken:?}");
        assert!(serde_json::from_str::<Value>(&sim.say(format, false, "[[sim:malformed]]").await.text()).is_err());
        for stream in [false, true] {
            let got = sim.say(format, stream, "[[sim:empty]]").await;
            assert_eq!((got.status.as_u16(), got.text().as_str(), got.broken), (200, "", false), "{format}");
        }
    }
}

#[tokio::test]
async fn ends_and_usage_can_be_left_out() {
    let sim = start(plain());
    for (format, end) in [
        ("chat", "[DONE]"),
        ("responses", "response.completed"),
        ("messages", "message_stop"),
        ("generate", "finishReason"),
    ] {
        assert!(sim.say(format, true, "hi").await.text().contains(end));
        assert!(!sim.say(format, true, "[[sim:no-done]]").await.text().contains(end), "{format}");
        for stream in [false, true] {
            assert!(sim.say(format, stream, "hi").await.usage().is_some());
            assert_eq!(sim.say(format, stream, "[[sim:no-usage]]").await.usage(), None, "{format} {stream}");
        }
    }
}

#[tokio::test]
async fn the_form_of_writing_changes_nothing_that_is_said() {
    let sim = start(plain());
    for format in FORMATS {
        for stream in [false, true] {
            for marker in ["crlf", "split", "keepalive"] {
                let got = sim.say(format, stream, &format!("hello [[sim:tokens=9]][[sim:{marker}]]")).await;
                assert!(got.said().starts_with("This is a simulated answer"), "{format} {marker}");
                let text = got.text();
                match (marker, stream) {
                    ("crlf", true) => assert!(!text.replace("\r\n", "").contains('\n'), "{format}"),
                    ("split", _) => assert!(got.chunks.len() > text.len() / 4, "{format}: {} chunks", got.chunks.len()),
                    ("keepalive", true) => assert!(text.contains(": keep-alive\n\n")),
                    ("keepalive", false) => assert!(text.starts_with("\n\n")),
                    _ => {}
                }
            }
            let got = sim.say(format, stream, "hello [[sim:tokens=9]][[sim:gzip]]").await;
            assert_eq!(got.header("content-encoding"), "gzip");
            let mut text = String::new();
            flate2::read::GzDecoder::new(&got.chunks.concat()[..]).read_to_string(&mut text).unwrap();
            let got = Got { chunks: vec![text.into()], headers: got.headers, ..got };
            assert!(got.said().starts_with("This is a simulated answer"), "{format}");
        }
    }
}

#[tokio::test]
async fn a_redirect_leads_where_nobody_listens() {
    let got = start(plain()).say("chat", true, "[[sim:redirect]]").await;
    assert_eq!((got.status.as_u16(), got.header("location")), (307, "http://127.0.0.1:9/elsewhere"));
}

#[tokio::test]
async fn echo_tells_what_arrived_whole_whatever_the_limits() {
    let sim = start(plain());
    for format in FORMATS {
        for stream in [false, true] {
            let (path, mut body) = crate::client::spoken(format, stream, "[[sim:echo]]");
            body["unknown"] = json!([1, { "a": null }]);
            let got = sim.post(&path, &body).await;
            let echoed: Value = serde_json::from_str(&got.said()).unwrap();
            assert_eq!((&echoed["method"], &echoed["path"]), (&json!("POST"), &json!(path)));
            assert_eq!(echoed["body"], body);
            assert_eq!(echoed["headers"]["content-type"], "application/json");
        }
    }
    let limited = json!({ "model": "m", "max_tokens": 1, "stop": ["{"], "messages": [{ "role": "user", "content": "[[sim:echo]]" }] });
    let got = sim.post("/v1/chat/completions", &limited).await;
    assert_eq!(serde_json::from_str::<Value>(&got.said()).unwrap()["body"], limited);
}

#[tokio::test]
async fn answers_can_be_ordered() {
    let sim = start(plain());
    let schema = json!({ "type": "object", "properties": {} });
    let tools = json!([{ "name": "a", "input_schema": schema }, { "name": "b", "input_schema": schema }]);
    let messages = json!([{ "role": "user", "content": "[[sim:tool=b]]" }]);
    let body = json!({ "model": "m", "max_tokens": 99, "messages": messages, "tools": tools });
    assert_eq!(sim.post("/v1/messages", &body).await.json()["content"][0]["name"], "b");
    for (format, place, word) in [
        ("chat", "/choices/0/finish_reason", "content_filter"),
        ("responses", "/output/0/content/0/type", "refusal"),
        ("messages", "/stop_reason", "refusal"),
        ("generate", "/candidates/0/finishReason", "SAFETY"),
    ] {
        assert_eq!(sim.say(format, false, "[[sim:refuse]]").await.json().pointer(place).unwrap(), word);
        let events = sim.say(format, true, "[[sim:refuse]]").await.text();
        assert!(events.contains(word), "{format}");
        assert_eq!(sim.say(format, false, "[[sim:tokens=33]]").await.usage().unwrap().1, 33);
    }
    let thought = sim.say("chat", false, "[[sim:reasoning]]").await.json();
    assert!(thought["choices"][0]["message"]["reasoning_content"].as_str().unwrap().contains("simulated"));
    assert!(thought["usage"]["completion_tokens_details"]["reasoning_tokens"].as_u64() > Some(0));
    for (format, place) in [
        ("chat", "/usage/prompt_tokens_details/cached_tokens"),
        ("responses", "/usage/input_tokens_details/cached_tokens"),
        ("messages", "/usage/cache_read_input_tokens"),
        ("generate", "/usageMetadata/cachedContentTokenCount"),
    ] {
        assert_eq!(sim.say(format, false, "one two [[sim:cached=3]]").await.json().pointer(place).unwrap(), 3);
    }
}

#[tokio::test]
async fn a_marker_that_is_unknown_is_refused_and_markers_can_be_switched_off() {
    let sim = start(plain());
    for format in FORMATS {
        let got = sim.say(format, true, "[[sim:explode]]").await;
        assert!(got.status == 400 && got.text().contains("unknown marker `explode`"), "{format}");
    }
    let sim = start(sluicegate_simulate::Options { markers: false, ..plain() });
    assert_eq!(sim.say("chat", false, "[[sim:status=500]]").await.status, 200);
}

#[tokio::test]
async fn markers_count_only_in_the_last_user_message() {
    let sim = start(plain());
    let messages = json!([
        { "role": "user", "content": "[[sim:status=500]]" },
        { "role": "assistant", "content": "[[sim:status=501]]" },
        { "role": "user", "content": "hi" },
    ]);
    let got = sim.post("/v1/chat/completions", &json!({ "model": "m", "messages": messages })).await;
    assert_eq!(got.status, 200);
}
