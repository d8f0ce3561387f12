use super::*;
use proptest::prelude::*;
use serde_json::{Map, Value};

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
        let found = members(&text, ["usage"]);
        prop_assert_eq!(found.is_some(), value.is_object());
        let found = found.and_then(|[usage]| usage).map(|found| serde_json::from_slice::<Value>(found).unwrap());
        prop_assert_eq!(found.as_ref(), value.get("usage"));
    }

    #[test]
    fn any_bytes_are_walked_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = members(&bytes, ["usage"]);
    }

    #[test]
    fn a_cut_text_is_not_whole(value in json(), cut in any::<prop::sample::Index>()) {
        let text = value.to_string();
        let cut = cut.index(text.len());
        prop_assert_eq!(members(&text.as_bytes()[..cut], ["usage"]), None);
    }
}
