//! What operators see of providers and say about them: the commands, over a running relay.

use crate::program::{Running, code, posting, request, text, until};
use serde_json::Value;
use std::process::Output;
use std::sync::Arc;
use std::thread::spawn;

const FILE: &str = "
providers:
  lab:
    kind: simulated
    ttft: 1ms
    tokens_per_second: 0
    keys:
      - { name: first, env: FIRST }
      - { name: spare, env: SPARE, role: standby }
models: { sim: { to: lab/sim } }
";

fn serve() -> Running {
    Running::serve(Some(FILE), &[], &[("FIRST", "key-of-the-first"), ("SPARE", "key-of-the-spare")])
}

fn call(relay: &Running) -> u16 {
    let body = r#"{"model":"sim","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#;
    request(&relay.address(), &posting("/v1/chat/completions", "", body)).status
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)))
}

/// Calls made with the first key and the spare one.
fn calls(relay: &Running) -> (u64, u64) {
    let page = json(&relay.beside(&["providers", "--json"]));
    let count = |key: usize| page["providers"][0]["keys"][key]["calls"].as_u64().unwrap();
    (count(0), count(1))
}

#[test]
fn a_key_that_is_held_is_replaced_by_the_one_that_stands_by() {
    let relay = serve();
    assert_eq!(call(&relay), 200);
    assert_eq!(calls(&relay), (1, 0));
    let held = relay.beside(&["providers", "hold", "lab/first"]);
    assert_eq!(code(&held), 0, "{}", text(&held.stderr));
    assert_eq!(call(&relay), 200);
    assert_eq!(calls(&relay), (1, 1));
    assert_eq!(code(&relay.beside(&["providers", "resume", "lab/first"])), 0);
    assert_eq!(call(&relay), 200);
    assert_eq!(calls(&relay), (2, 1));
    assert_eq!(code(&relay.beside(&["providers", "retire", "lab/first"])), 0);
    let promoted = json(&relay.beside(&["providers", "promote", "lab/spare", "--json"]));
    assert_eq!(promoted["schema"], "sluicegate.providers/v1");
    let roles = |page: &Value| [0, 1].map(|key| page["providers"][0]["keys"][key]["role"].as_str().unwrap().to_owned());
    assert_eq!(roles(&promoted), ["held", "primary"]);
    assert_eq!(call(&relay), 200);
    assert_eq!(calls(&relay), (2, 2));
}

#[test]
fn a_provider_that_is_held_gets_no_calls_until_it_is_resumed() {
    let relay = serve();
    assert_eq!(code(&relay.beside(&["providers", "hold", "lab"])), 0);
    let refused = call(&relay);
    assert!(refused >= 500, "{refused}");
    let table = text(&relay.beside(&["providers"]).stdout);
    assert!(table.contains("held") && table.contains("  spare") && table.contains("standby"), "{table}");
    assert_eq!(code(&relay.beside(&["providers", "resume", "lab"])), 0);
    assert_eq!(call(&relay), 200);
    let shown = text(&relay.beside(&["providers", "show", "lab"]).stdout);
    assert!(shown.contains("breaker") && shown.contains("retries"), "{shown}");
}

#[test]
fn a_test_says_whether_every_key_works() {
    let relay = serve();
    let tested = relay.beside(&["providers", "test", "lab"]);
    let said = text(&tested.stdout);
    assert_eq!(code(&tested), 0, "{said}{}", text(&tested.stderr));
    assert!(said.contains("lab/first  works") && said.contains("lab/spare  works"), "{said}");
    let one = json(&relay.beside(&["providers", "test", "lab/spare", "--json"]));
    assert_eq!(one["tests"][0]["verdict"], "works");
    assert_eq!(one["tests"].as_array().map(Vec::len), Some(1));
}

#[test]
fn who_is_not_there_is_told_by_name() {
    let relay = serve();
    for (arguments, said) in [
        (vec!["providers", "show", "nobody"], "nobody"),
        (vec!["providers", "hold", "lab/nobody"], "nobody"),
        (vec!["providers", "test", "nobody"], "nobody"),
        (vec!["providers", "promote", "lab"], "PROVIDER/KEY"),
        (vec!["providers", "show", "lab/nobody"], "nobody"),
    ] {
        let output = relay.beside(&arguments);
        assert_eq!(code(&output), 1, "{arguments:?}");
        assert!(text(&output.stderr).contains(said), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_drain_waits_for_what_is_under_way_and_says_when_the_time_was_too_short() {
    let slow = FILE.replace("ttft: 1ms", "latency: 2s");
    let keys = [("FIRST", "key-of-the-first"), ("SPARE", "key-of-the-spare")];
    let relay = Arc::new(Running::serve(Some(&slow), &[], &keys));
    let caller = Arc::clone(&relay);
    let under_way = spawn(move || call(&caller));
    until("the call is under way", || json(&relay.beside(&["providers", "--json"]))["providers"][0]["in_flight"] == 1);
    let hasty = relay.beside(&["providers", "drain", "lab", "--timeout", "1ms"]);
    assert_eq!(code(&hasty), 3, "{}", text(&hasty.stderr));
    assert!(text(&hasty.stderr).contains("1 under way"), "{}", text(&hasty.stderr));
    let patient = relay.beside(&["providers", "drain", "lab"]);
    assert_eq!(code(&patient), 0, "{}", text(&patient.stderr));
    assert_eq!(under_way.join().unwrap(), 200);
}

#[test]
fn a_key_is_taken_from_its_file_again_when_the_file_changes() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let key = folder.path().join("key");
    std::fs::write(&key, "the-old-key\n").unwrap();
    let file = "providers: { lab: { kind: simulated, ttft: 1ms, api_key: { file: key } } }\nmodels: { sim: { to: lab/sim } }\n";
    std::fs::write(folder.path().join("sluicegate.yaml"), file).unwrap();
    let relay = Running::serve_in(&folder, &[], &[]);
    assert_eq!(call(&relay), 200);
    let made = || json(&relay.beside(&["providers", "--json"]))["providers"][0]["keys"][0]["calls"].clone();
    assert_eq!(made(), 1);
    std::fs::write(&key, "another-key-of-another-length\n").unwrap();
    // Another secret is another key, whatever it is called, and nothing is known of it.
    until("the new key is in use", || made() == 0);
    assert_eq!(call(&relay), 200);
    assert_eq!(made(), 1);
}
