use super::*;
use proptest::prelude::*;
use serde_json::Value;
use sluicegate_vocabulary::{
    Arm, AttemptResult, CallId, ConfigVersion, Dialect, Endpoint, FaultKind, Money, Moved, Priority, Times, UsageSource,
};

fn ordinary() -> Receipt {
    Receipt {
        id: CallId::from_client("abc-1").unwrap(),
        arrived_ms: 1_763_700_224_123,
        endpoint: Some(Endpoint::ChatCompletions),
        dialect: Dialect::OpenAi,
        stream: true,
        key: Some("web-app".into()),
        priority: Priority::High,
        model: "fast".into(),
        model_known: true,
        attempts: vec![
            AttemptRecord {
                provider: "openai".into(),
                credential: "org-a".into(),
                model: "gpt-4.1".into(),
                result: AttemptResult::ServerError,
                status: 500,
                started: Duration::from_micros(150),
                took: Duration::from_millis(40),
            },
            AttemptRecord {
                provider: "anthropic".into(),
                credential: "".into(),
                model: "claude".into(),
                result: AttemptResult::Ok,
                status: 200,
                started: Duration::from_millis(41),
                took: Duration::from_micros(88_007),
            },
        ],
        resumed: Vec::new(),
        end: EndReason::Done,
        fault: None,
        refused_by: None,
        degraded_from: None,
        moved: None,
        status: 200,
        usage: Usage { input: 12, cache_read: 3, output: 34, source: UsageSource::Reported, ..Usage::default() },
        reserved: 0,
        cost: Some(Money::from_nanos(24_300_000)),
        times: Times {
            received: Duration::from_micros(90),
            queued: Duration::ZERO,
            first_token: Some(Duration::from_millis(120)),
            total: Duration::from_millis(412),
        },
        bytes_in: 321,
        bytes_out: 4567,
        chosen: None,
        saved: None,
        cache: CacheUse::Off,
        simulated: false,
        config: ConfigVersion(0x3f_9c2a),
    }
}

fn as_json(receipt: &Receipt) -> String {
    let mut out = String::new();
    json(&mut out, &mut Stamp::default(), receipt);
    out
}

#[test]
fn a_line_tells_what_flow_control_did_where_it_did_something() {
    let receipt = Receipt {
        degraded_from: Some("smart".into()),
        moved: Some(Box::new(Moved { migration: "a-to-b".into(), arm: Arm::New })),
        reserved: 900,
        fault: Some(FaultKind::LimitTokens),
        refused_by: Some("key:tokens_per_minute".into()),
        ..ordinary()
    };
    let line = as_json(&receipt);
    for said in [
        r#""model":"fast","degraded_from":"smart","migration":"a-to-b","arm":"new","#,
        r#""fault":"limit_tokens","refused_by":"key:tokens_per_minute","#,
        r#","reserved":900,"cost_usd""#,
    ] {
        assert!(line.contains(said), "{said}: {line}");
    }
}

#[test]
fn a_line_has_exactly_these_fields_in_this_order() {
    assert_eq!(
        as_json(&ordinary()),
        concat!(
            r#"{"ts":"2025-11-21T04:43:44.123Z","id":"abc-1","endpoint":"/chat/completions","dialect":"openai","#,
            r#""key":"web-app","priority":"high","model":"fast","stream":true,"end":"done","status":200,"#,
            r#""provider":"anthropic","upstream_model":"claude","attempts":["#,
            r#"{"provider":"openai","credential":"org-a","result":"server_error","status":500,"started_ms":0.150,"took_ms":40},"#,
            r#"{"provider":"anthropic","result":"ok","status":200,"started_ms":41,"took_ms":88.007}],"#,
            r#""usage":{"source":"reported","input":12,"cache_read":3,"output":34},"cost_usd":"0.0243","#,
            r#""ms":{"received":0.090,"first_token":120,"total":412},"bytes_in":321,"bytes_out":4567,"config":"3f9c2a"}"#,
            "\n"
        )
    );
}

