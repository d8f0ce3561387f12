use crate::program::{Running, code, text, until};

const ONE: &str =
    "providers: { lab: { kind: simulated, ttft: 1ms, tokens_per_second: 0 } }\nmodels: { one: { to: lab/sim } }\n";
const TWO: &str = "providers: { lab: { kind: simulated, ttft: 1ms, tokens_per_second: 0 }, second: { kind: simulated, ttft: 1ms } }\nmodels: { two: { to: second/sim } }\n";

fn write(relay: &Running, text: &str) {
    std::fs::write(relay.folder.path().join("sluicegate.yaml"), text).unwrap();
}

fn models(relay: &Running) -> String {
    relay.get("/v1/models").body
}

#[test]
fn a_reload_by_command_says_what_is_in_force_and_the_new_provider_answers() {
    let relay = Running::serve(Some(ONE), &[], &[]);
    assert!(models(&relay).contains("\"one\""));
    write(&relay, TWO);
    let output = relay.beside(&["reload"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("is in force, was"), "{}", text(&output.stdout));
    assert!(models(&relay).contains("\"two\"") && !models(&relay).contains("\"one\""));
    let answer = relay.chat("two");
    assert_eq!(answer.header("x-sluicegate-provider"), Some("second"), "{}", answer.body);
    let again: serde_json::Value = serde_json::from_slice(&relay.beside(&["reload", "--json"]).stdout).unwrap();
    assert_eq!((&again["ok"], again["before"] == again["after"]), (&true.into(), true));
}

#[test]
fn a_reload_by_signal_does_the_same() {
    let relay = Running::serve(Some(ONE), &[], &[]);
    write(&relay, TWO);
    relay.signal("HUP");
    until("the second model", || models(&relay).contains("\"two\""));
    relay.says("is in force, was");
}

#[test]
fn a_broken_file_changes_nothing_and_everybody_hears_of_it() {
    let relay = Running::serve(Some(ONE), &[], &[]);
    write(&relay, "models: { one: { to: nowhere/sim } }\nserver: { lissten: 1 }\n");
    let output = relay.beside(&["reload"]);
    assert_eq!(code(&output), 78);
    let said = text(&output.stderr);
    assert!(said.contains("did you mean `listen`?") && said.contains("stays in force"), "{said}");
    let json = relay.beside(&["reload", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((code(&json), &report["ok"]), (78, &false.into()));
    assert!(report["diagnostics"].as_array().is_some_and(|list| !list.is_empty()), "{report}");
    relay.signal("HUP");
    relay.says("stays in force");
    assert_eq!(relay.chat("one").status, 200);
    assert!(relay.get("/metrics").body.contains("sluicegate_config_last_reload_successful 0"));
    assert_eq!(code(&relay.beside(&["status"])), 3);
    write(&relay, ONE);
    assert_eq!(code(&relay.beside(&["reload"])), 0);
    assert_eq!(code(&relay.beside(&["status"])), 0);
}

#[test]
fn a_change_that_needs_a_restart_is_told_by_exit_3() {
    let relay = Running::serve(Some(ONE), &[], &[]);
    write(&relay, &format!("{TWO}server: {{ http2: false }}\n"));
    let output = relay.beside(&["reload"]);
    assert_eq!(code(&output), 3, "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("server.http2"), "{}", text(&output.stderr));
    assert!(models(&relay).contains("\"two\""));
}

#[test]
fn a_reload_cannot_open_the_relay_to_others_by_taking_its_keys_away() {
    let file = format!("{ONE}keys: [{{ name: a, value_env: KEY }}]\n");
    let relay = Running::serve(Some(&file), &["--listen", "0.0.0.0:0"], &[("KEY", "sk-sg-0123456789abcdef")]);
    write(&relay, ONE);
    let output = relay.beside(&["reload"]);
    assert_eq!(code(&output), 78);
    assert!(text(&output.stderr).contains("E040"), "{}", text(&output.stderr));
}

#[test]
fn without_a_relay_a_reload_ends_with_69() {
    let folder = tempfile::tempdir().unwrap();
    let output = crate::program::output(folder.path(), &["reload"]);
    assert_eq!(code(&output), 69);
}
