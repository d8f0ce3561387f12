//! Keys that are made while the relay runs, as their holders see them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy.toml allows these in tests, but not in what tests call"
)]

mod support;

use serde_json::Value;
use sluicegate_config::{Config, KeyHash, Ledger, ProviderKind};
use sluicegate_ledger::{Fees, Price};
use sluicegate_relay::{KeyError, WantedKey};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::*;

fn wanted(name: &str, terms: &str) -> WantedKey {
    WantedKey { name: name.to_owned(), terms: terms.to_owned(), ..WantedKey::default() }
}

fn started(upstream: &Upstream, dir: &Path) -> Running {
    Running::in_dir(config(vec![provider("up", ProviderKind::OpenAi, upstream.address)]), dir)
}

fn bearer(secret: &str) -> String {
    format!("authorization: Bearer {secret}\r\n")
}

/// The status of a call with this secret on a connection of its own, which any worker may get.
fn status(relay: &Running, secret: &str) -> u16 {
    let answer = relay.post(CHAT, &bearer(secret), &hi("up/m"));
    answer[9..12].parse().unwrap()
}

fn page(relay: &Running, path: &str, secret: &str) -> Value {
    let answer =
        relay.raw(format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{}\r\n", bearer(secret)).as_bytes());
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap_or_else(|_| panic!("{answer}"))
}

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

#[test]
fn a_key_is_in_force_on_every_worker_when_it_is_made_and_no_more_when_it_is_switched_off() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 64]);
    let dir = tempfile::tempdir().unwrap();
    let relay = started(&upstream, dir.path());
    assert_eq!(status(&relay, "whatever"), 200, "this machine needs no key as long as there is none");
    let made = relay.relay.create_key(&wanted("web-app", "{}")).unwrap();
    let secret = made.secret.unwrap();
    assert!(secret.starts_with("sk-sg-") && secret.len() >= 6 + 22, "{secret}");
    let config = relay.relay.config();
    for _ in 0..4 {
        // Twelve connections reach both workers.
        assert!((0..12).all(|_| status(&relay, &secret) == 200));
        relay.relay.keys().disable(&config, "web-app", true).unwrap();
        assert!((0..12).all(|_| status(&relay, &secret) == 401));
        relay.relay.keys().disable(&config, "web-app", false).unwrap();
    }
    let refused = relay.post(CHAT, &bearer("sk-sg-wrong"), &hi("up/m"));
    assert!(refused.starts_with("HTTP/1.1 401") && refused.contains("invalid_api_key"), "{refused}");
    assert_eq!(status(&relay, ""), 401);
    relay.relay.keys().delete(&config, "web-app").unwrap();
    assert_eq!(status(&relay, "whatever"), 200, "the last key is gone, and this machine may call again");
}

#[test]
fn a_key_is_there_again_after_a_start_and_its_secret_is_not_in_the_files() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 4]);
    let dir = tempfile::tempdir().unwrap();
    let secret = {
        let relay = started(&upstream, dir.path());
        let secret = relay.relay.create_key(&wanted("web-app", "{}")).unwrap().secret.unwrap();
        relay.relay.drain(Duration::ZERO);
        secret
    };
    for file in std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
    {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{}", file.display());
    }
    let relay = started(&upstream, dir.path());
    assert_eq!((status(&relay, &secret), status(&relay, "sk-other")), (200, 401));
}

#[test]
fn a_rotated_secret_works_until_its_grace_is_over_and_the_new_one_at_once() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 8]);
    let dir = tempfile::tempdir().unwrap();
    let relay = started(&upstream, dir.path());
    let old = relay.relay.create_key(&wanted("web-app", "{}")).unwrap().secret.unwrap();
    assert_eq!(status(&relay, &old), 200);
    let config = relay.relay.config();
    let grace = Duration::from_millis(1500);
    let new = relay.relay.keys().rotate(&config, "web-app", grace).unwrap().secret.unwrap();
    assert_eq!((status(&relay, &old), status(&relay, &new)), (200, 200));
    std::thread::sleep(grace);
    let refused = relay.post(CHAT, &bearer(&old), &hi("up/m"));
    assert!(refused.starts_with("HTTP/1.1 401") && refused.contains("expired"), "{refused}");
    assert_eq!(status(&relay, &new), 200);
    relay.relay.keys().expire(&config, "web-app", Some(now_ms() - 1)).unwrap();
    assert_eq!(status(&relay, &new), 401);
    relay.relay.keys().expire(&config, "web-app", None).unwrap();
    assert_eq!(status(&relay, &new), 200);
}

#[test]
fn a_secret_that_is_known_by_its_hash_alone_is_taken_over() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 4]);
    let dir = tempfile::tempdir().unwrap();
    let relay = started(&upstream, dir.path());
    let import = |name: &str| WantedKey { sha256: Some(KeyHash::of("sk-older")), ..wanted(name, "{}") };
    assert!(relay.relay.create_key(&import("older")).unwrap().secret.is_none());
    assert_eq!(status(&relay, "sk-older"), 200);
    let again = relay.relay.create_key(&import("other")).unwrap_err();
    assert!(again.to_string().contains("a secret of key older"), "{again}");
}

