//! What holds of translation whatever is translated.

#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "what fails here fails the test")]

use proptest::prelude::*;
use serde_json::{Value, json};
use sluicegate_vocabulary::{Format, Usage, UsageSource};
use sluicegate_wire::quirks::Quirks;
use sluicegate_wire::sse::Decoder;
use sluicegate_wire::tap::StreamEnd;
use sluicegate_wire::translate::neutral::{Answer, Choice, Delta, Finish, Part, Prompt, Signature, ToolCall};
use sluicegate_wire::translate::{
    self, Context, Job, Policy, StreamTranslator, chat, deltas, generate, ids, messages, responses,
};

fn context(client: Format, upstream: Format) -> Context {
    let prompt = Prompt { source: Some(client), ..Prompt::default() };
    Context {
        client,
        upstream,
        model: "the-model".to_owned(),
        stream: true,
        include_usage: true,
        show_reasoning: Some(true),
        now: 1_790_000_000,
        call_id: "0123456789abcdef".to_owned(),
        names: ids::Names::default(),
        emulated_schema: false,
        legacy_functions: false,
        echo: (client == Format::Responses).then(|| Box::new(responses::Echo::of(&prompt))),
    }
}

fn write_answer(answer: &Answer, format: Format) -> Vec<u8> {
    let context = context(format, format);
    match format {
        Format::Chat => chat::response::write(answer, &context),
        Format::Responses => responses::response::write(answer, &context),
        Format::Messages => messages::response::write(answer, &context),
        Format::Generate => generate::response::write(answer, &context),
    }
    .expect("an answer can be written")
}

fn read_answer(body: &[u8], format: Format) -> Answer {
    match format {
        Format::Chat => chat::response::read(body),
        Format::Responses => responses::response::read(body),
        Format::Messages => messages::response::read(body),
        Format::Generate => generate::response::read(body),
    }
    .unwrap_or_else(|fault| panic!("{fault}: {}", String::from_utf8_lossy(body)))
}

/// A provider's stream that takes these steps.
fn write_stream(steps: &[Delta], format: Format) -> Vec<u8> {
    let context = context(format, format);
    let mut out = Vec::new();
    macro_rules! all {
        ($writer:expr) => {{
            let mut writer = $writer;
            for step in steps {
                writer.write(step.clone(), &mut out).expect("a step can be written");
            }
        }};
    }
    match format {
        Format::Chat => all!(chat::stream::Writer::new(&context)),
        Format::Responses => all!(responses::stream::Writer::new(&context)),
        Format::Messages => all!(messages::stream::Writer::new(&context)),
        Format::Generate => all!(generate::stream::Writer::new(&context)),
    }
    out
}

fn read_stream(bytes: &[u8], format: Format) -> Answer {
    let mut decoder = Decoder::new();
    let mut steps = Vec::new();
    macro_rules! all {
        ($reader:expr) => {{
            let mut reader = $reader;
            decoder.push(bytes);
            while let Some(event) = decoder.next().expect("events") {
                reader.read(event.name, event.data, &mut steps).expect("an event can be read");
            }
            reader.close(&mut steps);
        }};
    }
    match format {
        Format::Chat => all!(chat::stream::Reader::default()),
        Format::Responses => all!(responses::stream::Reader::default()),
        Format::Messages => all!(messages::stream::Reader::default()),
        Format::Generate => all!(generate::stream::Reader::default()),
    }
    assert!(steps.contains(&Delta::End), "no end in {}", String::from_utf8_lossy(bytes));
    deltas::join(steps)
}

fn translate_stream(bytes: &[u8], context: Context, cuts: &[usize]) -> (Vec<u8>, StreamEnd) {
    let mut stream = StreamTranslator::new(context);
    let mut out = Vec::new();
    let mut at = 0;
    for cut in cuts {
        let end = (at + cut).min(bytes.len());
        if stream.push(&bytes[at..end], &mut out).is_err() {
            return (out, StreamEnd::Failed);
        }
        at = end;
    }
    if stream.push(&bytes[at..], &mut out).is_err() {
        return (out, StreamEnd::Failed);
    }
    let end = stream.finish(&mut out);
    (out, end)
}

