use super::*;
use crate::peek::{MAX_DEPTH, peek};
use proptest::prelude::*;
use sluicegate_vocabulary::Endpoint;

fn splice(body: &str, name: &str, ask: bool) -> String {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let head = peek(&body, Endpoint::ChatCompletions, MAX_DEPTH).unwrap();
    let splice = model(&body, &head, name, ask);
    assert_eq!(splice.len(), splice.to_vec().len());
    String::from_utf8(splice.to_vec()).unwrap()
}

#[test]
fn the_model_is_exchanged_and_nothing_else() {
    assert_eq!(
        splice("{ \"messages\":[] ,\"model\" : \"a\\u0062\",\"seed\":12345678901234567890123}\n", "x/y\"z", false),
        "{ \"messages\":[] ,\"model\" : \"x/y\\\"z\",\"seed\":12345678901234567890123}\n"
    );
}

#[test]
fn usage_is_asked_for_wherever_stream_options_stand() {
    let cases = [
        (r#"{"model":"a","messages":[]}"#, r#"{"stream_options":{"include_usage":true},"model":"b","messages":[]}"#),
        (
            r#"{"model":"a","messages":[],"stream_options":null}"#,
            r#"{"model":"b","messages":[],"stream_options":{"include_usage":true}}"#,
        ),
        (
            r#"{"stream_options":{},"model":"a","messages":[]}"#,
            r#"{"stream_options":{"include_usage":true},"model":"b","messages":[]}"#,
        ),
        (
            r#"{"stream_options": { "include_obfuscation":false},"model":"a","messages":[]}"#,
            r#"{"stream_options": {"include_usage":true, "include_obfuscation":false},"model":"b","messages":[]}"#,
        ),
        (
            r#"{"model":"a","messages":[],"stream_options":{"x":1,"include_usage":false}}"#,
            r#"{"model":"b","messages":[],"stream_options":{"x":1,"include_usage":true}}"#,
        ),
        (
            r#"{"model":"a","messages":[],"stream_options":{"include_usage":true}}"#,
            r#"{"model":"b","messages":[],"stream_options":{"include_usage":true}}"#,
        ),
    ];
    for (body, wanted) in cases {
        assert_eq!(splice(body, "b", true), wanted);
    }
}

#[test]
fn a_body_that_is_right_already_stays_one_slice() {
    let body = Bytes::from_static(br#"{"model":"a","messages":[]}"#);
    let head = peek(&body, Endpoint::ChatCompletions, MAX_DEPTH).unwrap();
    let same = model(&body, &head, "a", false);
    assert_eq!(same.parts().len(), 1);
    assert_eq!(same.parts()[0].as_ptr(), body.as_ptr());
}

#[test]
fn a_missing_model_is_added_where_bodies_hold_one() {
    let images = Bytes::from_static(br#"{"prompt":"cat"}"#);
    let head = peek(&images, Endpoint::Images, MAX_DEPTH).unwrap();
    assert_eq!(model(&images, &head, "m", false).to_vec(), br#"{"model":"m","prompt":"cat"}"#);
    let empty = Bytes::from_static(b"{}");
    let head = peek(&empty, Endpoint::Images, MAX_DEPTH).unwrap();
    assert_eq!(model(&empty, &head, "m", false).to_vec(), br#"{"model":"m"}"#);
    let head = peek(&empty, Endpoint::Generate, MAX_DEPTH).unwrap();
    assert_eq!(model(&empty, &head, "m", false).to_vec(), b"{}", "Gemini names it in the path");
}

fn members() -> impl Strategy<Value = Vec<String>> {
    let options = prop::sample::select(vec![
        "\"stream_options\": null",
        "\"stream_options\":{}",
        "\"stream_options\":{ }",
        "\"stream_options\":{\"include_usage\": false, \"a\":[1]}",
        "\"stream_options\" :{\"a\":{\"include_usage\":1}}",
        "\"stream_options\":{\"include\\u005fusage\":null}",
        "\"stream_options\":{\"include_usage\":true}",
        "\"other\":1.50",
    ]);
    let model =
        prop::sample::select(vec!["\"model\":\"gpt\"", " \"m\\u006fdel\" :\t\"g\\\"p\"", "\"model\":\"\u{e9}\""]);
    (options, model, "[a-z]{0,20}", 0.0..9.9f64).prop_flat_map(|(options, model, text, number)| {
        Just(vec![
            options.to_owned(),
            model.to_owned(),
            format!("\"messages\" : [{{\"content\":\"{text}\"}}]"),
            format!("\"temperature\": {number:.3}0"),
        ])
        .prop_shuffle()
    })
}

proptest! {
    #[test]
    fn bytes_are_identical_but_for_the_edits(members in members(), name in "[ -~é]{1,20}", ask in any::<bool>()) {
        let text = format!("{{{}}}", members.join(" ,\n"));
        let body = Bytes::from(text.clone());
        let head = peek(&body, Endpoint::ChatCompletions, MAX_DEPTH).unwrap();
        let splice = model(&body, &head, &name, ask);

        // The document is the same but for the two edits.
        let mut wanted: serde_json::Value = serde_json::from_str(&text).unwrap();
        wanted["model"] = name.into();
        if ask {
            if !wanted["stream_options"].is_object() {
                wanted["stream_options"] = serde_json::json!({});
            }
            wanted["stream_options"]["include_usage"] = true.into();
        }
        prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&splice.to_vec()).unwrap(), wanted);

        // The slices of the old body are slices of the same buffer, in order, and leave out only what was replaced.
        let start = body.as_ptr() as usize;
        let mut at = 0;
        let mut left_out = Vec::new();
        for part in splice.parts() {
            let offset = (part.as_ptr() as usize).wrapping_sub(start);
            if offset >= body.len() {
                continue;
            }
            prop_assert!(offset >= at);
            left_out.push(&text[at..offset]);
            at = offset + part.len();
        }
        left_out.push(&text[at..]);
        left_out.retain(|piece| !piece.is_empty());
        prop_assert!(splice.parts().len() <= 5);
        for piece in left_out {
            let is_value = ["null", "false"].contains(&piece) || piece.starts_with('"');
            prop_assert!(is_value, "left out {:?}", piece);
        }
    }
}
