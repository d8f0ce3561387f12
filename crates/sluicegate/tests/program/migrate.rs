//! Moving traffic by command, over a running relay that may be killed.

use crate::program::{Running, code, posting, request, text, until};
use serde_json::Value;
use std::process::Output;
use std::sync::Arc;

const FILE: &str = "
providers:
  old: { kind: simulated, ttft: 1ms, tokens_per_second: 0 }
  new: { kind: simulated, ttft: 1ms, tokens_per_second: 0, seed: 7 }
models:
  m: { to: old/sim }
migrations:
  move:
    model: m
    from: old/sim
    to: new/sim
    sticky_by: header:x-session
    on_inconclusive: advance
    steps:
      - { traffic: 20%, hold: 10m }
      - { traffic: 50%, approval: manual }
";

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)))
}

/// Of forty sessions, which are on the new side.
fn sides(relay: &Running) -> Vec<bool> {
    let body = r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#;
    let side = |session: usize| {
        let headers = format!("x-session: s{session}\r\n");
        let answer = request(&relay.address(), &posting("/v1/chat/completions", &headers, body));
        assert_eq!(answer.status, 200);
        answer.header("x-sluicegate-arm") == Some("new")
    };
    (0..40).map(side).collect()
}

fn status(relay: &Running) -> Value {
    json(&relay.beside(&["migrate", "status", "move", "--json"]))["migrations"][0].clone()
}

/// A receiver of webhooks: its address, and the heads and bodies of what it was told.
fn receiver() -> (String, Arc<std::sync::Mutex<Vec<String>>>) {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/hook", listener.local_addr().unwrap());
    let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let hears = Arc::clone(&hears);
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let (mut text, mut piece) = (String::new(), [0; 4096]);
                while let Ok(n @ 1..) = stream.read(&mut piece) {
                    text.push_str(&String::from_utf8_lossy(&piece[..n]));
                    // The body is one JSON object, and ends with the brace that ends it.
                    if text.contains("\r\n\r\n") && text.ends_with("}}") {
                        hears.lock().unwrap().push(std::mem::take(&mut text));
                        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
                    }
                }
            });
        }
    });
    (address, heard)
}

