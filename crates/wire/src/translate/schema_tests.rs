use super::*;
use serde_json::json;

fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap()
}

fn openapi(value: &Value) -> Option<(Value, bool)> {
    to_openapi(&raw(value))
}

#[test]
fn strict_means_closed_objects_with_every_property_required() {
    let closed =
        json!({"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false});
    assert!(fits_strict(&raw(&closed)));
    for (key, value) in [("required", json!([])), ("additionalProperties", json!(true))] {
        let mut open = closed.clone();
        open[key] = value;
        assert!(!fits_strict(&raw(&open)), "{open}");
        let nested = json!({"type":"object","properties":{"x":{"type":"array","items":open}},"required":["x"],"additionalProperties":false});
        assert!(!fits_strict(&raw(&nested)), "{nested}");
    }
}

#[test]
fn the_openapi_subset_has_no_references_constants_or_type_lists() {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "kind": {"const": "circle"},
            "size": {"type": ["integer", "null"], "minimum": 1},
            "where": {"$ref": "#/$defs/point"},
            "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["kind"],
        "$defs": {"point": {"type": "object", "properties": {"x": {"type": "number"}}}},
    });
    let (clean, lost) = openapi(&schema).unwrap();
    assert_eq!(
        clean,
        json!({
            "type": "object",
            "properties": {
                "kind": {"enum": ["circle"], "type": "string"},
                "size": {"nullable": true, "type": "integer", "minimum": 1},
                "where": {"type": "object", "properties": {"x": {"type": "number"}}},
                "either": {"nullable": true, "type": "string"},
            },
            "required": ["kind"],
        })
    );
    assert!(!lost);
}

#[test]
fn what_the_subset_cannot_say_is_told() {
    assert!(openapi(&json!({"type": "object", "patternProperties": {}})).unwrap().1);
    assert!(openapi(&json!({"type": "string", "format": "email"})).unwrap().1);
    assert!(!openapi(&json!({"type": "string", "format": "date-time"})).unwrap().1);
}

#[test]
fn a_schema_that_contains_itself_is_refused() {
    let list = json!({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}}});
    assert_eq!(openapi(&list), None);
    let bomb = json!({"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {
        "a": {"$ref": "#/$defs/n"}, "b": {"$ref": "#/$defs/n"}, "c": {"$ref": "#/$defs/n"}}}}});
    assert_eq!(openapi(&bomb), None);
}

#[test]
fn geminis_schema_becomes_a_proper_one() {
    let schema = raw(&json!({
        "type": "OBJECT",
        "properties": {"n": {"type": "INTEGER", "nullable": true}, "l": {"type": "ARRAY", "items": {"type": "STRING"}, "minItems": "1"}},
        "propertyOrdering": ["n", "l"],
    }));
    let proper: Value = serde_json::from_str(from_openapi(&schema).unwrap().get()).unwrap();
    assert_eq!(
        proper,
        json!({
            "type": "object",
            "properties": {"n": {"type": ["integer", "null"]}, "l": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
        })
    );
}

#[test]
fn an_object_without_properties_gets_none_and_anything_else_stays_as_it_is() {
    let with = |text: &str| with_properties(&RawValue::from_string(text.to_owned()).unwrap()).get().to_owned();
    assert_eq!(with("{\"type\": \"object\"}"), "{\"type\": \"object\",\"properties\":{}}");
    for text in ["{}", "{\"type\":\"object\",\"properties\":{\"a\":1.0}}", "{\"type\":\"string\"}", "true"] {
        assert_eq!(with(text), text);
    }
}
