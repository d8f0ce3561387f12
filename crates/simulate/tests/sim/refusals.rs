//! What the providers refuse is refused here, with their words.

use serde_json::{Value, json};

use crate::client::{plain, post, read, start};

fn user() -> Value {
    json!({ "role": "user", "content": "hi" })
}

/// `base` with the fields of `more`.
fn with(base: &Value, more: Value) -> Value {
    let mut body = base.clone();
    for (name, value) in more.as_object().unwrap() {
        if value == "(absent)" {
            body.as_object_mut().unwrap().remove(name);
        } else {
            body[name] = value.clone();
        }
    }
    body
}

async fn refused(path: &str, base: Value, table: Vec<(Value, &str)>) {
    let sim = start(plain());
    assert_eq!(sim.post(path, &base).await.status, 200);
    for (more, words) in table {
        let got = sim.post(path, &with(&base, more.clone())).await;
        let message = got.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(got.status == 400 && message.contains(words), "{more}\n  {} {message}\n  {words}", got.status);
    }
}

#[tokio::test]
async fn chat_refuses_what_openai_refuses() {
    let call = json!({ "role": "assistant", "tool_calls": [{ "id": "c1", "type": "function", "function": { "name": "f", "arguments": "{}" } }] });
    let result = json!({ "role": "tool", "tool_call_id": "c1", "content": "x" });
    let long = "x".repeat(65);
    let table = vec![
        (json!({ "model": "(absent)" }), "you must provide a model parameter"),
        (json!({ "messages": "(absent)" }), "Missing required parameter: 'messages'."),
        (json!({ "messages": [] }), "empty array"),
        (json!({ "messages": "hi" }), "expected an array of objects, but got a string"),
        (
            json!({ "messages": [{ "role": "robot", "content": "x" }] }),
            "Invalid value: 'robot'. Supported values are: 'system'",
        ),
        (json!({ "messages": [{ "role": "user" }] }), "expected a string, got null"),
        (
            json!({ "messages": [{ "role": "user", "content": 7 }] }),
            "expected one of a string or array of objects, but got an integer",
        ),
        (json!({ "messages": [user(), result] }), "must be a response to a preceeding message with 'tool_calls'"),
        (json!({ "messages": [user(), call] }), "did not have response messages: c1"),
        (json!({ "messages": [user(), call, user()] }), "did not have response messages: c1"),
        (json!({ "messages": [user(), call, result, result] }), "must be a response"),
        (
            json!({ "messages": [{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "data:image/png;base64,?" } }] }] }),
            "Expected a valid URL",
        ),
        (
            json!({ "messages": [user(), { "role": "assistant", "tool_calls": [{ "id": long, "type": "function", "function": { "name": "f", "arguments": "" } }] }] }),
            "string too long",
        ),
        (json!({ "temperature": 2.5 }), "decimal above maximum value. Expected a value <= 2, but got 2.5"),
        (json!({ "temperature": "hot" }), "expected a decimal, but got a string"),
        (json!({ "n": 0 }), "integer below minimum value"),
        (json!({ "stop": ["a", "b", "c", "d", "e"] }), "array too long"),
        (json!({ "tool_choice": "required" }), "'tool_choice' is only allowed when 'tools' are specified"),
        (json!({ "tools": [{ "type": "function", "function": { "name": "a b" } }] }), "does not match pattern"),
        (
            json!({ "tools": [{ "type": "function", "function": { "name": "f", "strict": true, "parameters": { "type": "object", "properties": {} } } }] }),
            "'additionalProperties' is required",
        ),
        (
            json!({ "response_format": { "type": "yaml" } }),
            "Supported values are: 'json_object', 'json_schema', and 'text'",
        ),
        (json!({ "response_format": { "type": "json_object" } }), "must contain the word 'json'"),
        (json!({ "stream_options": { "include_usage": true } }), "only allowed when 'stream' is enabled"),
        (json!({ "top_logprobs": 2 }), "'top_logprobs' is only allowed when 'logprobs' is enabled"),
        (json!({ "reasoning_effort": "huge" }), "Invalid value: 'huge'"),
        (json!({ "frobnicate": 1 }), "Unrecognized request argument supplied: frobnicate"),
        (json!({ "model": "gpt-5.1", "max_tokens": 5 }), "Use 'max_completion_tokens' instead"),
        (
            json!({ "model": "gpt-5.6", "tools": [{ "type": "function", "function": { "name": "f" } }] }),
            "reasoning_effort",
        ),
    ];
    refused("/v1/chat/completions", json!({ "model": "m", "messages": [user()] }), table).await;
}