/// What two answers must agree on. Adjacent texts are one text, and arguments are compared as the JSON they are.
fn essence(answer: &Answer) -> Value {
    let choices: Vec<Value> = answer
        .choices
        .iter()
        .map(|choice| {
            let mut parts: Vec<Value> = Vec::new();
            for part in &choice.parts {
                let next = match part {
                    Part::Text(text) => json!({"text": text}),
                    Part::Refusal(text) => json!({"refusal": text}),
                    Part::Thinking { text, signature } => {
                        json!({"thinking": text, "signature": signature.as_ref().map(|s| (s.from, s.text.clone()))})
                    }
                    Part::RedactedThinking(data) => json!({"redacted": data}),
                    Part::ToolCall(call) => {
                        let arguments: Value = serde_json::from_str(&call.arguments).expect("arguments");
                        json!({"call": call.name, "id": call.id, "arguments": arguments})
                    }
                    other => panic!("{other:?} in an answer"),
                };
                match (parts.last_mut(), &next) {
                    (Some(last), next) if last["text"].is_string() && next["text"].is_string() => {
                        last["text"] = json!(format!(
                            "{}{}",
                            last["text"].as_str().expect("text"),
                            next["text"].as_str().expect("text")
                        ));
                    }
                    _ => parts.push(next),
                }
            }
            json!({"parts": parts, "finish": format!("{:?}", choice.finish)})
        })
        .collect();
    json!({"id": answer.id, "model": answer.model, "choices": choices, "usage": answer.usage})
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z ]{1,20}",
        Just("line\none\r\ntwo\rthree\u{2028}four\u{85}".to_owned()),
        Just("\"quoted\" \\ back\\\\slash {brace} data: [DONE]".to_owned()),
        "\\PC{1,12}",
    ]
}

fn arguments() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{}".to_owned()),
        text().prop_map(|t| json!({"t": t, "n": 9_007_199_254_740_993_u64, "deep": {"l": [1, null, "}"]}}).to_string()),
    ]
}

fn usage() -> impl Strategy<Value = Usage> {
    (0u64..5000, 0u64..5000, 1u64..5000, 0u64..5000).prop_map(|(input, cache_read, output, reasoning)| Usage {
        input,
        cache_read,
        output,
        reasoning,
        source: UsageSource::Reported,
        ..Usage::default()
    })
}

/// An answer that a provider of this format can give, in an order that all formats keep.
fn answer(upstream: Format) -> impl Strategy<Value = Answer> {
    let thinking = prop::option::of((text(), any::<bool>()));
    let calls = prop::collection::vec(("[a-z_]{1,12}", arguments()), 0..4);
    (thinking, prop::option::of(text()), calls, prop::bool::weighted(0.2), usage()).prop_map(
        move |(thinking, said, calls, cut, usage)| {
            let mut parts = Vec::new();
            if let Some((text, signed)) = thinking {
                let signed = signed && upstream != Format::Chat;
                let signature = signed.then(|| Signature { from: upstream, text: "c2lnbmF0dXJl".to_owned() });
                parts.push(Part::Thinking { text, signature });
            }
            parts.extend(said.map(Part::Text));
            for (i, (name, arguments)) in calls.into_iter().enumerate() {
                let call = ToolCall { id: format!("call_{i}"), name, arguments, signature: None };
                parts.push(Part::ToolCall(call));
            }
            let has_calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
            let finish = match (cut, has_calls) {
                (true, _) => Finish::Length,
                (_, true) => Finish::ToolCalls,
                _ => Finish::Stop,
            };
            Answer {
                id: "x1".to_owned(),
                model: "a-model".to_owned(),
                created: Some(1_790_000_000),
                choices: vec![Choice { parts, finish: Some(finish) }],
                usage: Some(usage),
            }
        },
    )
}

/// The answer's steps in small pieces, the arguments of its calls mixed as `order` says.
fn pieces(answer: Answer, size: usize, order: &[prop::sample::Index]) -> Vec<Delta> {
    let mut steps = Vec::new();
    let mut arguments: Vec<Vec<Delta>> = Vec::new();
    let mut tail = Vec::new();
    let split_text = |text: &str| -> Vec<String> {
        let chars: Vec<char> = text.chars().collect();
        chars.chunks(size).map(|chunk| chunk.iter().collect()).collect()
    };
    for step in deltas::split(answer) {
        match step {
            Delta::Text { choice, text } => {
                steps.extend(split_text(&text).into_iter().map(|text| Delta::Text { choice, text }));
            }
            Delta::Thinking { choice, text } => {
                steps.extend(split_text(&text).into_iter().map(|text| Delta::Thinking { choice, text }));
            }
            Delta::ToolArguments { choice, call, fragment } => arguments.push(
                split_text(&fragment)
                    .into_iter()
                    .map(|fragment| Delta::ToolArguments { choice, call, fragment })
                    .rev()
                    .collect(),
            ),
            Delta::Finish { .. } | Delta::Usage(_) | Delta::End => tail.push(step),
            other => steps.push(other),
        }
    }
    let mut turn = 0;
    while !arguments.is_empty() {
        let which = order.get(turn).map_or(0, |index| index.index(arguments.len()));
        turn += 1;
        steps.extend(arguments[which].pop());
        arguments.retain(|rest| !rest.is_empty());
    }
    steps.extend(tail);
    steps
}

