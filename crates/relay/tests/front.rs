//! What happens to a call before any provider is asked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy.toml allows these in tests, but not in what tests call"
)]

mod support;

use sluicegate_config::{ClientKey, Config, KeyHash, ListedModel, ModelRule, ProviderKind};
use support::*;

const SECRET: &str = "authorization: Bearer client-secret\r\n";

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or(answer)
}

/// A key that may use this much.
fn restricted(rules: &[&str]) -> ClientKey {
    ClientKey {
        models: Some(rules.iter().map(|rule| ModelRule::parse(rule)).collect()),
        ..key("team", "client-secret")
    }
}

/// Two providers, `one` and `two`.
fn pair(one: &Upstream, two: &Upstream) -> Config {
    config(vec![provider("one", ProviderKind::OpenAi, one.address), provider("two", ProviderKind::OpenAi, two.address)])
}

#[test]
fn no_alias_leads_a_restricted_key_to_a_provider_it_may_not_use() {
    let one = Upstream::new(vec![json(503, "{}"), json(503, "{}"), json(503, "{}")]);
    let two = Upstream::new(vec![json(200, ANSWER)]);
    let mut config = pair(&one, &two);
    config.models.insert("fast".into(), model("fast", &["one/m", "two/m"]));
    config.keys = vec![restricted(&["one/*"])];
    let relay = Running::new(config);
    let answer = relay.post(CHAT, SECRET, &hi("fast"));
    assert!(answer.starts_with("HTTP/1.1 50"), "{answer}");
    let answer = relay.post(CHAT, &format!("{SECRET}x-provider: two\r\n"), &hi("fast"));
    assert_eq!(status(&answer), "403", "{answer}");
    assert!(answer.contains("x-sluicegate-refused-by: key:team:models\r\n"), "{answer}");
    assert!(two.is_left_alone());
}

#[test]
fn a_key_that_may_use_only_the_second_choice_of_an_alias_gets_the_second_choice() {
    let (one, two) = (Upstream::new(vec![]), Upstream::new(vec![json(200, ANSWER)]));
    let mut config = pair(&one, &two);
    config.models.insert("fast".into(), model("fast", &["one/m", "two/n"]));
    config.keys = vec![restricted(&["two/*"])];
    let relay = Running::new(config);
    let answer = relay.post(CHAT, SECRET, &hi("fast"));
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("x-sluicegate-provider: two\r\n"), "{answer}");
    let listed = relay.raw(&get("/v1/models", SECRET));
    assert!(listed.contains("\"resolves_to\":\"two/n\"") && !listed.contains("one"), "{listed}");
    assert!(one.is_left_alone());
}

#[test]
fn a_key_that_names_the_alias_may_use_all_it_leads_to() {
    let one = Upstream::new(vec![json(503, "{}")]);
    let two = Upstream::new(vec![json(200, ANSWER)]);
    let mut config = pair(&one, &two);
    config.models.insert("fast".into(), model("fast", &["one/m", "two/m"]));
    config.keys = vec![restricted(&["fast"])];
    let relay = Running::new(config);
    let answer = relay.post(CHAT, SECRET, &hi("fast"));
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("x-sluicegate-provider: two\r\n"), "{answer}");
    assert_eq!(status(&relay.post(CHAT, SECRET, &hi("one/m"))), "403");
}

fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{headers}\r\n").into_bytes()
}

#[test]
fn a_request_whose_frame_two_readers_could_read_differently_is_refused() {
    let upstream = Upstream::new(vec![json(200, ANSWER), json(200, ANSWER)]);
    let relay = Running::new(config(vec![provider("up", ProviderKind::OpenAi, upstream.address)]));
    let body = hi("up/m");
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let send = |headers: &str| {
        relay.raw(format!("POST {CHAT} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n{chunked}").as_bytes())
    };
    for refused in [
        "host: 127.0.0.1\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "host: 127.0.0.1\r\ntransfer-encoding: chunked, chunked\r\n",
        "host: 127.0.0.1\r\ntransfer-encoding: gzip, chunked\r\n",
        "host: 127.0.0.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n",
        "host: 127.0.0.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n",
    ] {
        let answer = send(refused);
        assert_eq!(status(&answer), "400", "{refused}{answer}");
    }
    assert!(upstream.is_left_alone());
    for taken in ["transfer-encoding: Chunked\r\n", "transfer-encoding: chunked \r\n"] {
        let answer = send(&format!("host: 127.0.0.1\r\n{taken}"));
        assert_eq!(status(&answer), "200", "{answer}");
    }
}

