use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use sluicegate_vocabulary::UsageSource;

fn reported() -> Usage {
    Usage { source: UsageSource::Reported, ..Usage::default() }
}

/// Cost in 10^-8 dollars at these prices in cents per million tokens.
fn cost(usage: &Usage, input: u64, read: u64, write: u64, output: u64) -> u64 {
    usage.input * input + usage.cache_read * read + usage.cache_write * write + usage.total_output() * output
}

#[test]
fn openai_caches_are_inside_the_prompt() {
    let usage = read_chat(
        r#"{"prompt_tokens":172000,"completion_tokens":0,"total_tokens":172000,
            "prompt_tokens_details":{"cached_tokens":155000,"cache_write_tokens":3000}}"#,
    )
    .unwrap();
    assert_eq!(usage, Usage { input: 14000, cache_read: 155_000, cache_write: 3000, ..reported() });
    assert_eq!(cost(&usage, 500, 50, 625, 0), 16_625_000, "0.16625 dollars");
}

#[test]
fn anthropic_caches_are_beside_the_input() {
    let usage = read_messages(
        r#"{"input_tokens":100,"cache_creation_input_tokens":2000,"cache_read_input_tokens":30000,
            "cache_creation":{"ephemeral_5m_input_tokens":2000,"ephemeral_1h_input_tokens":0},"output_tokens":500}"#,
    )
    .unwrap();
    assert_eq!(usage, Usage { input: 100, cache_read: 30000, cache_write: 2000, output: 500, ..reported() });
    assert_eq!(cost(&usage, 300, 30, 375, 1500), 2_430_000, "0.0243 dollars");
    assert_eq!(serde_json::to_value(write_chat(&usage)).unwrap()["prompt_tokens"], 32100);
}

#[test]
fn gemini_thoughts_are_beside_the_candidates() {
    let usage = read_generate(
        r#"{"promptTokenCount":1000,"cachedContentTokenCount":800,"candidatesTokenCount":50,"thoughtsTokenCount":350,"totalTokenCount":1400}"#,
    )
    .unwrap();
    assert_eq!(usage, Usage { input: 200, cache_read: 800, output: 50, reasoning: 350, ..reported() });
    assert_eq!(cost(&usage, 30, 3, 0, 250), 108_400, "0.001084 dollars");
}

#[test]
fn gemini_tool_use_is_input_that_the_prompt_does_not_count() {
    let usage =
        read_generate(r#"{"promptTokenCount":10,"toolUsePromptTokenCount":90,"candidatesTokenCount":5}"#).unwrap();
    assert_eq!(usage, Usage { input: 100, output: 5, ..reported() });
}

#[test]
fn gemini_counts_audio_by_modality() {
    let usage = read_generate(
        r#"{"promptTokenCount":30,"candidatesTokenCount":9,
            "promptTokensDetails":[{"modality":"TEXT","tokenCount":10},{"modality":"AUDIO","tokenCount":20},7],
            "candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":4}]}"#,
    )
    .unwrap();
    assert_eq!(usage, Usage { input: 10, input_audio: 20, output: 5, output_audio: 4, ..reported() });
}

#[test]
fn thinking_that_only_the_total_counts_is_billed() {
    let gemini = read_chat(r#"{"prompt_tokens":7,"completion_tokens":12,"total_tokens":402}"#).unwrap();
    assert_eq!(gemini, Usage { input: 7, output: 12, reasoning: 383, ..reported() });
    let xai = r#"{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"completion_tokens_details":{"reasoning_tokens":94}}"#;
    assert_eq!(read_chat(xai).unwrap(), Usage { input: 32, output: 9, reasoning: 94, ..reported() });
}

#[test]
fn openai_reasoning_is_inside_the_completion() {
    let text = r#"{"prompt_tokens":10,"completion_tokens":100,"total_tokens":110,"completion_tokens_details":{"reasoning_tokens":64,"audio_tokens":6}}"#;
    assert_eq!(read_chat(text).unwrap(), Usage { input: 10, output: 30, reasoning: 64, output_audio: 6, ..reported() });
}

#[test]
fn a_deepseek_cache_miss_is_fresh_input_and_no_cache_write() {
    let text = r#"{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}"#;
    assert_eq!(read_chat(text).unwrap(), Usage { input: 36, cache_read: 64, output: 20, ..reported() });
}

#[test]
fn responses_split_cache_writes_by_lifetime() {
    let text = r#"{"input_tokens":100,"input_tokens_details":{"cached_tokens":10,"cache_write_tokens":50,
        "cache_write_tokens_details":{"ttl_30m_tokens":20,"ttl_12h_tokens":30}},"output_tokens":7,
        "output_tokens_details":{"reasoning_tokens":5},"total_tokens":107}"#;
    let usage = Usage { input: 40, cache_read: 10, cache_write: 20, cache_write_long: 30, ..reported() };
    assert_eq!(read_responses(text).unwrap(), Usage { output: 2, reasoning: 5, ..usage });
}

