use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::options::Options;

fn with_call<T>(body: &str, run: impl FnOnce(&mut Call<'_>) -> T) -> T {
    let simulator = crate::Simulator::new(Options::default());
    let shared = Arc::clone(simulator.shared());
    let body = Bytes::from(body.to_owned());
    let headers = http::HeaderMap::new();
    run(&mut Call {
        shared: &shared,
        method: &http::Method::POST,
        path: "/v1/chat/completions",
        headers: &headers,
        body: &body,
        dialect: sluicegate_vocabulary::Dialect::OpenAi,
        serial: 1,
        key: None,
        account: 0,
        orders: crate::markers::Orders::default(),
        levels: crate::quota::Levels::default(),
        permit: None,
        cached: (0, 0),
    })
}

#[test]
fn the_short_way_sees_what_the_long_way_sees() {
    for body in [
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#,
        r#"{"messages":[{"role":"system","content":"Be \"brief\"\n"},{"role":"user","content":"caf\u00e9 🙂"},
            {"role":"assistant","content":""},{"role":"user","content":"and now?"}],"model":"m/x","stream":true,
            "stream_options":{"include_usage":true},"max_tokens":12,"temperature":1.5}"#,
    ] {
        with_call(body, |call| {
            let value: Value = serde_json::from_str(body).unwrap();
            let (short, wish) = plain::read(call).unwrap();
            let (long, same) = read(call, &value, None).unwrap();
            assert_eq!(format!("{short:?}"), format!("{long:?}"));
            assert_eq!(wish, same);
        });
    }
}

#[test]
fn what_is_not_plain_goes_the_long_way() {
    for body in [
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"n":2}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"temperature":3}"#,
        r#"{"model":"gpt-5.1","messages":[{"role":"user","content":"hi"}],"max_tokens":3}"#,
        r#"{"model":"m","messages":[]}"#,
        r#"{"model":"m","messages":[{"role":"tool","content":"hi"}]}"#,
        "{",
    ] {
        with_call(body, |call| assert!(plain::read(call).is_none(), "{body}"));
    }
}

#[test]
fn choices_are_interleaved_and_lose_nothing() {
    let script = |events: &[&str]| {
        let mut script = Script::new(Format::Chat, 0);
        for event in events {
            script.bytes.extend_from_slice(event.as_bytes());
            script.end(1);
        }
        script
    };
    let mut out = Script::new(Format::Chat, 0);
    interleave(&mut out, &[script(&["a", "bb", "c"]), script(&["x"])]);
    assert_eq!((out.bytes.as_slice(), out.cuts.len()), (&b"axbbc"[..], 4));
}
