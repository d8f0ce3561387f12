use super::*;

fn routed(method: &str, path: &'static str, headers: &[(&'static str, &'static str)]) -> Routed<'static> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    route(&method.parse().unwrap(), path, query, &map)
}

#[test]
fn every_prefix_leads_to_the_same_endpoint() {
    for path in [
        "/v1/chat/completions",
        "/chat/completions",
        "/openai/v1/chat/completions",
        "/v1beta/openai/chat/completions",
        "/api/v1/chat/completions/",
        "//v1/chat/completions",
    ] {
        assert_eq!(routed("POST", path, &[]).route, Route::Chat, "{path}");
    }
    let azure = routed("POST", "/openai/deployments/my%2Fgpt/embeddings?api-version=1", &[]);
    assert_eq!((azure.route, azure.deployment.as_deref()), (Route::Embeddings, Some("my/gpt")));
    assert_eq!(routed("POST", "/anthropic/v1/messages", &[]).dialect, Dialect::Anthropic);
}

#[test]
fn gemini_paths_name_model_and_verb() {
    let got = routed("POST", "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", &[]);
    assert_eq!(got.route, Route::Gemini("gemini-2.5-flash".into(), Verb::Stream));
    assert_eq!(routed("POST", "/v1/models/m:dance", &[]).route, Route::Unknown);
}

#[test]
fn models_are_listed_in_the_manners_of_who_asks() {
    assert_eq!(routed("GET", "/v1/models", &[]).dialect, Dialect::OpenAi);
    assert_eq!(routed("GET", "/v1/models", &[("anthropic-version", "2023-06-01")]).dialect, Dialect::Anthropic);
    assert_eq!(routed("GET", "/v1/models", &[("x-goog-api-key", "k")]).dialect, Dialect::Gemini);
    assert_eq!(routed("GET", "/v1beta/models/a%2Fb", &[]).dialect, Dialect::Gemini);
    assert_eq!(routed("GET", "/v1/models/a%2Fb", &[]).route, Route::Model("a/b".into()));
}

#[test]
fn a_known_path_with_another_method_is_told_from_an_unknown_path() {
    assert_eq!(routed("GET", "/v1/chat/completions", &[]).route, Route::WrongMethod);
    assert_eq!(routed("POST", "/v1/nothing", &[]).route, Route::Unknown);
}

#[test]
fn percent_signs_that_mean_nothing_stay() {
    assert_eq!(decoded("a%zz%2"), "a%zz%2");
    assert_eq!(decoded("a%3Ab"), "a:b");
}