#[tokio::test]
async fn responses_refuses_what_openai_refuses() {
    let call = json!({ "type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}" });
    let output = json!({ "type": "function_call_output", "call_id": "c1", "output": "x" });
    let table = vec![
        (json!({ "input": "(absent)" }), "Missing required parameter: 'input'."),
        (json!({ "input": [user(), output] }), "No tool call found for function call output with call_id c1."),
        (json!({ "input": [user(), call] }), "No tool output found for function call c1."),
        (
            json!({ "input": [{ "role": "assistant", "content": [{ "type": "input_text", "text": "x" }] }] }),
            "Supported values are: 'output_text' and 'refusal'.",
        ),
        (json!({ "max_output_tokens": 5 }), "Expected a value >= 16"),
        (json!({ "previous_response_id": "resp_x" }), "Previous response with id 'resp_x' not found."),
        (
            json!({ "text": { "format": { "type": "json_schema", "name": "x" } } }),
            "Missing required parameter: 'text.format.schema'.",
        ),
        (json!({ "messages": [] }), "Unrecognized request argument supplied: messages"),
    ];
    refused("/v1/responses", json!({ "model": "m", "input": "hi" }), table).await;
}

#[tokio::test]
async fn messages_refuses_what_anthropic_refuses() {
    let call =
        json!({ "role": "assistant", "content": [{ "type": "tool_use", "id": "t1", "name": "f", "input": {} }] });
    let result = json!({ "type": "tool_result", "tool_use_id": "t1", "content": "x" });
    let answered = json!({ "role": "user", "content": [result] });
    let late = json!({ "role": "user", "content": [{ "type": "text", "text": "first" }, result] });
    let tool = json!([{ "name": "f", "input_schema": { "type": "object" } }]);
    let table = vec![
        (json!({ "max_tokens": "(absent)" }), "max_tokens: Field required"),
        (json!({ "model": "(absent)" }), "model: Field required"),
        (json!({ "messages": [] }), "at least one message is required"),
        (json!({ "messages": [{ "role": "tool", "content": "x" }] }), "messages.0.role: Input should be 'user'"),
        (json!({ "messages": [{ "role": "user", "content": "" }] }), "non-empty content"),
        (
            json!({ "messages": [{ "role": "user", "content": "x", "name": "n" }] }),
            "messages.0.name: Extra inputs are not permitted",
        ),
        (
            json!({ "messages": [{ "role": "user", "content": [{ "type": "text", "text": "" }] }] }),
            "text content blocks must be non-empty",
        ),
        (json!({ "messages": [user(), answered] }), "unexpected `tool_use_id` found"),
        (json!({ "messages": [user(), call] }), "without `tool_result` blocks immediately after: t1"),
        (json!({ "messages": [user(), call, user()] }), "without `tool_result` blocks immediately after: t1"),
        (json!({ "messages": [user(), call, late] }), "without `tool_result` blocks immediately after: t1"),
        (json!({ "messages": [{ "role": "system", "content": "x" }, user()] }), "use the top-level 'system' parameter"),
        (
            json!({ "messages": [{ "role": "user", "content": [{ "type": "image", "source": { "type": "base64", "media_type": "image/bmp", "data": "" } }] }] }),
            "Input should be 'image/jpeg'",
        ),
        (json!({ "temperature": 1.5 }), "temperature: range: 0..1"),
        (json!({ "frequency_penalty": 1 }), "frequency_penalty: Extra inputs are not permitted"),
        (json!({ "stop_sequences": [" "] }), "must contain non-whitespace"),
        (json!({ "tool_choice": { "type": "any" } }), "tool_choice may only be specified while providing tools"),
        (json!({ "tools": [{ "name": "f" }] }), "tools.0.custom.input_schema: Field required"),
        (json!({ "tools": [{ "name": "a.b", "input_schema": { "type": "object" } }] }), "String should match pattern"),
        (json!({ "thinking": { "type": "enabled", "budget_tokens": 10 } }), "greater than or equal to 1024"),
        (
            json!({ "thinking": { "type": "enabled", "budget_tokens": 4096 } }),
            "`max_tokens` must be greater than `thinking.budget_tokens`",
        ),
        (
            json!({ "thinking": { "type": "adaptive" }, "tools": tool, "tool_choice": { "type": "any" } }),
            "Thinking may not be enabled when tool_choice forces",
        ),
        (
            json!({ "output_config": { "format": { "type": "json_schema", "schema": { "type": "object" } } } }),
            "'additionalProperties' must be explicitly set to false",
        ),
        (json!({ "model": "claude-opus-4-7", "temperature": 0.5 }), "non-default value"),
        (
            json!({ "model": "claude-opus-5.5", "tools": tool, "tool_choice": { "type": "any" } }),
            "does not support forcing tool use",
        ),
        (
            json!({ "model": "claude-sonnet-5", "messages": [user(), { "role": "assistant", "content": "pre" }] }),
            "prefill",
        ),
    ];
    refused("/v1/messages", json!({ "model": "m", "max_tokens": 2000, "messages": [user()] }), table).await;
}

