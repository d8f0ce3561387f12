use super::*;
use crate::testing::{World, printed};
use secrecy::ExposeSecret as _;

fn proxy(text: &str) -> String {
    parse(text, None).map_or_else(|why| format!("refused: {why}"), |proxy| proxy.to_string())
}

#[test]
fn a_proxy_is_read_in_all_its_usual_spellings() {
    for (text, meant) in [
        ("http://proxy.example.com:3128", "http://proxy.example.com:3128"),
        ("HTTP://Proxy.Example.com:3128/", "http://proxy.example.com:3128"),
        ("proxy.example.com:3128", "http://proxy.example.com:3128"),
        ("http://proxy.example.com", "http://proxy.example.com:80"),
        ("http://[::1]:3128", "http://[::1]:3128"),
        ("10.0.0.1:8080", "http://10.0.0.1:8080"),
        ("https://proxy.example.com", "https://proxy.example.com:443"),
    ] {
        assert_eq!(proxy(text), meant, "{text}");
    }
    for text in ["", "socks5://a:1", "http://a:1/path", "http://a:0", "http://%zz@a:1", "http://a b:1"] {
        assert!(proxy(text).starts_with("refused: "), "{text}");
    }
}

#[test]
fn a_proxys_user_is_decoded_and_never_shown() {
    let proxy = parse("http://us%40er:pa%3Ass@proxy:3128", Some("HTTPS_PROXY")).unwrap();
    assert_eq!(proxy.user.as_ref().unwrap().expose_secret(), "us@er:pa:ss");
    assert_eq!(proxy.to_string(), "http://proxy:3128");
    assert!(!format!("{proxy:?}").contains("pa:ss"));
    let why = parse("http://us er:secret@a:99999", None).unwrap_err();
    assert!(!why.contains("secret"), "{why}");
}

#[test]
fn no_proxy_lists_names_addresses_ranges_and_ports() {
    let list = "internal.example.com, .corp ,*.lab,10.0.0.0/8,192.168.1.7,[fd00::1],fd01::/16,other.example.com:8443";
    for (host, port) in [
        ("internal.example.com", 443),
        ("a.internal.example.com", 443),
        ("x.corp", 443),
        ("y.lab", 80),
        ("10.250.1.1", 443),
        ("192.168.1.7", 80),
        ("[fd00::1]", 443),
        ("[fd01:1::2]", 443),
        ("other.example.com", 8443),
    ] {
        assert!(is_excepted(list, host, port), "{host}:{port}");
    }
    for (host, port) in [
        ("example.com", 443),
        ("notinternal.example.com", 443),
        ("11.0.0.1", 443),
        ("192.168.1.70", 80),
        ("[fd02::1]", 443),
        ("other.example.com", 443),
    ] {
        assert!(!is_excepted(list, host, port), "{host}:{port}");
    }
    assert!(is_excepted("*", "anything", 1));
    assert!(is_excepted("0.0.0.0/0", "1.2.3.4", 1));
    assert!(!is_excepted("", "anything", 1));
}

const TWO: &str = "providers:
  openai: { api_key_env: K }
  plain: { kind: openai_compatible, base_url: 'http://models.example.com/v1' }
  local: { kind: openai_compatible, base_url: 'http://127.0.0.1:8000/v1' }
  own: { kind: openai_compatible, base_url: 'https://own.example.com/v1', proxy: direct }
  other: { kind: openai_compatible, base_url: 'https://x.example.com/v1', proxy: 'http://u:p@other:8080' }
";

#[test]
fn the_environments_proxy_is_taken_where_the_file_names_none() {
    let variables = [("K", "k"), ("HTTPS_PROXY", "http://secure:3128"), ("http_proxy", "plain:3128")];
    let loaded = World::with(&variables).load(TWO).map_err(|found| printed(&found)).unwrap();
    let proxies: Vec<String> = loaded
        .config
        .providers
        .values()
        .map(|provider| {
            format!(
                "{} {}",
                provider.name,
                provider.connections.proxy.as_ref().map_or(String::new(), ToString::to_string)
            )
        })
        .collect();
    let wanted = ["local ", "openai http://secure:3128", "other http://other:8080", "own ", "plain http://plain:3128"];
    assert_eq!(proxies, wanted);
    let shown = loaded.settings.iter().find(|setting| setting.path == "providers.openai.proxy").unwrap();
    assert_eq!(shown.value, "http://secure:3128 (HTTPS_PROXY)");

    let except = [("K", "k"), ("ALL_PROXY", "http://all:3128"), ("NO_PROXY", "openai.com")];
    let config = World::with(&except).load(TWO).unwrap().config;
    assert!(config.providers["openai"].connections.proxy.is_none());
    assert_eq!(config.providers["plain"].connections.proxy.as_ref().unwrap().to_string(), "http://all:3128");
}

#[test]
fn a_proxy_of_the_environment_that_cannot_be_used_is_an_error_and_not_ignored() {
    let found = World::with(&[("K", "k"), ("HTTPS_PROXY", "socks5://s:1080")]).load(TWO).unwrap_err();
    assert!(printed(&found).contains("environment variable HTTPS_PROXY"), "{}", printed(&found));
}