#[test]
fn anthropic_writes_without_a_split_are_short_ones() {
    let text = r#"{"input_tokens":1,"cache_creation_input_tokens":9,"cache_creation":null,"output_tokens":2}"#;
    assert_eq!(read_messages(text).unwrap(), Usage { input: 1, cache_write: 9, output: 2, ..reported() });
    let split =
        r#"{"input_tokens":1,"cache_creation_input_tokens":9,"cache_creation":{"ephemeral_1h_input_tokens":4}}"#;
    assert_eq!(read_messages(split).unwrap(), Usage { input: 1, cache_write: 5, cache_write_long: 4, ..reported() });
}

#[test]
fn more_cached_than_prompted_clamps_and_never_goes_below_zero() {
    let text = r#"{"prompt_tokens":5,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":50}}"#;
    assert_eq!(read_chat(text).unwrap().input, 0);
    let text = r#"{"prompt_tokens":5,"completion_tokens":1,"completion_tokens_details":{"reasoning_tokens":50}}"#;
    assert_eq!(read_chat(text).unwrap().total_output(), 1);
}

#[test]
fn counts_of_the_wrong_type_read_as_not_said() {
    let text = r#"{"prompt_tokens":"7","completion_tokens":3.0,"total_tokens":-1,"prompt_tokens_details":[1],"completion_tokens_details":"x","queue_time":0.1}"#;
    assert_eq!(read_chat(text).unwrap(), Usage { output: 3, ..reported() });
    assert_eq!(read_chat(r#"{"prompt_tokens":{"a":[1]},"completion_tokens":true}"#), None);
    assert_eq!(read_chat("{}"), None);
    assert_eq!(read_chat("nonsense"), None);
}

#[test]
fn messages_deltas_overwrite_and_nulls_keep() {
    let mut tally = Tally::for_format(Format::Messages);
    tally.observe(
        br#"{"type":"message_start","message":{"usage":{"input_tokens":25,"cache_read_input_tokens":4,"output_tokens":1}}}"#,
    );
    tally.observe(br#"{"type":"message_delta","delta":{},"usage":{"output_tokens":15,"input_tokens":null}}"#);
    tally.observe(br#"{"type":"message_delta","delta":{},"usage":{"output_tokens":18}}"#);
    tally.observe(br#"{"type":"message_delta","usage":null}"#);
    assert_eq!(tally.usage(), Some(Usage { input: 25, cache_read: 4, output: 18, ..reported() }));
}

#[test]
fn cumulative_usage_is_never_summed() {
    let mut tally = Tally::for_format(Format::Generate);
    for count in [3, 5, 9] {
        let text = format!(r#"{{"usageMetadata":{{"promptTokenCount":4,"candidatesTokenCount":{count}}}}}"#);
        tally.observe(text.as_bytes());
        tally.observe(br#"{"candidates":[]}"#);
    }
    assert_eq!(tally.usage(), Some(Usage { input: 4, output: 9, ..reported() }));
}

#[test]
fn usage_is_found_where_each_endpoint_carries_it() {
    let cases: [(Endpoint, &str, u64, u64); 10] = [
        (Endpoint::ChatCompletions, r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#, 3, 4),
        (Endpoint::ChatCompletions, r#"{"x_groq":{"usage":{"prompt_tokens":3,"completion_tokens":4}}}"#, 3, 4),
        (Endpoint::Embeddings, r#"{"data":[],"usage":{"prompt_tokens":8,"total_tokens":8}}"#, 8, 0),
        (Endpoint::Responses, "\n\n {\"usage\":{\"input_tokens\":3,\"output_tokens\":4}}", 3, 4),
        (Endpoint::Images, r#"{"usage":{"input_tokens":50,"output_tokens":4000,"total_tokens":4050}}"#, 50, 4000),
        (Endpoint::Messages, r#"{"content":[],"usage":{"input_tokens":3,"output_tokens":4}}"#, 3, 4),
        (Endpoint::Generate, r#"{"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":4}}"#, 3, 4),
        (
            Endpoint::GenerateStream,
            r#"[{"usageMetadata":{"promptTokenCount":3}},{"usageMetadata":{"candidatesTokenCount":4}}]"#,
            3,
            4,
        ),
        (Endpoint::Passthrough, r#"{"usage":{"prompt_tokens":3,"completion_tokens":4}}"#, 3, 4),
        (Endpoint::Passthrough, r#"{"usage":{"input_tokens":3,"cache_read_input_tokens":5,"output_tokens":4}}"#, 8, 4),
    ];
    for (endpoint, body, input, output) in cases {
        let usage = from_body(endpoint, body.as_bytes()).unwrap_or_else(|| panic!("{endpoint:?}: {body}"));
        assert_eq!((usage.total_input(), usage.total_output()), (input, output), "{endpoint:?}: {body}");
    }
    assert_eq!(from_body(Endpoint::CountTokens, br#"{"input_tokens":3}"#), None);
    assert_eq!(from_body(Endpoint::ChatCompletions, b"<html>"), None);
    assert_eq!(from_body(Endpoint::ChatCompletions, br#"{"usage":null}"#), None);
}

#[test]
fn written_usage_has_the_fields_clients_read() {
    let usage = Usage { input: 10, cache_read: 5, cache_write: 2, output: 7, reasoning: 3, ..reported() };
    let json = |value: &dyn erased::Json| value.json();
    assert_eq!(
        json(&write_chat(&usage)),
        r#"{"prompt_tokens":17,"completion_tokens":10,"total_tokens":27,"prompt_tokens_details":{"cached_tokens":5,"cache_write_tokens":2},"completion_tokens_details":{"reasoning_tokens":3}}"#
    );
    assert_eq!(
        json(&write_responses(&usage)),
        r#"{"input_tokens":17,"output_tokens":10,"total_tokens":27,"input_tokens_details":{"cached_tokens":5,"cache_write_tokens":2},"output_tokens_details":{"reasoning_tokens":3}}"#
    );
    assert_eq!(
        json(&write_messages(&usage)),
        r#"{"input_tokens":10,"output_tokens":10,"cache_creation_input_tokens":2,"cache_read_input_tokens":5,"output_tokens_details":{"thinking_tokens":3}}"#
    );
    assert_eq!(
        json(&write_generate(&usage)),
        r#"{"promptTokenCount":17,"cachedContentTokenCount":5,"candidatesTokenCount":7,"thoughtsTokenCount":3,"totalTokenCount":27}"#
    );
}

mod erased {
    pub(super) trait Json {
        fn json(&self) -> String;
    }
    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> String {
            serde_json::to_string(self).unwrap()
        }
    }
}

prop_compose! {
    fn any_usage()(counts in prop::array::uniform8(0u64..1_000_000)) -> Usage {
        let [input, cache_read, cache_write, cache_write_long, input_audio, output, reasoning, output_audio] = counts;
        Usage { input, cache_read, cache_write, cache_write_long, input_audio, output, reasoning, output_audio, source: UsageSource::Reported, ..Usage::default() }
    }
}

#[test]
fn counts_beyond_all_measure_are_the_largest_and_do_no_harm() {
    let most = u64::MAX;
    let entry = format!(r#"{{"modality":"AUDIO","tokenCount":{most}}}"#);
    let text = format!(r#"{{"promptTokenCount":{most},"promptTokensDetails":[{entry},{entry}]}}"#);
    assert_eq!(read_generate(&text), Some(Usage { input_audio: most, ..reported() }));
}

#[test]
fn a_field_given_twice_says_nothing() {
    for text in [
        r#"{"prompt_tokens":7,"prompt_tokens":8}"#,
        r#"{"prompt_tokens":7,"prompt_tokens":null}"#,
        r#"{"prompt_tokens":7,"prompt\u005ftokens":8}"#,
        r#"{"prompt_tokens":7,"prompt_tokens_details":{"cached_tokens":1,"cached_tokens":2}}"#,
    ] {
        assert_eq!(read_chat(text), None, "{text}");
    }
    assert!(read_chat(r#"{"prompt_tokens":7,"x":1,"x":2}"#).is_some(), "what is not read is not judged");
    assert!(read_chat(r#"{"prompt\u005ftokens":7}"#).is_some(), "a name is what it says");
}

/// What a form reads of a document, by way of a parser that builds it.
enum Shape {
    Count,
    Object(&'static [(&'static str, Shape)]),
    Modalities,
}

use Shape::{Count, Modalities, Object};

const INPUT: Shape = Object(&[
    ("cached_tokens", Count),
    ("cache_write_tokens", Count),
    ("audio_tokens", Count),
    ("cache_write_tokens_details", Object(&[("ttl_30m_tokens", Count), ("ttl_12h_tokens", Count)])),
]);
const OUTPUT: Shape = Object(&[("reasoning_tokens", Count), ("audio_tokens", Count)]);
const SHAPES: [Shape; 4] = [
    Object(&[
        ("prompt_tokens", Count),
        ("completion_tokens", Count),
        ("total_tokens", Count),
        ("prompt_cache_hit_tokens", Count),
        ("prompt_cache_miss_tokens", Count),
        ("cached_tokens", Count),
        ("prompt_tokens_details", INPUT),
        ("completion_tokens_details", OUTPUT),
    ]),
    Object(&[
        ("input_tokens", Count),
        ("output_tokens", Count),
        ("total_tokens", Count),
        ("input_tokens_details", INPUT),
        ("output_tokens_details", OUTPUT),
    ]),
    Object(&[
        ("input_tokens", Count),
        ("output_tokens", Count),
        ("cache_creation_input_tokens", Count),
        ("cache_read_input_tokens", Count),
        ("cache_creation", Object(&[("ephemeral_5m_input_tokens", Count), ("ephemeral_1h_input_tokens", Count)])),
        ("output_tokens_details", Object(&[("thinking_tokens", Count)])),
    ]),
    Object(&[
        ("promptTokenCount", Count),
        ("cachedContentTokenCount", Count),
        ("candidatesTokenCount", Count),
        ("thoughtsTokenCount", Count),
        ("toolUsePromptTokenCount", Count),
        ("totalTokenCount", Count),
        ("promptTokensDetails", Modalities),
        ("cacheTokensDetails", Modalities),
        ("candidatesTokensDetails", Modalities),
    ]),
];

impl Shape {
    fn of(&self, value: &Value) -> Option<Value> {
        match self {
            Self::Count => match (value.as_u64(), value.as_f64()) {
                (Some(count), _) => Some(count.into()),
                (_, Some(float)) if float.fract() == 0.0 && (0.0..=2f64.powi(53)).contains(&float) => {
                    Some((float as u64).into())
                }
                _ => None,
            },
            Self::Object(fields) => {
                let object = value.as_object()?;
                let known =
                    fields.iter().filter_map(|(name, shape)| Some(((*name).into(), shape.of(object.get(*name)?)?)));
                Some(Value::Object(known.collect()))
            }
            Self::Modalities => {
                let entries = value.as_array()?.iter().filter_map(|entry| {
                    let modality = entry.get("modality")?.as_str()?;
                    let count = entry.get("tokenCount").and_then(|count| Self::Count.of(count));
                    Some(match count {
                        Some(count) => json!({"modality": modality, "tokenCount": count}),
                        None => json!({"modality": modality}),
                    })
                });
                let entries: Vec<Value> = entries.collect();
                (!entries.is_empty()).then(|| entries.into())
            }
        }
    }

    /// Documents of this shape, with what does not belong there among it.
    fn documents(&'static self) -> BoxedStrategy<Value> {
        let odd = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1000..1000i32).prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
            "[a-z\"\\\\\u{e9}\n]{0,9}".prop_map(Value::from),
            Just(json!([1, {"a": "}"}])),
            Just(json!({"cached_tokens": {}, "\"": [], "modality": 7})),
        ];
        let right = match self {
            Self::Count => prop_oneof![0..5000u64, any::<u64>()].prop_map(Value::from).boxed(),
            Self::Object(fields) => {
                let members: Vec<_> =
                    fields.iter().map(|(name, shape)| (Just(*name), prop::option::of(shape.documents()))).collect();
                (members, prop::option::of(odd.clone()))
                    .prop_map(|(members, odd)| {
                        let known = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
                        let odd = odd.map(|odd| ("service_tier".to_owned(), odd));
                        Value::Object(known.chain(odd).collect())
                    })
                    .boxed()
            }
            Self::Modalities => {
                let entry = ("TEXT|AUDIO", Self::documents(&Count))
                    .prop_map(|(modality, count)| json!({"modality": modality, "tokenCount": count}));
                prop::collection::vec(prop_oneof![3 => entry, 1 => odd.clone()], 0..3).prop_map(Value::from).boxed()
            }
        };
        prop_oneof![8 => right, 1 => odd].boxed()
    }
}

/// What a form says of a text, as it would be written.
fn said<T: Form + serde::Serialize>(text: &[u8]) -> Option<Value> {
    read::whole(text, T::take).ok().map(|form| serde_json::to_value(form).unwrap())
}

fn said_by(form: usize, text: &[u8]) -> Option<Value> {
    [said::<ChatUsage>, said::<ResponsesUsage>, said::<MessagesUsage>, said::<GenerateUsage>][form](text)
}

proptest! {
    #[test]
    fn a_form_reads_what_a_parser_reads(
        (form, document) in (0..4usize).prop_flat_map(|form| (Just(form), SHAPES[form].documents())),
        pretty in any::<bool>(),
    ) {
        let text = if pretty { serde_json::to_vec_pretty(&document) } else { serde_json::to_vec(&document) }.unwrap();
        let expected = document.is_object().then(|| SHAPES[form].of(&document).unwrap());
        prop_assert_eq!(said_by(form, &text), expected);
    }

    #[test]
    fn a_look_reads_the_usage_where_it_stands_and_what_comes_after_it(
        (form, document) in (0..4usize).prop_flat_map(|form| (Just(form), SHAPES[form].documents())),
        first in any::<bool>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let endpoint = [Endpoint::ChatCompletions, Endpoint::Responses, Endpoint::Messages, Endpoint::Generate][form];
        let name = if form == 3 { "usageMetadata" } else { "usage" };
        let read = [read_chat, read_responses, read_messages, read_generate][form];
        let (others, usage) = (r#""object":"o","error":{"usage":{}}"#, document.to_string());
        let text = if first {
            format!(r#"{{"{name}":{usage},{others}}}"#)
        } else {
            format!(r#"{{{others},"{name}":{usage}}}"#)
        };
        let object = |usage| Some(Look { error: Some(br#"{"usage":{}}"#), object: Some(br#""o""#), usage });
        prop_assert_eq!(look(text.as_bytes(), Some(endpoint)), object(read(&usage)));
        prop_assert_eq!(look(text.as_bytes(), None), object(None));
        prop_assert_eq!(from_body(endpoint, text.as_bytes()), read(&usage));
        prop_assert_eq!(look(&text.as_bytes()[..cut.index(text.len())], Some(endpoint)), None);
    }

    #[test]
    fn a_cut_or_spoilt_text_says_nothing_or_is_still_json(
        (form, document) in (0..4usize).prop_flat_map(|form| (Just(form), SHAPES[form].documents())),
        place in any::<prop::sample::Index>(),
        byte in prop::sample::select(&b"\"\\{}[],:0-x \n\xff"[..]),
    ) {
        let mut text = serde_json::to_vec(&document).unwrap();
        let place = place.index(text.len());
        prop_assert_eq!(said_by(form, &text[..place]), None);
        text[place] = byte;
        prop_assert!(said_by(form, &text).is_none() || serde_json::from_slice::<Value>(&text).is_ok());
    }

    #[test]
    fn openai_forms_carry_every_class_there_and_back(usage in any_usage()) {
        prop_assert_eq!(write_chat(&usage).usage(), Some(usage));
        prop_assert_eq!(read_chat(&serde_json::to_string(&write_chat(&usage)).unwrap()), Some(usage));
        prop_assert_eq!(read_responses(&serde_json::to_string(&write_responses(&usage)).unwrap()), Some(usage));
    }

    #[test]
    fn every_form_keeps_the_sums(usage in any_usage()) {
        for form in Format::ALL {
            let read = match form {
                Format::Chat => write_chat(&usage).usage(),
                Format::Responses => write_responses(&usage).usage(),
                Format::Messages => write_messages(&usage).usage(),
                Format::Generate => write_generate(&usage).usage(),
            }
            .unwrap();
            prop_assert_eq!(read.total_input(), usage.total_input());
            prop_assert_eq!(read.total_output(), usage.total_output());
            prop_assert_eq!(read.cache_read, usage.cache_read);
        }
    }

    #[test]
    fn no_text_panics(text in ".{0,80}") {
        for endpoint in Endpoint::ALL {
            let _ = from_body(endpoint, text.as_bytes());
        }
    }
}

#[test]
fn the_tier_and_what_was_done_beside_answering_are_read_where_each_provider_tells_them() {
    use sluicegate_vocabulary::Tier;
    let chat = br#"{"id":"c","service_tier":"flex","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":1}}"#;
    assert_eq!(from_body(Endpoint::ChatCompletions, chat).unwrap().tier, Tier::Flex);
    let mut tally = Tally::for_format(Format::Chat);
    tally.observe(chat);
    assert_eq!(tally.usage().unwrap().tier, Tier::Flex);
    let messages = br#"{"usage":{"input_tokens":5,"output_tokens":1,"service_tier":"batch",
        "server_tool_use":{"web_search_requests":3}}}"#;
    let used = from_body(Endpoint::Messages, messages).unwrap();
    assert_eq!((used.tier, used.web_searches), (Tier::Batch, 3));
    let gemini =
        br#"{"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":1300,"trafficType":"ON_DEMAND_PRIORITY",
        "candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":1290}]}}"#;
    let used = from_body(Endpoint::Generate, gemini).unwrap();
    assert_eq!((used.tier, used.output, used.output_image), (Tier::Priority, 10, 1290));
    let output = r#""output":[{"type":"web_search_call"},{"type":"message","content":[{"type":"web_search_call"}]},
        {"type":"file_search_call"},{"type":"code_interpreter_call","container_id":"a"},
        {"type":"code_interpreter_call","container_id":"a"},{"type":"web_search_call"}],"service_tier":"priority",
        "usage":{"input_tokens":5,"output_tokens":1}"#;
    let mut tally = Tally::for_format(Format::Responses);
    tally.observe(format!(r#"{{"type":"response.completed","response":{{{output}}}}}"#).as_bytes());
    for used in [from_body(Endpoint::Responses, format!("{{{output}}}").as_bytes()), tally.usage()] {
        let used = used.unwrap();
        assert_eq!((used.web_searches, used.file_searches, used.code_sessions), (2, 1, 1));
        assert_eq!(used.tier, Tier::Priority);
    }
    let grounding = r#""groundingMetadata":{"webSearchQueries":["a","b","a",""],"groundingChunks":[]}"#;
    let grounded = format!(
        r#"{{"candidates":[{{"content":{{"parts":[{{"text":"x"}}]}},{grounding}}},{{{grounding}}}],
        "usageMetadata":{{"promptTokenCount":5,"candidatesTokenCount":1}}}}"#
    );
    let mut tally = Tally::for_format(Format::Generate);
    tally.observe(grounded.as_bytes());
    let array = format!("[{grounded}]");
    for used in [
        from_body(Endpoint::Generate, grounded.as_bytes()),
        from_body(Endpoint::GenerateStream, array.as_bytes()),
        from_body(Endpoint::Passthrough, grounded.as_bytes()),
        tally.usage(),
    ] {
        assert_eq!(used.unwrap().web_searches, 2);
    }
    // What cannot be read says nothing, and spoils nothing.
    for odd in ["7", "null", "[]", r#"{"webSearchQueries":{"a":1}}"#, r#"{"webSearchQueries":[7,null]}"#] {
        let odd = format!(
            r#"{{"candidates":[{{"groundingMetadata":{odd}}}],"usageMetadata":{{"promptTokenCount":5}},"webSearchQueries":["a"]}}"#
        );
        let used = from_body(Endpoint::Generate, odd.as_bytes()).unwrap();
        assert_eq!((used.input, used.web_searches), (5, 0), "{odd}");
    }
    let by_tokens =
        br#"{"data":[{"b64_json":"aa"}],"usage":{"input_tokens":350,"output_tokens":4160,"total_tokens":4510,
        "input_tokens_details":{"text_tokens":50,"image_tokens":300}}}"#;
    let used = from_body(Endpoint::Images, by_tokens).unwrap();
    assert_eq!((used.input, used.input_image, used.output, used.output_image, used.images), (50, 300, 0, 4160, 0));
    let by_piece = br#"{"created":1,"data":[{"url":"https://a/b,c"},{"url":"x"}]}"#;
    assert_eq!(from_body(Endpoint::Images, by_piece).unwrap().images, 2);
    // A tier that nobody knows says nothing.
    let odd = br#"{"service_tier":7,"usage":{"prompt_tokens":5,"completion_tokens":1}}"#;
    assert_eq!(from_body(Endpoint::ChatCompletions, odd).unwrap().tier, Tier::Standard);
}
