use super::super::{ChatUsage, MessagesUsage, ResponsesUsage};
use super::*;
use proptest::prelude::*;

/// Usage objects of every quality: names that are known and not, plain, doubled and escaped, with values of any type.
fn objects() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "cache_creation",
        "prompt_tokens_details",
        "input_tokens_details",
        "completion_tokens_details",
        "service_tier",
        "prompt_token\\u0073",
        "",
    ]);
    let value = prop::sample::select(vec![
        "0",
        "7",
        "12345678901234567890",
        "99999999999999999999",
        "-1",
        "-0",
        "1.0",
        "1e2",
        "01",
        "null",
        "true",
        "\"5\"",
        "\"\\ud800\"",
        "[]",
        "[1]",
        "{",
        "nul",
        "",
    ]);
    let value =
        prop_oneof![8 => (0u64..100_000).prop_map(|count| count.to_string()), 2 => value.prop_map(str::to_owned)];
    let object = move |value: BoxedStrategy<String>| {
        prop::collection::vec((name.clone(), value), 0..5).prop_map(|members| {
            let members = members.into_iter().map(|(name, value)| format!("\"{name}\": {value}"));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        })
    };
    let inner = object(value.clone().boxed());
    object(prop_oneof![3 => value, 1 => inner].boxed())
}

fn agrees<T: Form + PartialEq + std::fmt::Debug>(text: &str) {
    if let Ok(plain) = read::<T>(text.as_bytes()) {
        assert_eq!(Some(plain), serde_json::from_str(text).ok(), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_read_plainly_is_read_the_same_in_general(text in objects()) {
        agrees::<ChatUsage>(&text);
        agrees::<ResponsesUsage>(&text);
        agrees::<MessagesUsage>(&text);
    }
}

#[test]
fn what_providers_send_is_of_the_plain_kind() {
    let openai = r#"{"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0}, "completion_tokens_details": null,
        "queue_time": 0.018}"#;
    assert!(read::<ChatUsage>(openai.as_bytes()).is_ok_and(|form| form.usage().is_some_and(|used| used.total() == 29)));
    let anthropic = r#"{"input_tokens": 5, "cache_creation": {"ephemeral_5m_input_tokens": 1}, "output_tokens": 2,
        "service_tier": "standard", "server_tool_use": {"web_search_requests": 0}}"#;
    assert!(read::<MessagesUsage>(anthropic.as_bytes()).is_ok());
}

#[test]
fn what_is_not_plain_is_left_to_the_general_reading() {
    let unusual = [
        r#"{"total_tokens": 1, "total_tokens": 2}"#,
        r#"{"total_tokens": null, "total_tokens": 2}"#,
        r#"{"total_token\u0073": 1}"#,
        r#"{"total_tokens": "1"}"#,
        r#"{"total_tokens": 1.0}"#,
        r#"{"total_tokens": 18446744073709551616}"#,
        r#"{"total_tokens": 1"#,
        r#"{"total_tokens": 1} 2"#,
        "[]",
        "null",
    ];
    for text in unusual {
        assert!(read::<ChatUsage>(text.as_bytes()).is_err(), "{text}");
    }
}
