use super::*;
use sluicegate_vocabulary::{Endpoint, Priority};

fn config() -> Config {
    let text = "\
providers: { lab: { kind: simulated } }
models: { fast: { to: lab/sim } }
tenants: { acme: { limits: { rpm: 60 } } }
";
    crate::load(text, "sluicegate.yaml").unwrap()
}

fn made(terms: &str) -> Result<ClientKey, BadTerms> {
    config().key_with_terms("web-app", KeyHash([7; 32]), terms).map(|(key, _)| key)
}

#[test]
fn terms_mean_what_the_same_words_mean_in_the_file() {
    let terms = r#"{"models":["fast"],"endpoints":["/v1/chat/completions"],"priority":"high","tenant":"acme",
        "limits":{"rpm":30},"budget":{"usd":50,"per":"day"},"credits":{"account":"a"},"owner":"Ada","label":"web"}"#;
    let key = made(terms).unwrap();
    assert_eq!((key.name.as_str(), key.hash, key.priority), ("web-app", KeyHash([7; 32]), Priority::High));
    assert_eq!((key.tenant.as_deref(), key.label.as_deref()), (Some("acme"), Some("web")));
    assert_eq!((key.limits.rates[0].amount, key.budgets.len(), key.is_bounded()), (30, 1, true));
    assert!(key.may_use("fast", "lab") && !key.may_use("slow", "lab"));
    assert!(key.may_call(Endpoint::ChatCompletions) && key.may_call(Endpoint::Quota));
    assert!(!key.may_call(Endpoint::Embeddings));
    assert!(made("{}").unwrap().may_call(Endpoint::Embeddings));
}

#[test]
fn terms_that_are_wrong_are_refused_in_words() {
    for (terms, word) in [
        ("[]", "no JSON object"),
        (r#"{"value":"sk-1"}"#, "`value` is none of the terms"),
        (r#"{"modells":[]}"#, "did you mean `models`?"),
        (r#"{"tenant":"nobody"}"#, "nobody"),
        (r#"{"limits":{"rpm":0}}"#, "rpm"),
        (r#"{"endpoints":["/nowhere"]}"#, "no endpoint"),
        (r#"{"owner":"\u0007"}"#, "control characters"),
        (r#"{"budget":{"usd":0,"per":"day"}}"#, "above 0"),
    ] {
        let error = made(terms).unwrap_err().to_string();
        assert!(error.contains(word), "{terms}: {error}");
    }
}

#[test]
fn a_name_that_cannot_stand_in_a_url_is_refused() {
    assert!(config().key_with_terms("a b", KeyHash([7; 32]), "{}").is_err());
}