fn formats() -> impl Strategy<Value = Format> {
    prop::sample::select(Format::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_joined_stream_says_what_the_buffered_answer_says(
        (client, upstream, answer) in (formats(), formats()).prop_flat_map(|(c, u)| (Just(c), Just(u), answer(u))),
        size in 1usize..9,
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let body = write_answer(&answer, upstream);
        let bytes = write_stream(&pieces(answer, size, &order), upstream);
        let buffered = translate::response(&body, &context(client, upstream)).expect("an answer translates");
        let (streamed, end) = translate_stream(&bytes, context(client, upstream), &[]);
        prop_assert_eq!(end, StreamEnd::Complete);
        let (whole, joined) = (read_answer(&buffered.body, client), read_stream(&streamed, client));
        prop_assert_eq!(
            essence(&whole), essence(&joined),
            "{:?} from {:?}\n{}\n{}", client, upstream,
            String::from_utf8_lossy(&buffered.body), String::from_utf8_lossy(&streamed)
        );
    }

    #[test]
    fn any_cut_gives_the_same_output(
        (client, upstream, answer) in (formats(), formats()).prop_flat_map(|(c, u)| (Just(c), Just(u), answer(u))),
        cuts in prop::collection::vec(1usize..30, 0..200),
    ) {
        let bytes = write_stream(&deltas::split(answer), upstream);
        let whole = translate_stream(&bytes, context(client, upstream), &[]);
        prop_assert_eq!(&translate_stream(&bytes, context(client, upstream), &cuts), &whole);
        prop_assert_eq!(&translate_stream(&bytes, context(client, upstream), &vec![1; bytes.len()]), &whole);
    }

    #[test]
    fn a_stream_cut_short_is_never_complete(
        (client, upstream, answer) in (formats(), formats()).prop_flat_map(|(c, u)| (Just(c), Just(u), answer(u))),
        missing in any::<prop::sample::Index>(),
    ) {
        let mut steps = deltas::split(answer);
        // Cut before the answer's end is told.
        let finish = steps.iter().position(|step| matches!(step, Delta::Finish { .. })).expect("a finish");
        steps.truncate(missing.index(finish) + 1);
        let bytes = write_stream(&steps, upstream);
        let (out, end) = translate_stream(&bytes, context(client, upstream), &[]);
        prop_assert_ne!(end, StreamEnd::Complete);
        let text = String::from_utf8_lossy(&out);
        for mark in ["[DONE]", "message_stop", "response.completed", "finishReason", "\"finish_reason\":\""] {
            prop_assert!(!text.contains(mark) || upstream_says(&steps, mark), "{} in {}", mark, text);
        }
    }

    #[test]
    fn what_a_whole_answer_says_arrives_when_it_came_for_a_stream_and_the_other_way_round(
        (client, upstream, answer) in (formats(), formats()).prop_flat_map(|(c, u)| (Just(c), Just(u), answer(u))),
    ) {
        let body = write_answer(&answer, upstream);
        let bytes = write_stream(&deltas::split(answer), upstream);
        let expected = read_answer(&translate::response(&body, &context(client, upstream)).expect("buffered").body, client);
        let from_stream = translate::response_from_stream(&bytes, &context(client, upstream)).expect("from a stream");
        prop_assert_eq!(essence(&read_answer(&from_stream.body, client)), essence(&expected));
        let mut stream = StreamTranslator::new(context(client, upstream));
        let mut out = Vec::new();
        stream.push_body(&body, &mut out).expect("from a body");
        prop_assert_eq!(stream.finish(&mut out), StreamEnd::Complete);
        prop_assert_eq!(essence(&read_stream(&out, client)), essence(&expected));
    }

    #[test]
    fn what_both_can_say_survives_chat_to_messages_and_back(request in shared_request()) {
        let quirks = Quirks { temperature_max: 1.0, ..Quirks::default() };
        let there = translate(&request, Format::Chat, Format::Messages, &quirks);
        let back = translate(&there, Format::Messages, Format::Chat, &quirks);
        prop_assert_eq!(back, translate(&request, Format::Chat, Format::Chat, &quirks));
    }

    #[test]
    fn the_same_conversation_with_one_turn_more_begins_the_same(request in shared_request()) {
        let quirks = Quirks { temperature_max: 1.0, ..Quirks::default() };
        let mut longer = request.clone();
        longer["messages"].as_array_mut().expect("messages").extend([
            json!({"role": "assistant", "content": "More."}),
            json!({"role": "user", "content": "And more."}),
        ]);
        for upstream in Format::ALL {
            let Ok(short) = try_translate(&request, Format::Chat, upstream, &quirks) else { continue };
            let long = translate(&longer, Format::Chat, upstream, &quirks);
            let list = match upstream { Format::Responses => "input", Format::Generate => "contents", _ => "messages" };
            let (short, long) = (short[list].as_array().expect("list"), long[list].as_array().expect("list"));
            prop_assert_eq!(&short[..], &long[..short.len()]);
        }
    }
}

/// Text of the model's may hold any mark.
fn upstream_says(steps: &[Delta], mark: &str) -> bool {
    format!("{steps:?}").contains(mark.trim_matches('"'))
}

fn try_translate(
    request: &Value,
    client: Format,
    upstream: Format,
    quirks: &Quirks,
) -> Result<Value, sluicegate_vocabulary::Fault> {
    let job = Job {
        client,
        upstream,
        model: "m",
        public_model: "m",
        stream: None,
        quirks,
        policy: Policy::Strict,
        now: 0,
        call_id: "c",
    };
    let body = serde_json::to_vec(request).expect("JSON");
    Ok(serde_json::from_slice(&translate::request(&body, &job)?.body).expect("JSON"))
}

fn translate(request: &Value, client: Format, upstream: Format, quirks: &Quirks) -> Value {
    try_translate(request, client, upstream, quirks)
        .unwrap_or_else(|fault| panic!("{fault} {:?}: {request}", fault.param))
}

fn user_message() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(|t| json!({"role": "user", "content": t})),
        (text(), text()).prop_map(|(a, b)| json!({"role": "user", "content": [
            {"type": "text", "text": a},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
            {"type": "text", "text": b},
        ]})),
    ]
}