#[test]
fn what_says_nothing_is_left_out() {
    let line = as_json(&Receipt { fault: Some(FaultKind::UnknownPath), end: EndReason::Refused, ..Receipt::default() });
    let value: Value = serde_json::from_str(&line).unwrap();
    for absent in
        ["endpoint", "key", "model", "stream", "provider", "attempts", "usage", "cost_usd", "cache", "simulated"]
    {
        assert!(value.get(absent).is_none(), "{absent} in {line}");
    }
    assert!(!line.contains("null"), "{line}");
    assert_eq!(value["fault"], "unknown_path");
}

#[test]
fn a_price_of_zero_is_told_apart_from_no_price() {
    let free = as_json(&Receipt { cost: Some(Money::ZERO), ..ordinary() });
    assert!(free.contains(r#""cost_usd":"0""#), "{free}");
    assert!(!as_json(&Receipt { cost: None, ..ordinary() }).contains("cost_usd"));
}

proptest! {
    #[test]
    fn any_model_name_gives_one_line_of_valid_json_that_says_it(model in ".*", key in ".*") {
        let receipt = Receipt { model: model.as_str().into(), key: Some(key.as_str().into()), ..ordinary() };
        let line = as_json(&receipt);
        prop_assert_eq!(line.lines().count(), 1);
        let value: Value = serde_json::from_str(&line).unwrap();
        if !model.is_empty() {
            prop_assert_eq!(value["model"].as_str(), Some(model.as_str()));
        }
        prop_assert_eq!(value["key"].as_str(), Some(key.as_str()));
    }

    #[test]
    fn any_model_name_leaves_the_terminal_alone(model in "\\PC*|.*|\u{1b}\\[2J.*|\u{9b}.*\r\n.*") {
        let mut out = String::new();
        human(&mut out, &mut Stamp::default(), &Receipt { model: model.as_str().into(), ..ordinary() }, false);
        prop_assert_eq!(out.pop(), Some('\n'));
        prop_assert!(!out.chars().any(char::is_control));
    }
}

#[test]
fn the_human_line_is_short_and_says_what_matters() {
    let mut out = String::new();
    human(&mut out, &mut Stamp::default(), &ordinary(), false);
    assert_eq!(
        out,
        "04:43:44 200 /chat/completions stream  fast → anthropic/claude  412 ms (first 120 ms)  15 in 34 out  $0.0243  2 attempts  key web-app\n"
    );
}

#[test]
fn the_human_line_of_a_failure_names_the_fault_and_the_call() {
    let mut out = String::new();
    let refused = Receipt {
        end: EndReason::Refused,
        fault: Some(FaultKind::LimitRequests),
        status: 429,
        attempts: Vec::new(),
        usage: Usage::default(),
        cost: None,
        ..ordinary()
    };
    human(&mut out, &mut Stamp::default(), &refused, false);
    assert!(out.contains(" 429 ") && out.ends_with("limit_requests abc-1\n"), "{out}");
}

#[test]
fn colour_appears_only_when_asked_for() {
    let mut out = String::new();
    human(&mut out, &mut Stamp::default(), &ordinary(), true);
    assert!(out.contains("\u{1b}["));
}

#[test]
fn where_a_broken_stream_was_gone_on_with_is_told() {
    let resumed = Receipt { resumed: vec![120, 4096], ..ordinary() };
    let mut line = String::new();
    json(&mut line, &mut Stamp::default(), &resumed);
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["resumed_at_bytes"], serde_json::json!([120, 4096]));
    let mut line = String::new();
    json(&mut line, &mut Stamp::default(), &ordinary());
    assert!(!line.contains("resumed"), "{line}");
    let mut line = String::new();
    human(&mut line, &mut Stamp::default(), &resumed, false);
    assert!(line.contains("resumed at byte 120"), "{line}");
}