#[test]
fn a_length_beside_chunks_is_refused_and_nothing_is_read_behind_it() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 3]);
    let relay = Running::new(config(vec![provider("up", ProviderKind::OpenAi, upstream.address)]));
    let body = hi("up/m");
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let one = |headers: &str| format!("POST {CHAT} HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}\r\n{chunked}");
    let (length, chunks) = (format!("content-length: {}\r\n", chunked.len()), "transfer-encoding: chunked\r\n");
    for both in [format!("{length}{chunks}"), format!("{chunks}{length}"), format!("Content-Length:5\r\n{chunks}")] {
        let answers = relay.raw(one(&both).repeat(2).as_bytes());
        assert!(answers.starts_with("HTTP/1.1 400 ") && answers.matches("HTTP/1.1 ").count() == 1, "{answers}");
        assert!(answers.contains("connection: close\r\n") && answers.contains("content-length"), "{answers}");
    }
    assert_eq!(status(&relay.raw(one("content-length: 5\r\ncontent-length: 6\r\n").as_bytes())), "400");
    assert!(upstream.is_left_alone());

    let answers = relay.raw([one(chunks), one(&format!("{chunks}connection: close\r\n"))].concat().as_bytes());
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
}

/// `one` and `two` both list `shared`, and `two` alone `own`.
fn listing(one: &Upstream, two: &Upstream) -> Config {
    let listed = |id: &str| ListedModel { id: id.to_owned(), context_window: None, max_output: None, deployment: None };
    let mut config = pair(one, two);
    for provider in config.providers.values_mut() {
        provider.models.push(listed("shared"));
    }
    config.providers.get_mut("two").unwrap().models.push(listed("own"));
    config
}

#[test]
fn x_provider_chooses_among_the_providers_of_a_name() {
    let (one, two) = (Upstream::new(vec![]), Upstream::new(vec![json(200, ANSWER); 4]));
    let relay = Running::new(listing(&one, &two));
    assert_eq!(status(&relay.post(CHAT, "", &hi("shared"))), "404");
    for name in ["shared", "own", "not-listed", "two/shared"] {
        let answer = relay.post(CHAT, "x-provider: two\r\n", &hi(name));
        assert!(answer.starts_with("HTTP/1.1 200"), "{name}: {answer}");
        let sent = format!("\"model\":\"{}\"", name.trim_start_matches("two/"));
        assert!(two.request().contains(&sent), "{name}");
    }
    for (wanted, name) in [("two", "one/shared"), ("three", "shared"), ("", "shared")] {
        let answer = relay.post(CHAT, &format!("x-provider: {wanted}\r\n"), &hi(name));
        assert_eq!(status(&answer), "400", "{wanted} {name}: {answer}");
        assert!(answer.contains("X-Provider"), "{answer}");
    }
    assert!(one.is_left_alone());
}

#[test]
fn x_provider_opens_nothing_that_the_key_does_not() {
    let (one, two) = (Upstream::new(vec![json(200, ANSWER)]), Upstream::new(vec![json(200, ANSWER); 3]));
    for (rules, wanted, name, expected) in [
        (["own"], "two", "own", "200"),
        (["own"], "one", "own", "403"),
        (["two/own"], "two", "own", "200"),
        (["two/*"], "two", "other", "200"),
        (["two/*"], "one", "shared", "403"),
        (["shared"], "one", "shared", "200"),
        (["shared"], "two", "own", "403"),
    ] {
        let mut config = listing(&one, &two);
        config.keys = vec![restricted(&rules)];
        let relay = Running::new(config);
        let answer = relay.post(CHAT, &format!("{SECRET}x-provider: {wanted}\r\n"), &hi(name));
        assert_eq!(status(&answer), expected, "{rules:?} {wanted} {name}: {answer}");
    }
}