/// A tool loop, or a plain answer: what the assistant said, and what followed.
fn exchange() -> impl Strategy<Value = Vec<Value>> {
    let calls = prop::collection::vec((text(), any::<bool>()), 1..3);
    prop_oneof![
        (user_message(), "[a-z]{1,20}")
            .prop_map(|(user, said)| vec![user, json!({"role": "assistant", "content": said})]),
        (user_message(), prop::option::of("[a-z]{1,9}"), calls).prop_map(|(user, said, results)| {
            let call = |i: usize| {
                json!({"id": format!("callid{i}"), "type": "function",
                    "function": {"name": "look", "arguments": json!({"i": i, "n": 1.5}).to_string()}})
            };
            let calls: Vec<Value> = (0..results.len()).map(call).collect();
            let mut messages = vec![user, json!({"role": "assistant", "content": said, "tool_calls": calls})];
            messages.extend(
                results.into_iter().enumerate().map(
                    |(i, (text, _))| json!({"role": "tool", "tool_call_id": format!("callid{i}"), "content": text}),
                ),
            );
            messages.push(json!({"role": "assistant", "content": "Seen."}));
            messages
        }),
    ]
}

/// A chat request that holds only what Anthropic can say too.
fn shared_request() -> impl Strategy<Value = Value> {
    let exchanges = prop::collection::vec(exchange(), 0..3);
    let choice = prop::sample::select(vec![
        json!(null),
        json!("auto"),
        json!("none"),
        json!("required"),
        json!({"type": "function", "function": {"name": "look"}}),
    ]);
    (prop::option::of("[a-z]{1,20}"), exchanges, user_message(), choice, prop::option::of(0.0f64..1.0), any::<bool>())
        .prop_map(|(system, exchanges, last, choice, temperature, one_call)| {
            let mut messages: Vec<Value> =
                system.map(|s| json!({"role": "system", "content": s})).into_iter().collect();
            // Ids count from zero in every exchange, as some clients do; each exchange must stay apart.
            for (round, exchange) in exchanges.into_iter().enumerate() {
                let text =
                    serde_json::to_string(&exchange).expect("JSON").replace("callid", &format!("callid{round}x"));
                messages.extend(serde_json::from_str::<Vec<Value>>(&text).expect("JSON"));
            }
            messages.push(last);
            let mut request = json!({
                "model": "m", "messages": messages, "max_tokens": 500, "stop": ["END"],
                "tools": [{"type": "function", "function": {"name": "look", "description": "Looks.",
                    "parameters": {"type": "object", "properties": {"i": {"type": "integer"}}}}}],
            });
            if !choice.is_null() {
                request["tool_choice"] = choice;
            }
            if let Some(temperature) = temperature {
                request["temperature"] = json!(temperature);
            }
            if one_call && request["tool_choice"] != "none" {
                request["parallel_tool_calls"] = json!(false);
                if request["tool_choice"].is_null() {
                    request["tool_choice"] = json!("auto");
                }
            }
            request
        })
}

