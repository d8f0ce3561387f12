//! Every endpoint answers in its own shape.

use base64::Engine as _;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use sluicegate_simulate::{Options, Stats};

use crate::client::{FORMATS, plain, post, read, start};

#[tokio::test]
async fn the_same_question_has_the_same_words_and_counts_in_every_format_buffered_and_streamed() {
    let sim = start(plain());
    let first = sim.say("chat", false, "Where does the river begin?").await;
    let (words, usage) = (first.said(), first.usage().unwrap());
    assert!(words.starts_with("This is a simulated answer from Sluicegate"), "{words}");
    assert!(words.contains("Where does the river begin?"));
    for format in FORMATS {
        for stream in [false, true] {
            let got = sim.say(format, stream, "Where does the river begin?").await;
            assert_eq!(got.header("x-sluicegate-simulated"), "true");
            assert_eq!(got.said(), words, "{format} {stream}");
            assert_eq!(got.usage(), Some(usage), "{format} {stream}");
        }
    }
}

#[tokio::test]
async fn another_seed_has_other_words_and_the_same_seed_the_same() {
    let say = async |seed| start(Options { seed, ..plain() }).say("chat", false, "hi").await.said();
    assert_eq!(say(7).await, say(7).await);
    assert_ne!(say(7).await, say(8).await);
}

#[tokio::test]
async fn the_model_is_labelled_unless_that_is_switched_off() {
    let model = async |options, name: &str| {
        let body = json!({ "model": name, "messages": [{ "role": "user", "content": "hi" }] });
        start(options).post("/v1/chat/completions", &body).await.json()["model"].as_str().unwrap().to_owned()
    };
    assert_eq!(model(Options::default(), "gpt-x").await, "sim/gpt-x");
    assert_eq!(model(plain(), "gpt-x").await, "gpt-x");
    assert_eq!(model(plain(), "sim").await, "sim/sim");
    assert_eq!(model(Options::default(), "sim/sim").await, "sim/sim");
}

#[tokio::test]
async fn streams_have_the_order_of_their_providers() {
    let sim = start(plain());
    let chat = sim.say("chat", true, "hi [[sim:tokens=2]]").await;
    let data = chat.data();
    assert_eq!(data[0]["choices"][0]["delta"], json!({ "role": "assistant", "content": "", "refusal": null }));
    assert_eq!(data[3]["choices"][0], json!({ "index": 0, "delta": {}, "finish_reason": "stop" }));
    assert!(data[..4].iter().all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some()));
    assert_eq!((data[4]["choices"].clone(), data[4]["usage"]["completion_tokens"].clone()), (json!([]), json!(2)));
    assert_eq!(chat.events().last().unwrap().1, "[DONE]");

    let names = async |format| {
        let events = sim.say(format, true, "hi [[sim:tokens=1]]").await.events();
        events.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(
        names("responses").await,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed"
        ]
    );
    assert_eq!(
        names("messages").await,
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
    let numbers: Vec<Value> =
        sim.say("responses", true, "hi").await.data().iter().map(|event| event["sequence_number"].clone()).collect();
    assert_eq!(numbers, (0..numbers.len()).map(|n| json!(n)).collect::<Vec<_>>());
    let gemini = sim.say("generate", true, "hi [[sim:tokens=1]]").await;
    assert!(gemini.text().contains("}\r\n\r\ndata: ") && gemini.text().ends_with("}\r\n\r\n"));
    assert_eq!(gemini.data().last().unwrap()["candidates"][0]["finishReason"], "STOP");
}