#[tokio::test]
async fn anthropic_wants_its_version_header_and_the_newer_version_no_sampling() {
    let sim = start(plain());
    let body = json!({ "model": "m", "max_tokens": 9, "messages": [user()], "temperature": 1 });
    let mut request = post("/v1/messages", &body);
    request.headers_mut().remove("anthropic-version");
    let got = sim.send(request).await.unwrap();
    assert!(got.status == 400 && got.text().contains("anthropic-version: header is required"));
    let mut request = post("/v1/messages", &body);
    request.headers_mut().insert("anthropic-version", http::HeaderValue::from_static("2026-10-21"));
    assert!(sim.send(request).await.unwrap().text().contains("temperature: Extra inputs are not permitted"));
}

#[tokio::test]
async fn generate_refuses_what_gemini_refuses() {
    let text = |role: &str| json!({ "role": role, "parts": [{ "text": "hi" }] });
    let call = json!({ "role": "model", "parts": [{ "functionCall": { "name": "f", "args": {} } }] });
    let response =
        json!({ "role": "user", "parts": [{ "functionResponse": { "name": "f", "response": { "output": "x" } } }] });
    let declared = |schema: Value| json!([{ "functionDeclarations": [{ "name": "f", "parameters": schema }] }]);
    let config = |config: Value| json!({ "generationConfig": config });
    let table = vec![
        (json!({ "contents": [] }), "contents is not specified"),
        (json!({ "contents": [{ "parts": [] }] }), "contents.parts must not be empty"),
        (json!({ "contents": [{ "parts": [{}] }] }), "required oneof field 'data'"),
        (json!({ "contents": [{ "parts": [{ "text": "a", "inlineData": {} }] }] }), "already set"),
        (json!({ "contents": [text("assistant")] }), "Please use a valid role: user, model."),
        (json!({ "contents": [text("model")] }), "first content"),
        (json!({ "contents": [text("user"), call] }), "comes immediately after a function call turn"),
        (json!({ "contents": [text("user"), call, text("user")] }), "number of function response parts"),
        (json!({ "contents": [text("user"), response] }), "number of function response parts"),
        (json!({ "frobnicate": 1 }), "Unknown name \"frobnicate\": Cannot find field."),
        (config(json!({ "frobnicate": 1 })), "at 'generation_config'"),
        (config(json!({ "temperature": 3 })), "must be in the range [0.0, 2.0]"),
        (config(json!({ "stop_sequences": ["a", "b", "c", "d", "e", "f"] })), "at most 5 stop sequences"),
        (config(json!({ "candidateCount": 9 })), "candidate_count"),
        (config(json!({ "responseSchema": { "type": "OBJECT" } })), "response_mime_type"),
        (
            config(json!({ "thinkingConfig": { "thinkingBudget": 1, "thinkingLevel": "LOW" } })),
            "only one of thinking budget and thinking level",
        ),
        (
            json!({ "tools": declared(json!({ "type": "object", "additionalProperties": false })) }),
            "Unknown name \"additionalProperties\" at 'tools[0].function_declarations[0].parameters'",
        ),
        (
            json!({ "tools": declared(json!({ "type": "OBJECT", "properties": { "a": { "type": ["string", "null"] } } })) }),
            "Unknown name \"type\"",
        ),
        (
            json!({ "toolConfig": { "functionCallingConfig": { "mode": "AUTO", "allowedFunctionNames": ["f"] } } }),
            "allowed_function_names should only be set",
        ),
    ];
    let base = json!({ "contents": [text("user")] });
    refused("/v1beta/models/gemini-2.5-flash:generateContent", base.clone(), table).await;
    let unsigned = vec![(json!({ "contents": [text("user"), call, response] }), "missing a thought_signature")];
    refused("/v1beta/models/gemini-3-pro:generateContent", base, unsigned).await;
}

