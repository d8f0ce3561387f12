use super::*;

#[test]
fn a_host_is_taken_from_a_refusal_only_where_it_is_a_sibling() {
    for (why, asked, expected) in [
        ("please make your request to us.api.openai.com", "api.openai.com", Some("us.api.openai.com")),
        ("please make your request to eu.api.openai.com.", "us.api.openai.com:443", Some("eu.api.openai.com")),
        ("please make your request to api.elsewhere.com", "api.openai.com", None),
        ("please make your request to evilopenai.com", "api.openai.com", None),
        ("ask another host", "api.openai.com", None),
        ("ask 127.0.0.2", "127.0.0.1", None),
        ("", "localhost", None),
    ] {
        assert_eq!(sibling(why, asked).as_deref(), expected, "{why}");
    }
    assert_eq!(with_host("https://api.openai.com/v1", "eu.api.openai.com"), "https://eu.api.openai.com/v1");
    assert_eq!(with_host("http://api.openai.com:80", "eu.api.openai.com"), "http://eu.api.openai.com");
}