#[tokio::test]
async fn gemini_without_sse_streams_one_array() {
    let sim = start(plain());
    let body = json!({ "contents": [{ "parts": [{ "text": "hi [[sim:tokens=2]]" }] }] });
    let got = sim.post("/v1beta/models/m:streamGenerateContent", &body).await;
    assert_eq!(got.header("content-type"), "application/json");
    assert_eq!(got.json().as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn tools_are_called_and_their_results_answered() {
    let sim = start(plain());
    let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] });
    let user = json!({ "role": "user", "content": "weather in both" });
    let tools = json!([{ "type": "function", "function": { "name": "get_weather", "parameters": schema } }]);
    let body = json!({ "model": "m", "messages": [user], "tools": tools });
    let message = sim.post("/v1/chat/completions", &body).await.json()["choices"][0]["message"].clone();
    let calls = message["tool_calls"].as_array().unwrap();
    assert_eq!((calls.len(), message["content"].clone()), (2, Value::Null));
    let result = |n: usize| json!({ "role": "tool", "tool_call_id": calls[n]["id"], "content": "mild" });
    let body = json!({ "model": "m", "messages": [user, message, result(1), result(0)], "tools": tools });
    assert!(sim.post("/v1/chat/completions", &body).await.said().contains("The tools returned: mild; mild."));

    let mut stream = json!({ "model": "m", "messages": [user], "tools": tools, "stream": true });
    let chunks = sim.post("/v1/chat/completions", &stream).await.data();
    let deltas: Vec<&Value> = chunks.iter().filter_map(|c| c.pointer("/choices/0/delta/tool_calls/0")).collect();
    let arguments = |index: u64| -> String {
        let mine = deltas.iter().filter(|delta| delta["index"] == index);
        mine.filter_map(|delta| delta["function"]["arguments"].as_str()).collect()
    };
    assert_eq!(arguments(0), calls[0]["function"]["arguments"].as_str().unwrap());
    assert_eq!(deltas.iter().filter(|delta| delta.get("id").is_some()).count(), 2);
    stream["parallel_tool_calls"] = json!(false);
    stream["stream"] = json!(false);
    let one = sim.post("/v1/chat/completions", &stream).await.json();
    assert_eq!(one["choices"][0]["message"]["tool_calls"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn embeddings_are_the_same_in_floats_and_base64() {
    let sim = start(plain());
    let ask =
        |format: &str| json!({ "model": "m", "input": ["a", [1, 2]], "dimensions": 8, "encoding_format": format });
    let floats = sim.post("/v1/embeddings", &ask("float")).await.json();
    let packed = sim.post("/v1/embeddings", &ask("base64")).await.json();
    let raw = base64::engine::general_purpose::STANDARD.decode(packed["data"][0]["embedding"].as_str().unwrap());
    let unpacked: Vec<f32> = raw.unwrap().chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    let plain: Vec<f32> =
        floats["data"][0]["embedding"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect();
    assert_eq!(unpacked, plain);
    assert_eq!(floats["usage"], json!({ "prompt_tokens": 3, "total_tokens": 3 }));
    let body = json!({ "content": { "parts": [{ "text": "a" }] }, "outputDimensionality": 8 });
    let gemini = sim.post("/v1beta/models/m:embedContent", &body).await.json();
    assert_eq!(gemini["embedding"]["values"], floats["data"][0]["embedding"]);
}

#[tokio::test]
async fn the_remaining_endpoints_answer() {
    let sim = start(plain());
    let image = sim.post("/v1/images/generations", &json!({ "prompt": "a gate", "n": 2 })).await.json();
    assert!(image["data"][1]["b64_json"].as_str().unwrap().starts_with("iVBORw0KGgo"));
    let judged = sim.post("/v1/moderations", &json!({ "input": ["hate", "love"] })).await.json();
    assert_eq!((&judged["results"][0]["flagged"], &judged["results"][1]["flagged"]), (&json!(true), &json!(false)));
    let legacy = sim.post("/v1/completions", &json!({ "model": "m", "prompt": "a" })).await.json();
    assert_eq!(
        (&legacy["object"], &legacy["choices"][0]["finish_reason"]),
        (&json!("text_completion"), &json!("length"))
    );
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "a b" }] });
    let counted = sim.post("/v1/messages/count_tokens", &body);
    assert_eq!(counted.await.json(), json!({ "input_tokens": 8 }));
    let body = json!({ "contents": [{ "parts": [{ "text": "a b" }] }] });
    assert_eq!(sim.post("/v1beta/models/m:countTokens", &body).await.json()["totalTokens"], 8);
    let body = json!({ "requests": [{ "content": { "parts": [{ "text": "a" }] } }] });
    let many = sim.post("/v1beta/models/m:batchEmbedContents", &body).await.json();
    assert_eq!(many["embeddings"][0]["values"].as_array().unwrap().len(), 3072);
    assert_eq!(sim.get("/v1/models").await.json()["data"][0]["object"], "model");
    assert_eq!(sim.get("/v1beta/models").await.json()["models"][0]["name"], "models/sim");
    let azure = json!({ "messages": [{ "role": "user", "content": "hi" }] });
    let azure = sim.post("/openai/deployments/d/chat/completions?api-version=1", &azure).await.json();
    assert_eq!(azure["model"], "d");
}

