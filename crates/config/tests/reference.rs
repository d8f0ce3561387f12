//! The reference page of the configuration, whose tables are made from the types.
//!
//! `docs/reference/configuration.md` is written by hand between marks such as `<!-- fields: Server -->`, and what stands
//! below a mark up to `<!-- end -->` is made here: the fields of a mapping, the words of a choice, or what `check` says
//! about an example. `UPDATE_GOLDEN=1 cargo test -p sluicegate-config` writes those parts anew.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on has failed")]

use serde_json::Value;
use sluicegate_config::{Environment, Loader, schema};
use std::path::{Path, PathBuf};

/// Every variable is set but those that change what a file says, and every file can be read.
struct World;

impl Environment for World {
    fn variable(&self, name: &str) -> Option<String> {
        let proxy = name.to_ascii_lowercase().ends_with("_proxy");
        let own = ["STATE_DIRECTORY", "SLUICEGATE_DATA", "SLUICEGATE_MIGRATIONS_KILL"].contains(&name);
        (!proxy && !own && !name.starts_with("SLUICEGATE__")).then(|| format!("value-of-{name}"))
    }

    fn variables(&self, _: &str) -> Vec<(String, String)> {
        Vec::new()
    }

    fn read(&self, path: &Path) -> Result<String, String> {
        let certificate = path.extension().is_some_and(|extension| extension == "pem");
        let text = || format!("content-of-{}", path.display());
        Ok(if certificate { "-----BEGIN CERTIFICATE-----".to_owned() } else { text() })
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page() -> String {
    std::fs::read_to_string(root().join("docs/reference/configuration.md")).unwrap()
}

/// The name at the end of `#/$defs/Name`.
fn referred(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

/// What may be written for a value, in a few words.
fn kind(value: &Value, schema: &Value) -> String {
    if let Some(name) = referred(value) {
        let definition = &schema["$defs"][name];
        return match name {
            "Period" => "time".to_owned(),
            "Size" => "size".to_owned(),
            "Share" => "share: `50%`, or a number from 0 to 1".to_owned(),
            "Secret" => "`{ env: NAME }`, `{ file: PATH }` or text".to_owned(),
            "Targets" => format!("`provider/model`, or a list of {}", link("Weighted")),
            "Side" => format!("text, {}, or a list of such", link("Place")),
            "ListedModel" => format!("id, or {}", link("ModelFacts")),
            "RequestLog" => "`stderr`, `stdout`, `none` or path".to_owned(),
            "Address" => "address".to_owned(),
            "EndpointPath" => "path of an endpoint".to_owned(),
            _ if definition["properties"].is_object() => link(name),
            _ => kind(definition, schema),
        };
    }
    if let Some(word) = value["const"].as_str() {
        return format!("`{word}`");
    }
    if let Some(choices) = ["anyOf", "oneOf"].iter().find_map(|name| value[*name].as_array()) {
        let choices = choices.iter().filter(|choice| choice["type"] != "null").map(|choice| kind(choice, schema));
        return joined(choices.collect());
    }
    if let Some(words) = value["enum"].as_array() {
        return joined(words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect());
    }
    let types: Vec<&str> = match &value["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect(),
        one => one.as_str().into_iter().collect(),
    };
    match types[..] {
        ["string"] => "text".to_owned(),
        ["integer"] => "whole number".to_owned(),
        ["number"] => "number".to_owned(),
        ["boolean"] => "`true` or `false`".to_owned(),
        ["array"] => format!("list: {}", kind(&value["items"], schema)),
        ["object"] => {
            let entry = Some(&value["additionalProperties"]).filter(|entry| entry.is_object());
            let entry = entry.or_else(|| value["patternProperties"].as_object()?.values().next());
            entry.map_or("mapping".to_owned(), |entry| format!("by name: {}", kind(entry, schema)))
        }
        _ => panic!("no words for {value}"),
    }
}

fn joined(mut words: Vec<String>) -> String {
    words.dedup();
    let last = words.pop().unwrap_or_default();
    if words.is_empty() { last } else { format!("{} or {last}", words.join(", ")) }
}

fn link(name: &str) -> String {
    let anchor = page()
        .lines()
        .scan("", |heading, line| {
            if let Some(text) = line.strip_prefix("## ").or(line.strip_prefix("### ")) {
                *heading = text;
            }
            Some((*heading, line))
        })
        .find_map(|(heading, line)| (line == format!("<!-- fields: {name} -->")).then(|| heading.to_owned()));
    let heading = anchor.unwrap_or_else(|| panic!("the page has no `<!-- fields: {name} -->`"));
    let anchor: String = heading.to_lowercase().replace(' ', "-");
    let anchor: String = anchor.chars().filter(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect();
    format!("[{}](#{anchor})", heading.replace('`', ""))
}

fn in_a_cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

/// The table of a mapping's fields.
fn fields(name: &str, schema: &Value) -> String {
    let definition = if name == "File" { schema } else { &schema["$defs"][name] };
    let required: Vec<&str> =
        definition["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut table = "| field | value | |\n|---|---|---|\n".to_owned();
    for (field, value) in definition["properties"].as_object().unwrap() {
        let mut said = in_a_cell(value["description"].as_str().unwrap());
        match &value["default"] {
            Value::Null | Value::Object(_) => {}
            Value::Array(items) if items.is_empty() => {}
            Value::String(text) => said.push_str(&format!(" Default: `{text}`.")),
            other => said.push_str(&format!(" Default: `{other}`.")),
        }
        let needed = if required.contains(&field.as_str()) { " (required)" } else { "" };
        table.push_str(&format!("| `{field}`{needed} | {} | {said} |\n", in_a_cell(&kind(value, schema))));
    }
    table
}

/// The table of a choice's words.
fn words(name: &str, schema: &Value) -> String {
    let mut table = "| word | |\n|---|---|\n".to_owned();
    for choice in schema["$defs"][name]["oneOf"].as_array().unwrap() {
        let said = in_a_cell(choice["description"].as_str().unwrap());
        table.push_str(&format!("| `{}` | {said} |\n", choice["const"].as_str().unwrap()));
    }
    table
}

/// What `check` says an example means.
fn meaning(example: &str) -> String {
    let text = std::fs::read_to_string(root().join(example)).unwrap();
    let loaded = Loader::with_environment(&World).file(&text, example).unwrap();
    let width = loaded.meaning.iter().map(|line| line.subject.chars().count()).max().unwrap();
    let mut lines = String::new();
    let mut before = "";
    for line in &loaded.meaning {
        let subject = if line.subject == before { "" } else { line.subject.as_str() };
        lines.push_str(&format!("{subject:<width$}  {}\n", line.text));
        before = &line.subject;
    }
    format!("```text\n{lines}```\n")
}

/// The page with its made parts made anew.
fn made(page: &str) -> String {
    let schema = schema();
    let mut out = String::new();
    let mut inside = false;
    for line in page.lines() {
        inside &= line != "<!-- end -->";
        if !inside {
            out.push_str(line);
            out.push('\n');
        }
        let mark = line
            .strip_prefix("<!-- ")
            .and_then(|line| line.strip_suffix(" -->"))
            .and_then(|mark| mark.split_once(": "));
        let part = match mark {
            Some(("fields", name)) => fields(name, &schema),
            Some(("words", name)) => words(name, &schema),
            Some(("meaning", example)) => meaning(example),
            _ => continue,
        };
        out.push_str(&format!("\n{part}\n"));
        inside = true;
    }
    assert!(!inside, "a made part has no `<!-- end -->`");
    out
}

#[test]
fn the_tables_of_the_reference_are_the_types() {
    let (before, after) = (page(), made(&page()));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(root().join("docs/reference/configuration.md"), &after).unwrap();
    } else {
        assert!(before == after, "docs/reference/configuration.md is out of date: see the head of this file");
    }
}

#[test]
fn every_mapping_of_the_file_has_its_table() {
    let (schema, page) = (schema(), page());
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        // A secret's places are said where it stands.
        if definition["properties"].is_object() && name != "SecretSource" {
            assert!(page.contains(&format!("<!-- fields: {name} -->")), "{name}");
        }
    }
}

#[test]
fn every_example_of_the_reference_loads_without_a_warning() {
    let page = page();
    let examples: Vec<&str> = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() > 5);
    for example in examples {
        let loaded = Loader::with_environment(&World).file(example, "example.yaml");
        let loaded = loaded.unwrap_or_else(|found| panic!("{example}\n{}", found[0]));
        let warnings: Vec<_> = loaded.diagnostics.iter().filter(|found| found.code.starts_with('W')).collect();
        assert!(warnings.is_empty(), "{example}\n{warnings:?}");
    }
}
