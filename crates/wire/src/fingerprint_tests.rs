use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

const SECRET: Secret = Secret { short: (1, 2), long: [3, 4, 5, 6] };

fn digest(text: &str) -> Option<u128> {
    read(text.as_bytes(), 64, &SECRET).map(|found| found.digest)
}

fn same(a: &str, b: &str) -> bool {
    let (a, b) = (digest(a), digest(b));
    assert!(a.is_some() && b.is_some());
    a == b
}

/// Values without the names whose place decides what counts.
fn value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1000i32..1000).prop_map(|n| Value::from(f64::from(n) / 8.0)),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        "[a-c\"\\\\\n\u{e9}\u{1f600}/ ]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-d\u{e9}]{1,2}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-d\u{e9}]{1,2}", value(), 0..5)
        .prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

/// The same value spelled in another way, by a stream of choices.
fn spelled(value: &Value, choose: &mut impl FnMut(usize) -> usize, out: &mut String) {
    let blank = |choose: &mut dyn FnMut(usize) -> usize, out: &mut String| {
        out.push_str(["", " ", "\n\t", "\r\n  "][choose(4)]);
    };
    blank(choose, out);
    match value {
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                spelled(item, choose, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut left: Vec<_> = fields.iter().collect();
            out.push('{');
            let mut first = true;
            while !left.is_empty() {
                let (name, value) = left.remove(choose(left.len()));
                if !std::mem::take(&mut first) {
                    out.push(',');
                }
                blank(choose, out);
                text(name, choose, out);
                blank(choose, out);
                out.push(':');
                spelled(value, choose, out);
            }
            out.push('}');
        }
        Value::String(said) => text(said, choose, out),
        Value::Number(number) => match number.as_i64() {
            Some(whole) if whole.abs() < 1_000_000 && choose(2) == 0 => out.push_str(&format!("{whole}.0e0")),
            _ => out.push_str(&number.to_string()),
        },
        other => out.push_str(&other.to_string()),
    }
    blank(choose, out);
}

fn text(said: &str, choose: &mut impl FnMut(usize) -> usize, out: &mut String) {
    if choose(2) == 0 {
        out.push_str(&Value::from(said).to_string());
        return;
    }
    out.push('"');
    for unit in said.encode_utf16() {
        out.push_str(&format!("\\u{unit:04x}"));
    }
    out.push('"');
}

/// What JSON says, with numbers as numbers.
fn meaning(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(meaning).collect(),
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().map(|(name, value)| (name.clone(), meaning(value))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Number(number) => match number.as_f64() {
            Some(whole) if number.is_f64() && whole.fract() == 0.0 => Value::from(whole as i64),
            _ => value.clone(),
        },
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn texts_of_equal_values_have_one_fingerprint(value in object(), choices in prop::collection::vec(any::<usize>(), 200)) {
        let mut at = 0;
        let mut choose = |of: usize| {
            at += 1;
            choices[at % choices.len()].wrapping_add(at / choices.len()) % of
        };
        let mut other = String::new();
        spelled(&value, &mut choose, &mut other);
        prop_assert_eq!(digest(&value.to_string()), digest(&other), "{}", other);
        prop_assert!(digest(&other).is_some());
    }

    #[test]
    fn texts_of_unequal_values_have_two(a in object(), b in object()) {
        prop_assert_eq!(meaning(&a) == meaning(&b), same(&a.to_string(), &b.to_string()));
    }

    #[test]
    fn a_value_and_one_with_a_leaf_changed_have_two(value in object(), name in "[a-d]{1,2}", leaf in value()) {
        let mut other = value.clone();
        other[&name] = leaf;
        prop_assert_eq!(meaning(&value) == meaning(&other), same(&value.to_string(), &other.to_string()));
    }

    #[test]
    fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes, 16, &SECRET);
    }
}

