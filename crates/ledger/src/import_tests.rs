use super::*;
use crate::Tier;
use proptest::prelude::*;
use sluicegate_vocabulary::Usage;

const LITELLM: &str = r#"{
    "sample_spec": { "litellm_provider": "one of", "max_tokens": "LEGACY", "input_cost_per_token": 0.0 },
    "claude-x": { "litellm_provider": "anthropic", "mode": "chat", "max_input_tokens": 200000, "max_output_tokens": "64000",
        "input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05, "cache_read_input_token_cost": 3e-07,
        "cache_creation_input_token_cost": 3.75e-06, "cache_creation_input_token_cost_above_1hr": 6e-06,
        "supports_vision": true, "search_context_cost_per_query": { "search_context_size_low": 0.01 } },
    "openai/gpt-x": { "litellm_provider": "openai", "mode": "chat",
        "input_cost_per_token": 2.4999999999999998e-06, "output_cost_per_token": 0.000015,
        "cache_read_input_token_cost": 2.5e-07, "output_cost_per_reasoning_token": null,
        "input_cost_per_token_above_272k_tokens": 5e-06, "output_cost_per_token_above_272k_tokens": 2.25e-05,
        "input_cost_per_token_batches": 1.25e-06, "output_cost_per_token_batches": 7.5e-06,
        "input_cost_per_token_priority": 5e-06, "output_cost_per_token_priority": 3e-05 },
    "embed": { "litellm_provider": "mistral", "mode": "embedding", "input_cost_per_token": 1e-07 },
    "whisper": { "litellm_provider": "openai", "mode": "audio_transcription", "input_cost_per_second": 0.0001 },
    "two": { "litellm_provider": "openai", "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6,
        "input_cost_per_token_above_128k_tokens": 2e-6, "input_cost_per_token_above_256k_tokens": 3e-6 },
    "nobody": { "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6 },
    "half": { "litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-6 },
    "wrong": { "litellm_provider": "openai", "input_cost_per_token": -1e-6, "output_cost_per_token": 1e-6 }
}"#;

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

#[test]
fn a_litellm_list_is_read_to_the_pico_dollar() {
    let imported = from_litellm(LITELLM, "2026-11-21").unwrap();
    assert_eq!(imported.models, 3);
    let claude = imported.book.entry("anthropic", "claude-x").unwrap();
    assert_eq!(claude.price.rates.cache_write_long, Some(rate("6")));
    assert_eq!((claude.price.context_window, claude.price.max_output), (Some(200_000), Some(64_000)));
    assert_eq!(claude.price.fees.web_search, Some("0.01".parse().unwrap()));
    let gpt = imported.book.price("openai", "gpt-x").unwrap();
    assert_eq!(gpt.rates.input, rate("2.5"));
    assert_eq!(gpt.long_context.unwrap().above, 272_000);
    let usage = Usage { input: 300_000, cache_read: 1_000, output: 100, ..Usage::default() };
    let cost = |tier| gpt.charge(&Usage { tier, ..usage }).unwrap().total.to_string();
    // 300,000 x 5 + 1,000 x 0.5 + 100 x 22.5, half of it in a batch, twice as much before others.
    assert_eq!([cost(Tier::Standard), cost(Tier::Batch), cost(Tier::Priority)], ["1.50275", "0.751375", "3.0055"]);
}

#[test]
fn a_litellm_list_says_what_searches_cost_and_whether_each_counts() {
    let fees = |vendor: &str, more: &str| {
        let costs = r#""mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6"#;
        let list = format!(r#"{{ "m": {{ "litellm_provider": "{vendor}", {costs}, {more} }} }}"#);
        let fees = from_litellm(&list, "2026-11-21").unwrap().book.price(vendor, "m").unwrap().fees;
        [fees.web_search, fees.search_request].map(|fee| fee.map(|fee| fee.to_string()))
    };
    let same = |cost: &str| {
        let sizes = ["low", "medium", "high"].map(|size| format!(r#""search_context_size_{size}": {cost}"#)).join(", ");
        format!(r#""search_context_cost_per_query": {{ {sizes} }}"#)
    };
    let fee = |text: &str| Some(text.to_owned());
    assert_eq!(fees("anthropic", &same("0.01")), [fee("0.01"), None]);
    assert_eq!(fees("gemini", &same("0.035")), [None, fee("0.035")]);
    let by_query = format!(r#"{}, "web_search_billing_unit": "per_query""#, same("0.014"));
    assert_eq!(fees("gemini", &by_query), [fee("0.014"), None]);
    // Nobody tells which size was asked for.
    let by_size =
        r#""search_context_cost_per_query": { "search_context_size_low": 0.03, "search_context_size_high": 0.05 }"#;
    assert_eq!(fees("openai", by_size), [None, None]);
}

#[test]
fn what_a_list_cannot_say_exactly_is_left_out_and_reported() {
    let imported = from_litellm(LITELLM, "2026-11-21").unwrap();
    let why = |model: &str| &imported.left_out.iter().find(|finding| finding.model == model).unwrap().why;
    assert!(why("whisper").contains("input_cost_per_second"));
    assert!(why("two").contains("more than one threshold"));
    assert!(why("nobody").contains("litellm_provider"));
    assert!(why("half").contains("output_cost_per_token"));
    assert!(why("wrong").contains("not a price"));
    assert_eq!(imported.left_out.len(), 5);
}

#[test]
fn a_models_dev_list_is_read_to_the_pico_dollar() {
    let text = r#"{ "google": { "id": "google", "name": "Google", "models": {
        "gemini-x": { "id": "gemini-x", "cost": { "input": 1.25, "output": 10, "cache_read": 0.125, "input_audio": 1,
            "context_over_200k": { "input": 2.5, "output": 15, "cache_read": 0.25 } },
            "limit": { "context": 1048576, "output": 65536 } },
        "free": { "id": "free", "limit": { "context": 1, "output": 1 } } } } }"#;
    let imported = from_models_dev(text, "2026-11-21").unwrap();
    let price = imported.book.price("gemini", "gemini-x").unwrap();
    assert_eq!((price.rates.input, price.rates.input_audio), (rate("1.25"), Some(rate("1"))));
    assert_eq!(price.context_window, Some(1_048_576));
    let long = price.long_context.unwrap();
    assert_eq!((long.above, long.rates.cached_input), (200_000, Some(rate("0.25"))));
    assert_eq!(imported.left_out, [Finding { model: "gemini/free".to_owned(), why: "it has no cost".to_owned() }]);
}

#[test]
fn an_imported_list_survives_being_written_and_read() {
    let book = from_litellm(LITELLM, "2026-11-21").unwrap().book;
    let again = PriceBook::parse(&book.to_csv()).unwrap();
    for (vendor, model) in [("anthropic", "claude-x"), ("openai", "gpt-x"), ("mistral", "embed")] {
        assert_eq!(again.entry(vendor, model), book.entry(vendor, model), "{model}");
    }
}

#[test]
fn a_file_that_is_no_list_is_refused() {
    for text in ["", "[]", "{\"a\": 1}", "{"] {
        assert!(from_litellm(text, "2026-11-21").is_err(), "{text}");
        assert!(from_models_dev(text, "2026-11-21").is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn no_figure_in_a_list_is_too_odd(figure in "-?[0-9]{1,25}(\\.[0-9]{1,25})?(e-?[0-9]{1,9})?") {
        let text = format!(r#"{{"m":{{"litellm_provider":"v","input_cost_per_token":{figure},"output_cost_per_token":1e-6}}}}"#);
        let _ = from_litellm(&text, "2026-11-21");
    }
}