#[tokio::test]
async fn the_other_endpoints_refuse_too() {
    let table = vec![
        (json!({ "input": "(absent)" }), "Missing required parameter: 'input'."),
        (json!({ "input": "" }), "cannot be an empty string"),
        (json!({ "input": [1, "a"] }), "Invalid type for 'input'"),
        (json!({ "encoding_format": "hex" }), "Supported values are: 'float' and 'base64'."),
        (json!({ "dimensions": 0 }), "integer below minimum"),
    ];
    refused("/v1/embeddings", json!({ "model": "m", "input": "a" }), table).await;
    let table = vec![(json!({ "prompt": "(absent)" }), "'prompt'"), (json!({ "size": "big" }), "Invalid value: 'big'")];
    refused("/v1/images/generations", json!({ "prompt": "a" }), table).await;
    refused("/v1/moderations", json!({ "input": "a" }), vec![(json!({ "input": 5 }), "Invalid type for 'input'")])
        .await;
}

#[tokio::test]
async fn paths_methods_and_bodies_that_make_no_sense_are_refused_in_the_right_dialect() {
    let sim = start(plain());
    let got = sim.get("/v1/nothing").await;
    assert_eq!(
        (got.status.as_u16(), got.json()["error"]["message"].clone()),
        (404, json!("Invalid URL (GET /v1/nothing)"))
    );
    assert_eq!(sim.get("/v1/chat/completions").await.status, 405);
    assert_eq!(sim.get("/v1/messages").await.json()["type"], "error");
    for path in ["/v1/chat/completions", "/v1/messages", "/v1beta/models/m:generateContent", "/v1/embeddings"] {
        for body in ["{", "", "[1]", "\u{7f}", &"[".repeat(5000)] {
            let mut request = post(path, &json!({}));
            *request.body_mut() = body.to_owned().into();
            let got = sim.send(request).await.unwrap();
            assert_eq!(got.status, 400, "{path} {body}");
            assert!(got.json()["error"]["message"].is_string());
        }
    }
}

/// Every place in `value`, as a JSON pointer.
fn places(value: &Value, at: &str, out: &mut Vec<String>) {
    out.push(at.to_owned());
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, inner)| places(inner, &format!("{at}/{name}"), out)),
        Value::Array(items) => items.iter().enumerate().for_each(|(n, inner)| places(inner, &format!("{at}/{n}"), out)),
        _ => {}
    }
}

