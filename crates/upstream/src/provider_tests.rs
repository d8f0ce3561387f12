use super::*;

fn provider(kind: ProviderKind, base_url: &str) -> Provider {
    Provider::new(ProviderSpec {
        name: "p".into(),
        kind,
        base_url: base_url.to_owned(),
        keys: vec![("a".into(), SecretString::from("  secret-a \n")), ("b".into(), SecretString::from("secret-b"))],
        speaks: Speaks::of(&Endpoint::ALL),
        api_version: None,
        headers: Vec::new(),
        timeouts: Timeouts::default(),
        max_retries: 0,
        stream_usage: true,
        settings: Settings::default(),
        proxy: None,
        ca_file: None,
    })
    .unwrap()
}

#[test]
fn keys_are_trimmed_and_never_printed() {
    let provider = provider(ProviderKind::OpenAi, "https://x/v1");
    let value = &provider.credentials()[0].header.1;
    assert_eq!(value.as_bytes(), b"Bearer secret-a");
    assert!(!format!("{provider:?}").contains("secret"));
}

#[test]
fn credentials_take_turns() {
    let provider = provider(ProviderKind::Anthropic, "https://x");
    let names: Vec<_> = (0..4).map(|_| provider.credentials()[provider.turn()].name.to_string()).collect();
    assert_eq!(names, ["a", "b", "a", "b"]);
}

#[test]
fn a_list_of_models_is_asked_for_in_one_page_with_the_key_that_is_meant() {
    let anthropic = provider(ProviderKind::Anthropic, "https://x");
    let request = anthropic.models_request(anthropic.credentials().get(1).map(|second| &**second)).unwrap();
    assert_eq!(request.uri(), "/v1/models?limit=1000");
    assert_eq!(request.headers()["host"], "x");
    assert_eq!(request.headers()["anthropic-version"], "2023-06-01");
    assert_eq!(request.headers()["x-api-key"], anthropic.credentials()[1].header.1);
    let openai = provider(ProviderKind::OpenAi, "https://x/v1");
    let request = openai.models_request(None).unwrap();
    assert_eq!(request.uri(), "/v1/models");
    assert!(!request.headers().contains_key("authorization"), "nobody's key");
}

#[test]
fn passthrough_says_a_version_once() {
    let provider = provider(ProviderKind::OpenAi, "https://x/v1");
    assert_eq!(provider.passthrough_path("files", None).unwrap(), "/v1/files");
    assert_eq!(provider.passthrough_path("v1/files", Some("a=b")).unwrap(), "/v1/files?a=b");
    assert_eq!(provider.passthrough_path("v1beta/x", None).unwrap(), "/v1/v1beta/x");
}

#[test]
fn passthrough_never_leaves_the_base() {
    let provider = provider(ProviderKind::OpenAi, "https://x/tenant/v1");
    for rest in [
        "..",
        ".",
        "../admin",
        "files/../../admin",
        "v1/../admin",
        "v1/./files",
        "%2e%2e/admin",
        "%2E./admin",
        ".%2e/admin",
        "files/%2e",
        "files/..%2f..%2Fadmin",
        "files%2F%2e%2E",
        "files\\..\\admin",
        "files%5c..%5Cadmin",
    ] {
        assert_eq!(provider.passthrough_path(rest, None), None, "{rest}");
    }
    for rest in ["...", ".well-known", "a..b", "files/x.json", "models/org%2Fname", "files/%2e%2e%2e"] {
        assert_eq!(provider.passthrough_path(rest, None).unwrap(), format!("/tenant/v1/{rest}"));
    }
    assert!(provider.passthrough_path("files", Some("after=..")).is_some());
}
