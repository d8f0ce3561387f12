use super::*;

fn endpoint(path: &str) -> Option<Endpoint> {
    match look_up(path).0 {
        Surface::Endpoint(endpoint, _) => Some(endpoint),
        _ => None,
    }
}

#[test]
fn every_endpoint_is_found_with_and_without_its_version() {
    for found in Endpoint::ALL.into_iter().filter(|e| e.dialect() != Dialect::Gemini && *e != Endpoint::Passthrough) {
        for path in [found.path().to_owned(), format!("/v1{}", found.path()), format!("/v1/v1{}/", found.path())] {
            assert_eq!(endpoint(&path), Some(found), "{path}");
        }
    }
}

#[test]
fn gemini_paths_carry_the_model() {
    for prefix in ["/v1beta", "/v1", "", "//v1beta"] {
        let path = format!("{prefix}/models/tuned%2Fgemini:x:streamGenerateContent");
        let target = PathTarget::Model("tuned/gemini:x".to_owned());
        assert_eq!(look_up(&path).0, Surface::Endpoint(Endpoint::GenerateStream, target), "{path}");
    }
}

#[test]
fn a_model_id_may_hold_slashes_and_colons() {
    let target = PathTarget::Model("openrouter/meta/llama:free".to_owned());
    assert_eq!(look_up("/v1/models/openrouter/meta/llama:free").0, Surface::Endpoint(Endpoint::Models, target));
}

#[test]
fn passthrough_keeps_the_rest_as_it_is() {
    let target = PathTarget::Provider { name: "openai".to_owned(), rest: "v1//files/".to_owned() };
    assert_eq!(look_up("/p/openai/v1//files/").0, Surface::Endpoint(Endpoint::Passthrough, target));
}

#[test]
fn what_is_not_ours_is_unknown() {
    for path in ["/v2/chat/completions", "/v1/chat", "", "/v1/models/%ff", "/v1/models/a%00b"] {
        assert_eq!(look_up(path).0, Surface::Unknown, "{path}");
    }
}