#[test]
fn whoever_is_named_is_told_what_happens_to_a_migration_and_of_alerts() {
    let (address, heard) = receiver();
    let file = format!(
        "{FILE}
metrics:
  - {{ name: in_flight, alert_threshold: '>=0' }}
alerts:
  to:
    pager: {{ url: '{address}', secret_env: PAGER_HMAC }}
    other: {{ url: '{address}/other', secret_env: PAGER_HMAC }}
  rules:
    - {{ when: migration, to: [pager] }}
    - {{ when: alert.raised, to: [pager, other] }}
"
    );
    let relay = Running::serve(Some(&file), &[], &[("PAGER_HMAC", "a-long-secret")]);
    for order in ["start", "advance", "rollback"] {
        let done = relay.beside(&["migrate", order, "move", "--who", "ada", "--why", "it is time"]);
        assert_eq!(code(&done), 0, "{}", text(&done.stderr));
    }
    let told = |path: &str, event: &str| {
        let heard = heard.lock().unwrap();
        let is_it = |told: &&String| {
            told.starts_with(&format!("POST {path} ")) && told.contains(&format!("x-sluicegate-event: {event}\r\n"))
        };
        heard.iter().find(is_it).cloned()
    };
    for event in ["migration.started", "migration.advanced", "migration.rolled_back", "alert.raised"] {
        until(event, || told("/hook", event).is_some());
    }
    until("the other", || told("/hook/other", "alert.raised").is_some());
    assert_eq!(told("/hook/other", "migration.started"), None, "it was named for alerts only");
    let onward = told("/hook", "migration.advanced").unwrap();
    assert!(onward.contains("move advanced to ") && onward.contains(" % by ada: it is time"), "{onward}");
    let back = told("/hook", "migration.rolled_back").unwrap();
    assert!(back.contains("x-sluicegate-signature: t=") && !back.contains("a-long-secret"), "{back}");
    let body: Value = serde_json::from_str(back.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(
        (&body["level"], &body["data"]["migration"], &body["data"]["who"], &body["data"]["why"]),
        (&"page".into(), &"move".into(), &"ada".into(), &"it is time".into()),
        "{body}"
    );
    until("counted", || {
        let delivered = "sluicegate_webhook_deliveries_total{receiver=\"pager\",outcome=\"delivered\"} 4";
        relay.get("/metrics").body.lines().any(|line| line == delivered)
    });
}

#[test]
fn a_kill_in_the_middle_of_a_step_changes_nobodys_side() {
    let relay = Running::serve(Some(FILE), &[], &[]);
    assert!(sides(&relay).iter().all(|new| !*new), "nothing moves before it is started");
    let started = relay.beside(&["migrate", "start", "move", "--who", "ada", "--why", "it is time"]);
    assert_eq!(code(&started), 0, "{}", text(&started.stderr));
    let before = sides(&relay);
    assert!(before.iter().any(|new| *new) && before.iter().any(|new| !*new), "{before:?}");
    // What is counted is kept every second.
    until("kept", || {
        let kept = std::fs::read_to_string(relay.folder.path().join("data/migrations/move.json")).unwrap_or_default();
        kept.contains("\"old_calls\":") && !kept.contains("\"old_calls\":0")
    });
    let (folder, seed) = (Arc::clone(&relay.folder), status(&relay)["seed"].clone());
    let mut relay = relay;
    relay.child.kill().unwrap();
    relay.child.wait().unwrap();
    let relay = Running::serve_in(&folder, &[], &[]);
    let now = status(&relay);
    assert_eq!(
        (&now["phase"], &now["step"], &now["seed"], &now["run"]),
        (&"running".into(), &1.into(), &seed, &1.into())
    );
    assert!(now["new_calls"].as_u64().unwrap() > 0, "{now}");
    assert_eq!(sides(&relay), before);
    let again = relay.beside(&["migrate", "start", "move"]);
    assert_eq!((code(&again), status(&relay)["run"].as_u64()), (0, Some(1)), "two starts are one");
    let history = json(&relay.beside(&["migrate", "history", "move", "--json"]));
    assert_eq!(history["entries"].as_array().unwrap().len(), 1);
    assert_eq!((&history["entries"][0]["who"], &history["entries"][0]["why"]), (&"ada".into(), &"it is time".into()));
}

#[test]
fn a_migration_is_led_by_commands_to_its_end_and_back() {
    let relay = Running::serve(Some(FILE), &[], &[]);
    let said = |arguments: &[&str]| {
        let output = relay.beside(arguments);
        (code(&output), text(&output.stdout) + &text(&output.stderr))
    };
    assert_eq!(said(&["migrate", "pause", "move"]).0, 1, "nothing is under way");
    assert_eq!(said(&["migrate", "status", "nobody"]).0, 1);
    assert_eq!(said(&["migrate", "start", "move"]).0, 0);
    assert_eq!(said(&["migrate", "pause", "move"]).0, 0);
    assert_eq!(status(&relay)["phase"], "paused");
    assert_eq!(said(&["migrate", "resume", "move"]).0, 0);
    assert_eq!(said(&["migrate", "advance", "move"]).0, 0);
    assert_eq!(said(&["migrate", "promote", "move", "--why", "sure"]).0, 0);
    let (exit, shown) = said(&["migrate", "status", "move", "--wait", "--timeout", "5s"]);
    assert!(exit == 0 && shown.contains("promoted"), "{exit} {shown}");
    assert!(sides(&relay).iter().all(|new| *new));
    let metrics = relay.get("/metrics").body;
    for name in ["calls", "events", "under_way", "weight"] {
        assert!(metrics.contains(&format!("# TYPE sluicegate_migration_{name} ")), "{name}: {metrics}");
    }
    assert!(metrics.contains("sluicegate_migration_weight{migration=\"move\"} 1.0"), "{metrics}");
    assert_eq!(said(&["migrate", "rollback", "move", "--why", "not so sure"]).0, 0);
    assert!(sides(&relay).iter().all(|new| !*new), "back at once");
    let (exit, shown) = said(&["migrate", "status", "move"]);
    assert!(exit == 3 && shown.contains("not so sure"), "{exit} {shown}");
    assert!(said(&["migrate", "list"]).1.contains("rolled back"));
    relay.says("migration move rolled back");
}

#[test]
fn an_environment_variable_read_at_the_start_sends_everything_back() {
    let relay = Running::serve(Some(FILE), &[], &[]);
    assert_eq!(code(&relay.beside(&["migrate", "start", "move"])), 0);
    let folder = Arc::clone(&relay.folder);
    drop(relay);
    let relay = Running::serve_in(&folder, &[], &[("SLUICEGATE_MIGRATIONS_KILL", "move")]);
    assert_eq!(status(&relay)["phase"], "rolled_back");
    assert!(sides(&relay).iter().all(|new| !*new));
    let refused = relay.beside(&["migrate", "start", "move"]);
    assert_eq!(code(&refused), 1);
    assert!(text(&refused.stderr).contains("kill switch"), "{}", text(&refused.stderr));
}
