use super::*;

fn make(schema: Value) -> Value {
    value(&schema, &mut Rng::with_seed(3))
}

#[test]
fn an_object_has_what_is_required_with_the_right_types() {
    let got = make(json!({
        "type": "object",
        "properties": {
            "city": { "type": "string" },
            "days": { "type": "integer", "minimum": 3, "maximum": 5 },
            "unit": { "enum": ["c", "f"] },
            "wind": { "type": ["null", "number"] },
            "tags": { "type": "array", "items": { "type": "string" }, "minItems": 3, "uniqueItems": true },
            "pair": { "type": "array", "prefixItems": [{ "type": "integer" }, { "type": "boolean" }] },
            "when": { "type": "string", "format": "date-time" },
            "code": { "type": "string", "pattern": "^[A-Z]{3}-\\d{2,4}(x|y)?$" }
        },
        "required": ["city", "extra"],
        "additionalProperties": false
    }));
    assert_eq!(got["city"], "Paris");
    assert!((3..=5).contains(&got["days"].as_i64().unwrap()));
    assert!(got["unit"] == "c" || got["unit"] == "f");
    assert!(got["wind"].is_f64());
    assert_eq!(got["tags"].as_array().unwrap().len(), 3);
    assert!(got["pair"][0].is_i64() && got["pair"][1].is_boolean());
    assert_eq!(got["when"], "2026-11-21T10:00:05Z");
    let code = got["code"].as_str().unwrap();
    assert!(code.len() == 7 && code.ends_with('x') && code[..3].chars().all(|c| c.is_ascii_uppercase()), "{code}");
    assert!(got.get("extra").is_some());
}

#[test]
fn bounds_hold_for_any_draw() {
    for seed in 0..200 {
        let mut rng = Rng::with_seed(seed);
        let n = value(&json!({"type": "integer", "exclusiveMinimum": 0, "maximum": 100, "multipleOf": 7}), &mut rng);
        let n = n.as_i64().unwrap();
        assert!(n > 0 && n <= 100 && n % 7 == 0, "{n}");
        let x = value(&json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001}), &mut rng);
        let x = x.as_f64().unwrap();
        assert!(x > 0.0 && x < 0.001, "{x}");
        let s = value(&json!({"type": "STRING", "minLength": 11, "maxLength": 12}), &mut rng);
        assert!((11..=12).contains(&s.as_str().unwrap().len()));
    }
}

#[test]
fn a_schema_that_refers_to_itself_ends() {
    let got = make(json!({
        "$ref": "#/$defs/node",
        "$defs": { "node": {
            "type": "object",
            "properties": {
                "value": { "type": "integer" },
                "next": { "anyOf": [{ "$ref": "#/$defs/node" }, { "type": "null" }] },
                "children": { "type": "array", "items": { "$ref": "#/$defs/node" } }
            },
            "required": ["value", "next", "children"]
        } }
    }));
    assert!(got["value"].is_i64() && got["next"].is_object());
    assert!(got.to_string().len() < 100_000);
    assert_eq!(make(json!({ "$ref": "#" })), Value::Null);
}

#[test]
fn all_of_is_merged_and_one_of_takes_a_real_way() {
    let got = make(json!({
        "allOf": [
            { "type": "object", "properties": { "a": { "const": 1 } }, "required": ["a"] },
            { "properties": { "b": { "oneOf": [{ "type": "null" }, { "type": "boolean" }] } } }
        ]
    }));
    assert_eq!(got["a"], 1);
    assert!(got["b"].is_boolean());
}

#[test]
fn odd_schemas_never_panic() {
    for schema in [
        json!(true),
        json!({}),
        json!({"type": 7}),
        json!({"enum": []}),
        json!({"type": "array", "minItems": u64::MAX, "items": {}}),
        json!({"type": "integer", "minimum": 1e300}),
        json!({"type": "integer", "minimum": 5, "maximum": 1}),
        json!({"type": "number", "minimum": 5, "maximum": 1}),
        json!({"type": "string", "pattern": "(((((((((((((((((((a)"}),
        json!({"type": "string", "pattern": "[z-a]{9999999}"}),
        json!({"type": "string", "minLength": u64::MAX}),
        json!({"type": "integer", "multipleOf": 0}),
        json!({"type": "integer", "minimum": i64::MIN, "multipleOf": 3}),
        json!({"$ref": "#/nowhere"}),
        json!({"type": "string", "pattern": "(((a{999}){999}){999}){999}"}),
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "array", "minItems": 60, "items": {"$ref": "#/$defs/a"}}}}),
        json!({"allOf": [{"$ref": "#"}]}),
    ] {
        make(schema);
    }
}