#[test]
fn every_name_a_call_may_use_can_be_asked_about() {
    let (one, two) = (Upstream::new(vec![]), Upstream::new(vec![]));
    let mut config = listing(&one, &two);
    config.models.insert("fast".into(), model("fast", &["one/m"]));
    config.keys = vec![key("all", "other-secret"), restricted(&["own", "one/*"])];
    let relay = Running::new(config);
    let ask = |id: &str, headers: &str| relay.raw(&get(&format!("/v1/models/{id}"), headers));
    for id in ["own", "fast", "one/shared", "one/new"] {
        let answer = ask(id, SECRET);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(&format!("\"id\":\"{id}\"")), "{id}: {answer}");
    }
    assert_eq!(status(&ask("two/shared", SECRET)), "403");
    assert_eq!(status(&ask("two/shared", "x-api-key: other-secret\r\n")), "200");
    for id in ["nothing", "shared"] {
        assert_eq!(status(&ask(id, SECRET)), "404", "{id}");
    }
}

#[test]
fn a_bad_key_in_one_place_does_not_hide_a_good_one_in_another() {
    let upstream = Upstream::new(vec![]);
    let mut config = config(vec![provider("up", ProviderKind::OpenAi, upstream.address)]);
    config.keys = vec![ClientKey { hash: KeyHash::of("gö&d k"), ..key("odd", "") }, key("team", "client-secret")];
    let relay = Running::new(config);
    for (path, headers) in [
        ("", "authorization:\r\nx-api-key: client-secret\r\n"),
        ("", "authorization: Bearer\r\nx-api-key: client-secret\r\n"),
        ("", "authorization: Bearer \r\napi-key: client-secret\r\n"),
        ("", "authorization: Bearer placeholder\r\nx-goog-api-key: client-secret\r\n"),
        ("", "authorization: bearer   client-secret\r\nx-api-key: placeholder\r\n"),
        ("?key=client-secret", "authorization: Bearer placeholder\r\n"),
        ("?a=b&%6Bey=client%2Dsecret", ""),
        ("?key=g%C3%B6%26d+k", ""),
    ] {
        let answer = relay.raw(&get(&format!("/v1/models{path}"), headers));
        assert_eq!(status(&answer), "200", "{path} {headers}: {answer}");
    }
    for (path, headers, told) in [
        ("", "authorization: Bearer\r\nx-api-key:  \r\n", "No key was sent"),
        ("?key=", "", "No key was sent"),
        ("?monkey=client-secret", "", "No key was sent"),
        ("?key=client-secre%74x", "x-api-key: wrong\r\n", "is not known here"),
    ] {
        let answer = relay.raw(&get(&format!("/v1/models{path}"), headers));
        assert!(status(&answer) == "401" && answer.contains(told), "{path} {headers}: {answer}");
    }
}

#[test]
fn a_key_in_a_query_never_reaches_a_provider_however_it_is_spelled() {
    let upstream = Upstream::new(vec![json(200, "{}")]);
    let relay = Running::new(config(vec![provider("up", ProviderKind::OpenAi, upstream.address)]));
    let answer = relay.raw(&get("/p/up/files?a=1&%6Bey=client-secret&k%65y=client-secret&key=client-secret&b=2", ""));
    assert_eq!(status(&answer), "200", "{answer}");
    let seen = upstream.request();
    assert!(seen.starts_with("GET /v1/files?a=1&b=2 HTTP/1.1\r\n") && !seen.contains("client-secret"), "{seen}");
}

#[test]
fn a_wrong_method_is_told_as_such_wherever_it_is_sent() {
    let upstream = Upstream::new(vec![]);
    let relay = Running::new(config(vec![provider("up", ProviderKind::OpenAi, upstream.address)]));
    for path in ["/metrics", "/", "/openapi.json", "/config.schema.json", "/health/live", "/health/ready", "/v1/models"]
    {
        let answer = relay.post(path, "", "{}");
        assert!(status(&answer) == "405" && answer.contains("allow: GET"), "{path}: {answer}");
    }
    let answer = relay.raw(&get(CHAT, ""));
    assert!(status(&answer) == "405" && answer.contains("allow: POST\r\n"), "{answer}");
    assert!(relay.raw(&get("/health/live", "")).starts_with("HTTP/1.1 200"));
    assert_eq!(status(&relay.post("/v1/nothing", "", "{}")), "404");
}
