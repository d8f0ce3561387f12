//! The cache and choices as operators see them.

use crate::program::{Running, command, text};
use serde_json::Value;
use std::io::Write as _;
use std::process::Stdio;

const FILE: &str = "
providers: { lab: { kind: simulated } }
models: { small: { to: lab/small }, large: { to: lab/large } }
choices:
  auto:
    default: large
    rules: [{ name: short, when: { shorter_than: 50, code: false }, use: small }]
cache: { exact: { only_when: always } }
";

fn json(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)))
}

#[test]
fn what_is_kept_is_shown_and_can_be_thrown_out() {
    let relay = Running::serve(Some(FILE), &[], &[]);
    let kinds: Vec<_> = (0..3).map(|_| relay.chat("auto").header("x-sluicegate-cache").map(str::to_owned)).collect();
    assert_eq!(kinds, ["miss", "hit", "hit"].map(|kind| Some(kind.to_owned())));
    assert!(relay.chat("auto").header("x-sluicegate-choice").is_some_and(|said| said.starts_with("small; rule=short")));
    let shown = json(&relay.beside(&["cache", "show", "--json"]));
    assert_eq!((&shown["schema"], &shown["entries"]), (&"sluicegate.cache/v1".into(), &1.into()), "{shown}");
    let said = text(&relay.beside(&["cache", "show"]).stdout);
    assert!(said.contains("of 268 435 456 bytes") && said.contains("of 4 calls (75.0 %)"), "{said}");
    assert_eq!(json(&relay.beside(&["cache", "purge", "--model", "other model", "--json"]))["purged"], 0);
    assert_eq!(text(&relay.beside(&["cache", "purge"]).stdout), "1 answers thrown out\n");
    assert_eq!(relay.chat("auto").header("x-sluicegate-cache"), Some("miss"));
    let metrics = relay.get("/metrics").body;
    for name in ["sluicegate_choices_total{choice=\"auto\",rule=\"short\"} 5", "# TYPE sluicegate_choice_saved_usd"] {
        assert!(metrics.contains(name), "{metrics}");
    }
}

#[test]
fn without_a_cache_there_is_nothing_to_throw_out() {
    let relay = Running::serve(Some("providers: { lab: { kind: simulated } }"), &[], &[]);
    assert!(text(&relay.beside(&["cache", "show"]).stdout).starts_with("there is no cache"));
    let purged = relay.beside(&["cache", "purge"]);
    assert_eq!(purged.status.code(), Some(1));
    assert!(text(&purged.stderr).contains("there is no cache"));
}

#[test]
fn a_choice_is_explained_rule_by_rule_without_a_relay() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sluicegate.yaml"), FILE).unwrap();
    let explain = |arguments: &[&str], request: &str| {
        let mut child = command(folder.path())
            .args([&["route", "explain"], arguments].concat())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let request = r#"{"model":"auto","messages":[{"role":"user","content":"what is ```x``` in this?"}]}"#;
    let said = text(&explain(&[], request).stdout);
    assert!(said.contains("short    no      small  there is code"), "{said}");
    assert!(said.contains("default  chosen  large") && said.ends_with("auto goes to large\n"), "{said}");
    let found = json(&explain(&["--json"], &request.replace('`', "")));
    assert_eq!((&found["rule"], &found["model"]), (&"short".into(), &"small".into()), "{found}");
    assert_eq!(found["rules"][0]["verdict"], "chosen");
    assert_eq!(explain(&[], "not json").status.code(), Some(1));
    let unknown = explain(&["--choice", "other"], request);
    assert!(text(&unknown.stderr).contains("there are: auto"));
}