#[tokio::test]
async fn whatever_stands_anywhere_is_answered_or_refused_and_the_connection_lives() {
    let schema = json!({ "type": "object", "properties": { "a": { "type": "array", "items": { "type": "integer", "minimum": 1 } } }, "required": ["a"] });
    let image = "data:image/png;base64,iVBORw0KGgo=";
    let bodies = [
        (
            "/v1/chat/completions",
            json!({
                "model": "m", "n": 2, "stop": ["x"], "logprobs": true, "top_logprobs": 1, "tool_choice": { "type": "function", "function": { "name": "f" } },
                "messages": [
                    { "role": "user", "content": [{ "type": "text", "text": "f" }, { "type": "image_url", "image_url": { "url": image } }] },
                    { "role": "assistant", "content": null, "tool_calls": [{ "id": "c", "type": "function", "function": { "name": "f", "arguments": "{}" } }] },
                    { "role": "tool", "tool_call_id": "c", "content": "x" },
                ],
                "tools": [{ "type": "function", "function": { "name": "f", "description": "d", "parameters": schema } }],
                "response_format": { "type": "json_schema", "json_schema": { "name": "x", "schema": schema } },
            }),
        ),
        (
            "/v1/responses",
            json!({
                "model": "m", "instructions": "i", "max_output_tokens": 50, "text": { "format": { "type": "json_schema", "name": "x", "schema": schema } },
                "reasoning": { "effort": "low", "summary": "auto" }, "include": ["reasoning.encrypted_content"], "tools": [{ "type": "function", "name": "f", "parameters": schema }],
                "input": [
                    { "role": "user", "content": [{ "type": "input_text", "text": "f" }, { "type": "input_image", "image_url": image }] },
                    { "type": "reasoning", "id": "rs", "summary": [] },
                    { "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}" },
                    { "type": "function_call_output", "call_id": "c", "output": [{ "type": "input_text", "text": "x" }] },
                ],
            }),
        ),
        (
            "/v1/messages",
            json!({
                "model": "m", "max_tokens": 2000, "system": [{ "type": "text", "text": "s", "cache_control": { "type": "ephemeral" } }],
                "thinking": { "type": "adaptive" }, "output_config": { "format": { "type": "json_schema", "schema": { "type": "object", "additionalProperties": false } } },
                "messages": [
                    { "role": "user", "content": [{ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo=" } }] },
                    { "role": "assistant", "content": [{ "type": "tool_use", "id": "t", "name": "f", "input": {} }] },
                    { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "t", "content": [{ "type": "text", "text": "x" }] }, { "type": "text", "text": "and" }] },
                ],
                "tools": [{ "name": "f", "input_schema": schema }], "tool_choice": { "type": "auto" },
            }),
        ),
        (
            "/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse",
            json!({
                "systemInstruction": { "parts": [{ "text": "s" }] },
                "contents": [
                    { "role": "user", "parts": [{ "text": "f" }, { "inlineData": { "mimeType": "image/png", "data": "iVBORw0KGgo=" } }] },
                    { "role": "model", "parts": [{ "functionCall": { "name": "f", "args": { "a": [1] } }, "thoughtSignature": "skip_thought_signature_validator" }] },
                    { "role": "user", "parts": [{ "functionResponse": { "name": "f", "response": { "output": "x" } } }] },
                ],
                "tools": [{ "functionDeclarations": [{ "name": "f", "parametersJsonSchema": schema }] }],
                "toolConfig": { "functionCallingConfig": { "mode": "ANY", "allowedFunctionNames": ["f"] } },
                "generationConfig": { "maxOutputTokens": 90, "thinkingConfig": { "thinkingBudget": 10, "includeThoughts": true } },
            }),
        ),
        (
            "/v1/completions",
            json!({ "model": "m", "prompt": ["a", [1]], "n": 2, "logprobs": 1, "echo": true, "max_tokens": 5 }),
        ),
        ("/v1/embeddings", json!({ "model": "m", "input": ["a", [1]], "dimensions": 5 })),
    ];
    let odd = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!("x"),
        json!([]),
        json!({}),
        json!([[]]),
        json!([null]),
        json!({ "type": "object" }),
        json!({ "$ref": "#" }),
    ];
    let sim = start(plain());
    let mut sender = sim.connect().await;
    let mut answered = 0;
    for (path, body) in bodies {
        assert_eq!(sim.post(path, &body).await.status, 200, "{path} {}", sim.post(path, &body).await.text());
        let mut pointers = Vec::new();
        places(&body, "", &mut pointers);
        for pointer in pointers {
            for value in &odd {
                let mut changed = body.clone();
                *changed.pointer_mut(&pointer).unwrap() = value.clone();
                let response = sender.send_request(post(path, &changed)).await;
                let got = read(response.unwrap_or_else(|error| panic!("{path} {pointer} {value}: {error}"))).await;
                assert!(got.status == 200 || got.status.is_client_error(), "{path} {pointer} {value}: {}", got.status);
                assert!(!got.broken);
                answered += 1;
                sender.ready().await.unwrap();
            }
        }
    }
    assert!(answered > 2000, "{answered}");
}
