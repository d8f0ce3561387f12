use super::*;
use crate::translate::notes::{Notes, Policy};
use sluicegate_vocabulary::Format;

fn object(text: &str) -> Object<'_> {
    Object::request(text.as_bytes()).unwrap()
}

#[test]
fn a_wrong_type_is_told_with_its_path() {
    let mut root = object(r#"{"a": {"b": [{"c": "x"}]}}"#);
    let mut inner = root.object("a").unwrap().unwrap();
    let mut list = inner.objects("b").unwrap().unwrap();
    let fault = list[0].f64("c").unwrap_err();
    assert_eq!(fault.param.as_deref(), Some("a.b[0].c"));
    assert_eq!(fault.message, "`a.b[0].c` must be a number");
}

#[test]
fn a_providers_wrong_type_counts_as_absent() {
    let mut root = Object::answer(br#" {"a": "x", "b": [1, {"c": 2}]}"#).unwrap();
    assert_eq!(root.f64("a").unwrap(), None);
    assert_eq!(root.objects("b").unwrap().unwrap().len(), 1);
}

#[test]
fn a_key_given_twice_counts_once_with_its_last_value() {
    let mut root = object(r#"{"a": 1, "\u0061": 2}"#);
    assert_eq!(root.u64("a").unwrap(), Some(2));
    assert_eq!(root.rest().count(), 0);
}

#[test]
fn what_nobody_took_is_named_and_nulls_are_not() {
    let mut root = object(r#"{"a": 1, "b": null, "c": 2}"#);
    let _ = root.u64("a");
    let mut notes = Notes::new(Policy::Default, Format::Chat);
    root.note_rest(&mut notes).unwrap();
    assert_eq!(notes.into_dropped(), ["c"]);
    assert!(root.note_rest(&mut Notes::new(Policy::Strict, Format::Chat)).is_err());
}

#[test]
fn whole_numbers_may_be_written_as_floats_and_never_wrap() {
    let mut root = object(r#"{"a": 4096.0, "b": 1e3, "c": 1.5, "d": -1, "e": 1e400, "f": 99999999999999999999}"#);
    assert_eq!(root.u64("a").unwrap(), Some(4096));
    assert_eq!(root.u64("b").unwrap(), Some(1000));
    for key in ["c", "d", "e", "f"] {
        assert!(root.u64(key).is_err(), "{key}");
    }
}

#[test]
fn compact_text_loses_white_space_between_tokens_only() {
    let text = "{ \"a b\" : [ 1.50 , \"x\\\" y\\\\\" ,\n\t{} ] }";
    assert_eq!(compact(text), "{\"a b\":[1.50,\"x\\\" y\\\\\",{}]}");
}

#[test]
fn numbers_are_written_as_people_write_them() {
    let written = |n| String::from_utf8(to_vec(&Number(n)).unwrap()).unwrap();
    assert_eq!((written(1.0), written(0.7), written(-2.0)), ("1".into(), "0.7".into(), "-2".into()));
}
