use super::*;

fn claude(model: &str) -> Quirks {
    Table::bundled().for_model("anthropic", model)
}

#[test]
fn the_bundled_table_can_be_read() {
    let table = Table::parse(BUNDLED).expect("the bundled table");
    assert!(table.entries.len() > 20);
}

#[test]
fn every_effort_in_the_bundled_table_is_a_known_word() {
    for entry in Table::bundled().entries {
        for effort in entry.efforts.unwrap_or_default() {
            assert!(["minimal", "low", "medium", "high", "xhigh", "max"].contains(&effort.as_str()), "{effort}");
        }
    }
}

#[test]
fn patterns_fit_whole_names_in_any_case() {
    for (pattern, text, fits) in [
        ("*", "", true),
        ("*", "anything/at:all", true),
        ("gpt-4.1*", "gpt-4.1-mini", true),
        ("gpt-4.1*", "gpt-4-1106-preview", false),
        ("*claude-opus-4?7*", "us.anthropic.Claude-Opus-4-7-v1:0", true),
        ("*claude-opus-4?7*", "anthropic/claude-opus-4.7", true),
        ("*claude-opus-4?7*", "claude-opus-4-6", false),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-b-b-c-d", false),
        ("", "x", false),
        ("o3*", "proto3", false),
    ] {
        assert_eq!(matches(pattern, text), fits, "{pattern} on {text}");
    }
}

#[test]
fn claude_by_generation() {
    assert_eq!(claude("claude-3-5-haiku-20241022").thinking, Thinking::None);
    let sonnet = claude("claude-sonnet-4-5-20250929");
    assert_eq!(
        (sonnet.thinking, sonnet.sampling_params, sonnet.json_schema, sonnet.prefill),
        (Thinking::Budget, true, true, true)
    );
    assert!(!claude("claude-opus-4-20250514").json_schema);
    assert_eq!(claude("claude-opus-4-20250514").max_output, Some(32_000));
    let opus = claude("claude-opus-4-7");
    assert_eq!((opus.thinking, opus.sampling_params, opus.prefill), (Thinking::Adaptive, false, false));
    assert!(!opus.mid_system && claude("claude-opus-4-8").mid_system && claude("claude-fable-5-1").mid_system);
    assert!(!claude("claude-sonnet-5").mid_system);
    assert_eq!(claude("claude-sonnet-5-5").thinking, Thinking::BetweenTools);
    assert!(!claude("claude-opus-5-5").forced_tool_choice && claude("claude-opus-5").forced_tool_choice);
    assert!(!claude("claude-opus-5-5").disable_thinking && claude("claude-haiku-5-5").disable_thinking);
}

#[test]
fn openai_by_generation() {
    let openai = |model: &str| Table::bundled().for_model("openai", model);
    assert_eq!(openai("gpt-4.1").thinking, Thinking::None);
    assert_eq!(openai("gpt-4.1").max_tokens_param, MaxTokensParam::MaxCompletionTokens);
    assert!(openai("gpt-5.4").chat_tools_with_reasoning && !openai("gpt-5.6-sol").chat_tools_with_reasoning);
    assert!(!openai("gpt-6-astra").chat_tools_with_reasoning && !openai("gpt-6-astra").sampling_params);
    assert!(!openai("gpt-5").disable_thinking && openai("gpt-5.1").disable_thinking);
    for model in ["gpt-4o-search-preview", "gpt-4o-mini-search-preview-2025-03-11", "gpt-5-search-api"] {
        assert!(openai(model).searches, "{model}");
    }
    assert!(!openai("gpt-4o").searches && !openai("gpt-5").searches);
    let copy = Table::bundled().for_model("openai_compatible", "llama-3.3-70b");
    assert_eq!(copy, Quirks::default());
}

#[test]
fn an_operators_entry_wins_over_the_bundled_ones() {
    let table = Table::bundled_and(r#"[{"models": ["claude-opus-4-7"], "sampling_params": true}]"#).unwrap();
    assert!(table.for_model("anthropic", "claude-opus-4-7").sampling_params);
    assert!(!table.for_model("anthropic", "claude-opus-4-8").sampling_params);
}

#[test]
fn an_error_points_at_its_entry() {
    let text = r#"[{"models": ["a"]}, {"models": ["b", "c"], "thinkng": "budget"}]"#;
    let error = Table::parse(text).unwrap_err();
    assert_eq!(error.entry, Some((2, "b, c".to_owned())));
    assert!(error.to_string().contains("entry 2 (b, c)") && error.to_string().contains("thinkng"), "{error}");
    assert_eq!(Table::parse("{").unwrap_err().entry, None);
    assert_eq!(Table::parse(r#"[{"prefill": true}]"#).unwrap_err().entry, Some((1, "no `models`".to_owned())));
    assert!(Table::parse(r#"[{"models": []}]"#).is_err());
    assert!(Table::parse(r#"[{"models": ["x"], "temperature_max": 9}]"#).is_err());
}
