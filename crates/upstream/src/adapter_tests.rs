use super::*;

#[test]
fn each_kind_has_a_path_for_whatever_it_speaks() {
    for kind in [
        Kind::OpenAi,
        Kind::Anthropic,
        Kind::Gemini,
        Kind::DeepSeek,
        Kind::Azure,
        Kind::OpenAiCompatible,
        Kind::Simulated,
    ] {
        for endpoint in Endpoint::ALL.into_iter().filter(|endpoint| kind.speaks().contains(*endpoint)) {
            assert!(kind.path(endpoint, "m", "", None).is_some(), "{kind:?} {endpoint:?}");
        }
    }
}

#[test]
fn a_missing_version_is_added_once() {
    let path = |kind: Kind, endpoint, base| kind.path(endpoint, "m", base, None).unwrap();
    assert_eq!(path(Kind::Anthropic, Endpoint::Messages, ""), "/v1/messages");
    assert_eq!(path(Kind::Anthropic, Endpoint::Messages, "/v1"), "/messages");
    assert_eq!(path(Kind::Gemini, Endpoint::Generate, ""), "/v1beta/models/m:generateContent");
    assert_eq!(path(Kind::Gemini, Endpoint::Generate, "/v1"), "/models/m:generateContent");
}

#[test]
fn azure_puts_the_deployment_in_the_path_when_a_version_is_set() {
    let path = |endpoint, version| Kind::Azure.path(endpoint, "my dep", "", version).unwrap();
    assert_eq!(
        path(Endpoint::ChatCompletions, Some("2024-10-21")),
        "/openai/deployments/my%20dep/chat/completions?api-version=2024-10-21"
    );
    assert_eq!(path(Endpoint::ChatCompletions, None), "/openai/v1/chat/completions");
}

#[test]
fn translation_prefers_chat_completions() {
    assert_eq!(Kind::OpenAi.speaks().preferred_format(), Some(Format::Chat));
    assert_eq!(Kind::Anthropic.speaks().preferred_format(), Some(Format::Messages));
    assert_eq!(Kind::Gemini.speaks().preferred_format(), Some(Format::Generate));
    assert_eq!(Speaks::of(&[Endpoint::Embeddings]).preferred_format(), None);
}