/// Golden cases, to be broken.
fn seeds(kind: &str) -> Vec<(Format, Vec<u8>)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(kind);
    let mut seeds = Vec::new();
    for entry in std::fs::read_dir(folder).expect("golden folder") {
        let path = entry.expect("entry").path();
        let stem = path.file_stem().expect("name").to_string_lossy().into_owned();
        let word = stem.rsplit('.').next().unwrap_or_default().to_owned();
        let format = Format::ALL.into_iter().find(|format| format.as_str() == word);
        seeds.extend(format.map(|format| (format, std::fs::read(&path).expect("case"))));
    }
    seeds.sort();
    seeds
}

fn broken(kind: &'static str) -> impl Strategy<Value = (Format, Vec<u8>)> {
    let change = (any::<prop::sample::Index>(), 0usize..12, prop::collection::vec(any::<u8>(), 0..6), any::<bool>());
    let changes = prop::collection::vec(change, 1..4);
    (prop::sample::select(seeds(kind)), changes).prop_map(|((format, mut bytes), changes)| {
        for (at, remove, insert, syntax) in changes {
            let at = at.index(bytes.len() + 1).min(bytes.len());
            let end = (at + remove).min(bytes.len());
            // Bytes that JSON gives a meaning break more than any others.
            let insert = insert.into_iter().map(|b| if syntax { b"{}[]\",:0n\\\n"[usize::from(b) % 11] } else { b });
            bytes.splice(at..end, insert.collect::<Vec<_>>());
        }
        (format, bytes)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_request_makes_it_panic((client, body) in broken("requests"), upstream in formats()) {
        let quirks = Quirks::default();
        let job = Job {
            client, upstream, model: "m", public_model: "m", stream: None, quirks: &quirks,
            policy: Policy::Lenient, now: 0, call_id: "c",
        };
        if let Ok(outbound) = translate::request(&body, &job) {
            prop_assert!(serde_json::from_slice::<Value>(&outbound.body).is_ok());
        }
    }

    #[test]
    fn no_answer_makes_it_panic((upstream, body) in broken("responses"), client in formats()) {
        if let Ok(inbound) = translate::response(&body, &context(client, upstream)) {
            prop_assert!(serde_json::from_slice::<Value>(&inbound.body).is_ok());
        }
    }

    #[test]
    fn no_stream_makes_it_panic((upstream, bytes) in broken("streams"), client in formats(), cuts in prop::collection::vec(1usize..99, 0..9)) {
        let _ = translate_stream(&bytes, context(client, upstream), &cuts);
    }
}

#[test]
fn no_nesting_makes_it_overflow() {
    let deep = "{\"type\":\"tool_result\",\"tool_use_id\":\"x\",\"content\":[".repeat(100_000);
    let schema = "{\"properties\":{\"a\":".repeat(100_000);
    for body in [
        format!("{{\"messages\":[{{\"role\":\"user\",\"content\":[{deep}"),
        format!("{{\"messages\":[{{\"role\":\"user\",\"content\":[{deep}1{}]}}]}}", "]}".repeat(100_000)),
        format!(
            "{{\"messages\":[{{\"role\":\"user\",\"content\":\"x\"}}],\"input\":\"x\",\"tools\":[{{\"type\":\"function\",\"name\":\"f\",\"input_schema\":{schema}1{0},\"function\":{{\"name\":\"f\",\"strict\":true,\"parameters\":{schema}1{0}}}}}]}}",
            "}}".repeat(100_000)
        ),
        format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
    ] {
        for client in Format::ALL {
            for upstream in Format::ALL {
                let quirks = Quirks { whole_schemas: false, ..Quirks::default() };
                let job = Job {
                    client,
                    upstream,
                    model: "m",
                    public_model: "m",
                    stream: None,
                    quirks: &quirks,
                    policy: Policy::Lenient,
                    now: 0,
                    call_id: "c",
                };
                // What comes of it is not the point: that something does, is.
                let _ = translate::request(body.as_bytes(), &job);
                let _ = translate::response(body.as_bytes(), &context(client, upstream));
            }
        }
    }
}
