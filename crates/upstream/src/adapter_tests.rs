use super::*;

#[test]
fn a_missing_version_is_added_once() {
    let path = |kind, endpoint, base| path(kind, endpoint, "m", base, None).unwrap();
    assert_eq!(path(ProviderKind::Anthropic, Endpoint::Messages, ""), "/v1/messages");
    assert_eq!(path(ProviderKind::Anthropic, Endpoint::Messages, "/v1"), "/messages");
    assert_eq!(path(ProviderKind::Gemini, Endpoint::Generate, ""), "/v1beta/models/m:generateContent");
    assert_eq!(path(ProviderKind::Gemini, Endpoint::Generate, "/v1"), "/models/m:generateContent");
}

#[test]
fn azure_puts_the_deployment_in_the_path_when_a_version_is_set() {
    let path = |endpoint, version| path(ProviderKind::Azure, endpoint, "my dep", "", version).unwrap();
    assert_eq!(
        path(Endpoint::ChatCompletions, Some("2024-10-21")),
        "/openai/deployments/my%20dep/chat/completions?api-version=2024-10-21"
    );
    assert_eq!(path(Endpoint::ChatCompletions, None), "/openai/v1/chat/completions");
}

#[test]
fn translation_prefers_chat_completions() {
    let preferred = |endpoints: &[Endpoint]| Speaks::of(endpoints).preferred_format();
    assert_eq!(preferred(&[Endpoint::Responses, Endpoint::ChatCompletions]), Some(Format::Chat));
    assert_eq!(preferred(&[Endpoint::Messages, Endpoint::CountTokens]), Some(Format::Messages));
    assert_eq!(preferred(&[Endpoint::GeminiEmbed, Endpoint::Generate]), Some(Format::Generate));
    assert_eq!(preferred(&[Endpoint::Embeddings]), None);
}