#[test]
fn how_an_answer_travels_does_not_count() {
    let plain = r#"{"messages":[{"role":"user","content":"hi"}],"temperature":0}"#;
    let other = r#"{"model":"x","stream":true,"stream_options":{"include_usage":true},"user":"u","metadata":{"a":"b"},
        "temperature":0.0,"messages":[{"content":"hi","role":"user"}]}"#;
    assert!(same(plain, other));
    assert!(!same(plain, &plain.replace("\"hi\"", "\"hi \"")));
    assert!(!same(plain, &plain.replace("}]", "}],\"seed\":1")));
    // Only at the top: inside, these are names like any other.
    assert!(!same(r#"{"a":{"model":"x"}}"#, r#"{"a":{"model":"y"}}"#));
}

#[test]
fn in_a_schema_the_order_of_members_counts_and_white_space_does_not() {
    let schema = |properties: &str| format!(r#"{{"tools":[{{"function":{{"parameters":{properties}}}}}]}}"#);
    let one = schema(r#"{"properties":{"a":{"type":"string"},"b":{"type":"string"}}}"#);
    let other = schema(r#"{"properties":{"b":{"type":"string"},"a":{"type":"string"}}}"#);
    assert!(!same(&one, &other));
    assert!(same(&one, &one.replace(':', " : ")));
}

#[test]
fn values_of_different_kinds_and_shapes_never_meet() {
    let texts = [
        r#"{"a":1}"#,
        r#"{"a":"1"}"#,
        r#"{"a":-1}"#,
        r#"{"a":1.5}"#,
        r#"{"a":[1]}"#,
        r#"{"a":[[1]]}"#,
        r#"{"a":[]}"#,
        r#"{"a":{}}"#,
        r#"{"a":[{}]}"#,
        r#"{"a":null}"#,
        r#"{"a":true}"#,
        r#"{"a":false}"#,
        r#"{"a":""}"#,
        r#"{"b":1}"#,
        r#"{}"#,
        r#"{"a":["x","y"]}"#,
        r#"{"a":["xy"]}"#,
        r#"{"a":["y","x"]}"#,
        r#"{"a":9007199254740993}"#,
        r#"{"a":9007199254740992}"#,
        r#"{"a":1e999}"#,
        r#"{"a":1e998}"#,
        r#"{"a":"1e998"}"#,
        r#"{"a":"fourteen bytes"}"#,
        r#"{"a":"fourteen bytes\u0000"}"#,
        r#"{"a":"fifteen bytes a"}"#,
        r#"{"a":"fifteen bytes b"}"#,
        r#"{"a":["fourteen bytes","fourteen bytes"]}"#,
    ];
    let digests: std::collections::HashSet<_> = texts.iter().map(|text| digest(text).unwrap()).collect();
    assert_eq!(digests.len(), texts.len());
}

#[test]
fn what_parsers_disagree_about_has_no_fingerprint() {
    for text in [r#"{"a":1,"a":2}"#, r#"{"x":{"a":1,"\u0061":1}}"#, "[1]", "{", r#"{"a":1} x"#, r#"{"a":01}"#, ""] {
        assert_eq!(digest(text), None, "{text}");
    }
    assert_eq!(read(br#"{"a":[[[[1]]]]}"#, 3, &SECRET), None);
}

#[test]
fn temperature_and_state_are_seen_where_each_format_says_them() {
    let seen = |value: Value| {
        let found = read(value.to_string().as_bytes(), 64, &SECRET).unwrap();
        (found.temperature, found.stateful, found.logprobs)
    };
    assert_eq!(seen(json!({"temperature": 0})), (Some(0.0), false, false));
    assert_eq!(seen(json!({"generationConfig": {"temperature": 0.5}})), (Some(0.5), false, false));
    assert_eq!(seen(json!({"temperature": null, "logprobs": true})), (None, false, true));
    assert_eq!(seen(json!({"previous_response_id": "r"})), (None, true, false));
    assert_eq!(seen(json!({"previous_response_id": null, "background": false})), (None, false, false));
    assert_eq!(seen(json!({"background": true})), (None, true, false));
}

#[test]
fn another_process_has_other_fingerprints() {
    let (one, other) = (Secret::random(), Secret::random());
    assert_ne!(read(b"{}", 8, &one), read(b"{}", 8, &other));
    assert_ne!(one.of(&[1], [&b"ab"[..], b"c"]), one.of(&[1], [&b"a"[..], b"bc"]));
    assert_ne!(one.of(&[1], [&b"ab"[..], b"c"]), one.of(&[2], [&b"ab"[..], b"c"]));
    assert_ne!(one.of(&[1], [&b""[..], b"c"]), one.of(&[1], [&b"c"[..], b""]));
}

#[test]
fn every_byte_of_a_text_counts_and_so_does_its_length() {
    for length in [14, 15, 255, 256, 257, 287, 288, 289, 1024, 2100] {
        let text = "x".repeat(length);
        let asked = |text: &str| digest(&format!(r#"{{"a":"{text}"}}"#)).unwrap();
        let whole = asked(&text);
        let mut seen = std::collections::HashSet::from([whole, asked(&text[1..]), asked(&format!("{text}x"))]);
        assert_eq!(seen.len(), 3, "{length}");
        for at in 0..length {
            let other = format!("{}y{}", &text[..at], &text[at + 1..]);
            assert!(seen.insert(asked(&other)), "byte {at} of {length}");
        }
        assert_ne!(asked(&format!("{text}\\u0000")), whole, "{length}");
    }
}
