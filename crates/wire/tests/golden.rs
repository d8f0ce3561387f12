//! Golden files: every direction between the four formats, as it was read and judged by eye.
//!
//! `golden/requests/<case>.<from>.json` is a request in one format; beside it stands what becomes of it in each of the
//! others, `<case>.<from>-to-<to>.json`: the body and what was left out, or the refusal. `responses` and `streams` hold
//! providers' answers the same way. `UPDATE_GOLDEN=1` writes the files anew; whoever does that reads the difference.
//!
//! `golden/options.json` says where a case is meant for other models than the usual ones, or for another policy.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here fails the test")]

use serde_json::{Value, json};
use sluicegate_vocabulary::{Fault, Format};
use sluicegate_wire::quirks::Table;
use sluicegate_wire::tap::StreamEnd;
use sluicegate_wire::translate::{self, Context, Job, Policy, StreamTranslator, ids, neutral, responses};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The model that stands for each format, unless a case says otherwise.
const MODELS: [(Format, &str, &str); 4] = [
    (Format::Chat, "openai", "gpt-4.1"),
    (Format::Responses, "openai", "gpt-5.6"),
    (Format::Messages, "anthropic", "claude-sonnet-4-5"),
    (Format::Generate, "gemini", "gemini-3-pro"),
];

struct Case {
    name: String,
    from: Format,
    body: Vec<u8>,
    options: Value,
}

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(kind)
}

fn format(word: &str) -> Option<Format> {
    Format::ALL.into_iter().find(|format| format.as_str() == word)
}

fn cases(kind: &str, ending: &str) -> Vec<Case> {
    let options: Value =
        serde_json::from_slice(&std::fs::read(folder("").join("options.json")).expect("options.json")).expect("JSON");
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder(kind)).expect("golden folder") {
        let path = entry.expect("entry").path();
        let file = path.file_name().expect("name").to_string_lossy().into_owned();
        let Some((name, from)) = file.strip_suffix(ending).and_then(|stem| stem.rsplit_once('.')) else { continue };
        let Some(from) = format(from) else { continue };
        let body = std::fs::read(&path).expect("case");
        cases.push(Case { name: name.to_owned(), from, body, options: options[name].clone() });
    }
    cases.sort_by(|a, b| (&a.name, a.from).cmp(&(&b.name, b.from)));
    assert!(!cases.is_empty(), "no cases in {kind}");
    cases
}

/// Compares, or writes with `UPDATE_GOLDEN=1`; collects differences so that one run shows them all.
#[derive(Default)]
struct Ledger {
    seen: BTreeSet<PathBuf>,
    wrong: Vec<String>,
}

impl Ledger {
    fn check(&mut self, path: PathBuf, actual: &str) {
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, actual).expect("golden file");
        } else {
            let expected = std::fs::read_to_string(&path).unwrap_or_default();
            if expected != actual {
                self.wrong.push(format!("--- {}\n--- expected\n{expected}\n--- actual\n{actual}", path.display()));
            }
        }
        self.seen.insert(path);
    }

    fn finish(self, kind: &str) {
        for entry in std::fs::read_dir(folder(kind)).expect("golden folder") {
            let path = entry.expect("entry").path();
            assert!(
                !path.to_string_lossy().contains("-to-") || self.seen.contains(&path),
                "{} belongs to no case",
                path.display()
            );
        }
        assert!(self.wrong.is_empty(), "{} differ\n{}", self.wrong.len(), self.wrong.join("\n"));
    }
}

fn target(case: &Case, kind: &str, to: Format, ending: &str) -> PathBuf {
    folder(kind).join(format!("{}.{}-to-{}{ending}", case.name, case.from.as_str(), to.as_str()))
}

fn refusal(fault: &Fault) -> Value {
    json!({"refused": {
        "kind": fault.kind.as_str(),
        "status": fault.kind.status(),
        "param": fault.param,
        "code": fault.code,
        "message": fault.message,
    }})
}

fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("JSON");
    text.push('\n');
    text
}

fn others(from: Format) -> impl Iterator<Item = Format> {
    Format::ALL.into_iter().filter(move |to| *to != from)
}

#[test]
fn requests_translate_as_reviewed() {
    let mut ledger = Ledger::default();
    for case in cases("requests", ".json") {
        for to in others(case.from) {
            let (_, provider, usual) = MODELS.into_iter().find(|(format, ..)| *format == to).expect("all formats");
            let model = case.options[to.as_str()].as_str().unwrap_or(usual);
            let provider = case.options["provider"].as_str().unwrap_or(provider);
            let quirks = Table::bundled().for_model(provider, model);
            let policy = match case.options["policy"].as_str() {
                Some("strict") => Policy::Strict,
                Some("lenient") => Policy::Lenient,
                _ => Policy::Default,
            };
            let job = Job {
                client: case.from,
                upstream: to,
                model,
                public_model: "alias",
                stream: case.options["stream"].as_bool(),
                quirks: &quirks,
                policy,
                now: 1_790_000_000,
                call_id: "0123456789abcdef",
            };
            let actual = match translate::request(&case.body, &job) {
                Ok(outbound) => {
                    let body: Value = serde_json::from_slice(&outbound.body).expect("a translated body is JSON");
                    json!({"dropped": outbound.dropped, "stream": outbound.stream, "body": body})
                }
                Err(fault) => refusal(&fault),
            };
            ledger.check(target(&case, "requests", to, ".json"), &pretty(&actual));
        }
    }
    ledger.finish("requests");
}

fn context(case: &Case, to: Format) -> Context {
    let prompt = neutral::Prompt { source: Some(to), ..neutral::Prompt::default() };
    Context {
        client: to,
        upstream: case.from,
        model: "asked-for-model".to_owned(),
        stream: false,
        include_usage: case.options["include_usage"].as_bool().unwrap_or(true),
        show_reasoning: case.options["show_reasoning"].as_bool().or(Some(true)),
        now: 1_790_000_000,
        call_id: "0123456789abcdef".to_owned(),
        names: ids::Names::default(),
        emulated_schema: false,
        legacy_functions: case.options["legacy_functions"].as_bool().unwrap_or(false),
        echo: (to == Format::Responses).then(|| Box::new(responses::Echo::of(&prompt))),
    }
}

#[test]
fn responses_translate_as_reviewed() {
    let mut ledger = Ledger::default();
    for case in cases("responses", ".json") {
        for to in others(case.from) {
            let actual = match translate::response(&case.body, &context(&case, to)) {
                Ok(inbound) => serde_json::from_slice(&inbound.body).expect("a translated body is JSON"),
                Err(fault) => refusal(&fault),
            };
            ledger.check(target(&case, "responses", to, ".json"), &pretty(&actual));
        }
    }
    ledger.finish("responses");
}

#[test]
fn streams_translate_as_reviewed() {
    let mut ledger = Ledger::default();
    for case in cases("streams", ".sse") {
        for to in others(case.from) {
            let mut stream = StreamTranslator::new(context(&case, to));
            let mut out = Vec::new();
            let end = match stream.push(&case.body, &mut out) {
                Ok(()) => stream.finish(&mut out),
                Err(_) => StreamEnd::Failed,
            };
            if end != StreamEnd::Complete {
                let truncated = translate::notes::broken("the provider's stream ended before it was complete");
                let fault = stream.error().cloned().unwrap_or(truncated);
                stream.fail(&fault, &mut out);
            }
            let text = String::from_utf8(out).expect("UTF-8");
            ledger.check(target(&case, "streams", to, ".sse"), &format!(": {end:?}\n{text}"));
        }
    }
    ledger.finish("streams");
}