#[tokio::test]
async fn stored_responses_can_be_fetched_continued_and_deleted() {
    let sim = start(plain());
    let first = sim.post("/v1/responses", &json!({ "model": "m", "input": "one" })).await.json();
    let path = format!("/v1/responses/{}", first["id"].as_str().unwrap());
    assert_eq!(sim.get(&path).await.json(), first);
    let body = json!({ "model": "m", "input": "two", "previous_response_id": first["id"] });
    let second = sim.post("/v1/responses", &body).await.json();
    assert!(second["usage"]["input_tokens"].as_u64() > first["usage"]["total_tokens"].as_u64());
    let delete = Request::delete(&path).body(Full::<Bytes>::default()).unwrap();
    assert_eq!(sim.send(delete).await.unwrap().json()["deleted"], true);
    assert_eq!(sim.get(&path).await.status, 404);
    let unkept = sim.post("/v1/responses", &json!({ "model": "m", "input": "one", "store": false })).await.json();
    assert_eq!(sim.get(&format!("/v1/responses/{}", unkept["id"].as_str().unwrap())).await.status, 404);
}

#[tokio::test]
async fn thinking_must_come_back_with_its_signature() {
    let sim = start(plain());
    let body = |messages: Value| {
        json!({ "model": "m", "max_tokens": 4000, "messages": messages,
                "thinking": { "type": "enabled", "budget_tokens": 1024 } })
    };
    let user = json!({ "role": "user", "content": "hi" });
    let mut said = sim.post("/v1/messages", &body(json!([user]))).await.json()["content"].clone();
    assert_eq!(said[0]["type"], "thinking");
    let back = |said: &Value| body(json!([user, { "role": "assistant", "content": said }, user]));
    assert_eq!(sim.post("/v1/messages", &back(&said)).await.status, 200);
    said[0]["thinking"] = json!("changed on the way");
    let refused = sim.post("/v1/messages", &back(&said)).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("messages.1.content.0: Invalid `signature` in `thinking` block"));
}

#[tokio::test]
async fn it_speaks_http2_without_tls() {
    let sim = start(plain());
    let stream = tokio::net::TcpStream::connect(sim.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (path, body) = crate::client::spoken("chat", true, "hi [[sim:tokens=3]]");
    let mut request = post(&format!("http://sim{path}"), &body);
    request.headers_mut().remove("host");
    let mut other = sender.clone();
    let (one, two) = tokio::join!(sender.send_request(request.clone()), other.send_request(request));
    assert_eq!(read(one.unwrap()).await.said(), read(two.unwrap()).await.said());
}

#[tokio::test]
async fn calls_are_counted_and_those_left_by_their_client_too() {
    let sim = start(plain());
    sim.say("chat", false, "hi").await;
    sim.say("chat", true, "hi").await;
    let seen = sim.get("/sim/requests").await.json();
    assert_eq!(seen, json!({ "requests": 2, "in_flight": 0, "cancelled": 0 }));
    for text in ["[[sim:tps=1]]", "[[sim:slow-headers=9s]]"] {
        let mut sender = sim.connect().await;
        let (path, body) = crate::client::spoken("chat", true, text);
        let sent = tokio::time::timeout(std::time::Duration::from_millis(200), sender.send_request(post(&path, &body)));
        let response = sent.await;
        assert_eq!(sim.handle.stats().in_flight, 1, "{text}");
        drop((response, sender));
        assert!(crate::client::eventually(|| sim.handle.stats().in_flight == 0).await, "{text}");
    }
    assert_eq!(sim.handle.stats(), Stats { requests: 4, in_flight: 0, cancelled: 2 });
}

#[tokio::test]
async fn one_connection_carries_many_calls() {
    let sim = start(plain());
    let mut sender = sim.connect().await;
    for format in FORMATS.iter().cycle().take(12) {
        let (path, body) = crate::client::spoken(format, true, "hi");
        let response = sender.send_request(post(&path, &body)).await.unwrap();
        assert!(!read(response).await.said().is_empty());
        sender.ready().await.unwrap();
    }
}
