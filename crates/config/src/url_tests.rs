use super::*;
use proptest::prelude::*;

fn normal(kind: ProviderKind, text: &str) -> String {
    BaseUrl::parse(text).unwrap().for_kind(kind).to_string()
}

#[test]
fn every_common_spelling_means_the_same_address() {
    use ProviderKind::{Anthropic, Azure, DeepSeek, Gemini, OpenAi, OpenAiCompatible};
    for (kind, text, expected) in [
        (OpenAi, "https://api.openai.com", "https://api.openai.com/v1"),
        (OpenAi, " https://API.openai.com/v1/ ", "https://api.openai.com/v1"),
        (DeepSeek, "https://api.deepseek.com", "https://api.deepseek.com/v1"),
        (Anthropic, "https://api.anthropic.com/v1/", "https://api.anthropic.com"),
        (Gemini, "https://generativelanguage.googleapis.com/v1beta", "https://generativelanguage.googleapis.com"),
        (Azure, "https://x.openai.azure.com/openai/v1/", "https://x.openai.azure.com"),
        (OpenAiCompatible, "http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        (OpenAiCompatible, "http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        (OpenAiCompatible, "https://h/a/b/", "https://h/a/b"),
    ] {
        assert_eq!(normal(kind, text), expected);
    }
}

#[test]
fn what_cannot_be_called_is_refused() {
    for text in [
        "",
        "api.openai.com",
        "ftp://h",
        "https://",
        "https:///v1",
        "https://u:p@h",
        "https://h?x",
        "https://h#x",
        "https://h:0",
        "https://h:65536",
        "https://h:+1",
        "https://h:",
        "https://h o",
        "https://h/a b",
        "https://h//a",
        "https://[::1",
        "https://[x]",
        "https://h\u{e9}",
    ] {
        assert!(BaseUrl::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn this_machine_is_recognised() {
    for text in ["http://localhost:1", "http://127.0.0.2", "http://[::1]", "http://a.localhost"] {
        assert!(BaseUrl::parse(text).unwrap().is_local(), "{text}");
    }
    assert!(!BaseUrl::parse("http://10.0.0.1").unwrap().is_local());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_and_what_is_read_is_stable(text in "(https?://)?.{0,40}") {
        if let Ok(url) = BaseUrl::parse(&text) {
            prop_assert_eq!(BaseUrl::parse(&url.to_string()), Ok(url));
        }
    }
}
