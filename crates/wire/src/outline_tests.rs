use super::*;
use proptest::prelude::*;
use serde_json::{Map, Value};

/// The value of the last top-level member `usage`; `None` where the text is not one whole object.
fn usage(text: &[u8]) -> Option<Option<&[u8]>> {
    let mut found = None;
    walk(text, |name, walk| {
        let value = walk.value()?;
        if name == b"usage" {
            found = Some(value);
        }
        Some(())
    })?;
    Some(found)
}

#[test]
fn a_member_inside_of_a_value_is_none_of_the_objects() {
    let text = br#"{"a": {"usage": 1}, "text": "\"usage\": 2", "usage": {"n": 3}}"#;
    assert_eq!(usage(text), Some(Some(&br#"{"n": 3}"#[..])));
    assert_eq!(usage(b"{\"usage\": {\"n\": 3}"), None);
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z\"\\\\{}:, \u{e9}]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("usage|b|c", inner), 0..4)
                .prop_map(|members| Value::from(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn finds_what_a_parser_finds(value in json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
        let found = usage(&text);
        prop_assert_eq!(found.is_some(), value.is_object());
        let found = found.flatten().map(|found| serde_json::from_slice::<Value>(found).unwrap());
        prop_assert_eq!(found.as_ref(), value.get("usage"));
    }

    #[test]
    fn any_bytes_are_walked_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = usage(&bytes);
    }

    #[test]
    fn a_cut_text_is_not_whole(value in json(), cut in any::<prop::sample::Index>()) {
        let text = value.to_string();
        let cut = cut.index(text.len());
        prop_assert_eq!(usage(&text.as_bytes()[..cut]), None);
    }
}