#[test]
fn a_key_does_what_its_terms_say_and_nothing_else() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 8]);
    let dir = tempfile::tempdir().unwrap();
    let relay = started(&upstream, dir.path());
    let terms = r#"{"models":["up/m"],"endpoints":["/chat/completions"],"limits":{"rpm":2},"mode":"strict"}"#;
    let secret = relay.relay.create_key(&wanted("small", terms)).unwrap().secret.unwrap();
    let other = relay.post(CHAT, &bearer(&secret), &hi("up/other"));
    assert!(other.starts_with("HTTP/1.1 403"), "{other}");
    let elsewhere = relay.post("/v1/embeddings", &bearer(&secret), r#"{"model":"up/m","input":"a"}"#);
    assert!(elsewhere.starts_with("HTTP/1.1 403") && elsewhere.contains("may not call /embeddings"), "{elsewhere}");
    assert_eq!([0; 3].map(|_| status(&relay, &secret)), [200, 200, 429]);
    let told = page(&relay, "/v1/key", &secret);
    assert_eq!((&told["name"], &told["mode"], &told["models"][0]), (&"small".into(), &"strict".into(), &"up/m".into()));
    assert_eq!(told["endpoints"][0], "/chat/completions", "{told}");
    let bad = relay.relay.create_key(&wanted("other", r#"{"tenant":"nobody"}"#)).unwrap_err();
    assert!(matches!(bad, KeyError::Terms(_)), "{bad}");
}

#[test]
fn the_file_owns_its_keys_and_their_names() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 4]);
    let dir = tempfile::tempdir().unwrap();
    let mut with_key = config(vec![provider("up", ProviderKind::OpenAi, upstream.address)]);
    with_key.keys = vec![key("ours", "sk-ours")];
    let relay = Running::in_dir(with_key, dir.path());
    let config = relay.relay.config();
    for refused in [
        relay.relay.create_key(&wanted("ours", "{}")).map(|_| ()),
        relay.relay.keys().disable(&config, "ours", true).map(|_| ()),
        relay.relay.keys().delete(&config, "ours").map(|_| ()),
    ] {
        assert!(matches!(refused, Err(KeyError::OfTheFile(_))), "{refused:?}");
    }
    let secret = relay.relay.create_key(&wanted("theirs", "{}")).unwrap().secret.unwrap();
    assert_eq!(status(&relay, &secret), 200);
    let mut declared = config;
    declared.keys.push(key("theirs", "sk-declared"));
    relay.relay.reload(declared, Default::default()).unwrap();
    assert_eq!((status(&relay, "sk-declared"), status(&relay, &secret)), (200, 401));
}

/// A model `m` that costs five cents a request.
fn priced(upstream: &Upstream) -> Config {
    let mut config = config(vec![provider("up", ProviderKind::OpenAi, upstream.address)]);
    let price = Price { fees: Fees { request: Some("0.05".parse().unwrap()), ..Fees::default() }, ..Price::default() };
    config.prices.models.insert("up/m".into(), price);
    config
}

#[test]
fn a_new_account_is_given_its_sign_up_credit_once_and_spends_it_and_finds_the_rest_after_a_start() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 8]);
    let dir = tempfile::tempdir().unwrap();
    let mut config = priced(&upstream);
    config.signup = "0.15".parse().unwrap();
    let relay = Running::in_dir(config.clone(), dir.path());
    assert!(relay.relay.books().is_none(), "nothing needs books yet");
    let terms = r#"{"credits":{"account":"ada"},"label":"team-a"}"#;
    let first = relay.relay.create_key(&wanted("one", terms)).unwrap();
    assert_eq!(first.granted.unwrap().to_string(), "0.15");
    let second = relay.relay.create_key(&wanted("two", terms)).unwrap();
    assert_eq!(second.granted, None, "the account is not new any more");
    let (one, two) = (first.secret.unwrap(), second.secret.unwrap());
    assert_eq!((status(&relay, &one), status(&relay, &two)), (200, 200));
    relay.relay.reload(config.clone(), Default::default()).unwrap();
    let told = page(&relay, "/v1/key", &one);
    assert_eq!(told["account"]["left_usd"], "0.05", "{told}");
    relay.relay.drain(Duration::from_secs(1));
    drop(relay);
    let relay = Running::in_dir(config, dir.path());
    assert_eq!([0; 2].map(|_| status(&relay, &one)), [200, 402]);
    let verdict = relay.relay.books().unwrap().store().verify().unwrap();
    assert!(verdict.wrong.is_empty(), "{verdict:?}");
}

#[test]
fn a_key_sees_its_own_usage_and_nobody_elses() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 8]);
    let dir = tempfile::tempdir().unwrap();
    let mut config = priced(&upstream);
    config.models.insert("fast".into(), model("fast", &["up/m"]));
    config.ledger = Some(Ledger::default());
    let relay = Running::in_dir(config, dir.path());
    let [one, two] = ["one", "two"].map(|name| relay.relay.create_key(&wanted(name, "{}")).unwrap().secret.unwrap());
    for _ in 0..3 {
        assert!(relay.post(CHAT, &bearer(&one), &hi("fast")).starts_with("HTTP/1.1 200"));
    }
    assert_eq!(status(&relay, &two), 200);
    // A call's end goes into the journal when its last byte has gone out, which may be a moment after it was read here.
    let mut told = Value::Null;
    for _ in 0..50 {
        told = page(&relay, "/v1/usage?by=day,model", &one);
        if told["total"]["calls"] == 3 {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!((&told["key"], &told["total"]["calls"]), (&"one".into(), &3.into()), "{told}");
    let line = &told["data"][0];
    assert_eq!(
        (&line["model"], &line["input_tokens"], &line["output_tokens"]),
        (&"fast".into(), &21.into(), &9.into())
    );
    assert_eq!((&line["cost_usd"], told["data"].as_array().unwrap().len()), (&"0.15".into(), 1), "{told}");
    assert!(line["average_ms"].as_f64().unwrap() > 0.0 && line["day"].as_str().unwrap().len() == 10, "{told}");
    // Whom it asks for is not what decides.
    assert_eq!(page(&relay, "/v1/usage?key=one", &two)["total"]["calls"], 1);
    let wrong = page(&relay, "/v1/usage?by=provider", &two);
    assert_eq!(wrong["error"]["param"], "by", "{wrong}");
}
