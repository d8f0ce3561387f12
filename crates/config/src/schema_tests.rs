use super::*;
use crate::document::{Document, Node, Value};
use serde_json::json;
use std::path::Path;

/// The value that an editor would check: the file as plain data.
fn data(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null | Value::Rejected => serde_json::Value::Null,
        Value::Bool(truth) => json!(truth),
        Value::Number(_, written) => serde_json::from_str(written).unwrap(),
        Value::Text(text) => json!(text),
        Value::List(items) => items.iter().map(data).collect(),
        Value::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), data(&entry.node))).collect(),
    }
}

fn problems(text: &str) -> Vec<String> {
    let document = Document::parse(text, "f").unwrap();
    let validator = jsonschema::validator_for(&schema()).unwrap();
    validator.iter_errors(&data(&document.root)).map(|error| error.to_string()).collect()
}

#[test]
fn the_published_schema_is_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config.schema.json");
    let actual = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &actual).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(published == actual, "config.schema.json is out of date: UPDATE_GOLDEN=1 cargo test -p sluicegate-config");
}

#[test]
fn every_good_file_is_valid_by_the_schema() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for folder in ["../../examples", "tests/good"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                let found = problems(&std::fs::read_to_string(&path).unwrap());
                assert!(found.is_empty(), "{}: {found:?}", path.display());
                count += 1;
            }
        }
    }
    assert!(count >= 5);
    assert_eq!(problems(starter()), Vec::<String>::new());
}

#[test]
fn the_schema_refuses_what_the_program_refuses() {
    for text in [
        "lissten: 1",
        "server: { max_body: 32 }",
        "server: { max_body: 32 parsecs }",
        "server: { shutdown_grace: 30 }",
        "server: { listen: [] }",
        "providers: { a: { kind: openia } }",
        "rate_limits: { per_endpoint: enabled }",
        "rate_limits: { global: { rpm: lots } }",
        "models: { a: {} }",
        "models: { a: { to: [] } }",
        "keys: [{}]",
        "mode: gracious",
        "models: { a: { to: b/c, tier: best } }",
        "keys: [{ name: a, value: b, limits: { rpm: 0 } }]",
        "tenants: { a: { limits: { concurrency: 0 } } }",
        "tenants: { a: { limits: { burst_multiplier: 0 } } }",
        "providers: { a: { kind: simulated, max_concurrency: 0 } }",
        "priorities: { max_queue: 0 }",
        "priorities: { classes: { medium: {} } }",
        "server: { stream_keepalive: sometimes }",
        "metrics: [{ name: temperature }]",
    ] {
        assert!(!problems(text).is_empty(), "the schema accepts {text}");
        assert!(crate::load(text, "f").is_err(), "the program accepts {text}");
    }
}

#[test]
fn the_file_to_start_from_loads_without_a_warning() {
    let world = crate::testing::World::default();
    let loaded = world.load(starter()).unwrap();
    assert!(loaded.diagnostics.iter().all(|found| found.code.starts_with('N')), "{:?}", loaded.diagnostics);
    assert!(starter().starts_with("# yaml-language-server: $schema="));
}

#[test]
fn every_field_of_the_schema_is_described() {
    fn walk(value: &serde_json::Value, path: &str, missing: &mut Vec<String>) {
        if let Some(properties) = value.get("properties").and_then(|properties| properties.as_object()) {
            for (name, property) in properties {
                if property.get("description").is_none() {
                    missing.push(format!("{path}.{name}"));
                }
            }
        }
        if let Some(fields) = value.as_object() {
            fields.iter().for_each(|(name, value)| walk(value, &format!("{path}/{name}"), missing));
        }
    }
    let mut missing = Vec::new();
    walk(&schema(), "", &mut missing);
    assert!(missing.is_empty(), "{missing:?}");
}
