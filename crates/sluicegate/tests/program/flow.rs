//! What operators see of flow control: `quota`, `top`, alerts, metrics.

use crate::program::{Running, code, command, output, posting, request, text, until};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::Value;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};

/// A key that is refused after three calls, and one whose calls go one after the other.
pub(crate) const FILE: &str = "
providers:
  lab: { kind: simulated, latency: 1500ms, ttft: 1ms, tokens_per_second: 0, requests_per_minute: 100000, adaptive_concurrency: true }
models: { sim: { to: lab/sim, limits: { rpm: 1, shadow: true } } }
keys:
  - { name: hasty, value_env: HASTY, mode: strict, limits: { rpm: 3, tpm: 1000000 } }
  - { name: patient, value_env: PATIENT, limits: { concurrency: 1 } }
metrics:
  - { name: bucket_fill_percentage, alert_threshold: \"<=0%\" }
  - { name: queue_depth, alert_threshold: \">100\", for: 1m }
";
const HASTY: &str = "sk-sg-hasty-0123456789";
const PATIENT: &str = "sk-sg-patient-0123456789";

pub(crate) fn serve() -> Running {
    Running::serve(Some(FILE), &[], &[("HASTY", HASTY), ("PATIENT", PATIENT)])
}

/// Calls of a key, all at once.
fn calls(relay: &Running, key: &str, count: usize) -> Vec<JoinHandle<u16>> {
    let body = r#"{"model":"sim","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}"#;
    let text = posting("/v1/chat/completions", &format!("authorization: Bearer {key}\r\n"), body);
    let one = |_| {
        let (address, text) = (relay.address(), text.clone());
        spawn(move || request(&address, &text).status)
    };
    (0..count).map(one).collect()
}

/// Three calls of the hasty key that are answered and two that are refused, and two of the patient one, of which one
/// waits.
pub(crate) fn traffic(relay: &Running) {
    let calls = calls(relay, HASTY, 5).into_iter().chain(calls(relay, PATIENT, 2));
    let mut codes: Vec<u16> = calls.map(|call| call.join().unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(codes, [200, 200, 200, 200, 200, 429, 429]);
}

fn json(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)))
}

#[test]
fn a_used_up_limit_is_seen_in_quota_top_status_metrics_and_the_log() {
    let relay = serve();
    let calls = calls(&relay, HASTY, 5);
    // Of the key's limit or of the model's, whichever it was when the rule looked.
    relay.says("alert: bucket_fill_percentage is 0% (<=0%): ");
    until("two refusals", || json(&relay.beside(&["quota", "--json"]))["last_minute"]["refusals"]["limit"] == 2);

    let said = text(&relay.beside(&["quota"]).stdout);
    let row = said.lines().find(|line| line.starts_with("key:hasty  ") && line.contains("requests")).unwrap();
    assert!(row.contains("requests/minute") && row.contains("3/3") && row.contains("100%"), "{said}");
    assert!(said.contains("alert: bucket_fill_percentage is 0%"), "{said}");

    let of_key = json(&relay.beside(&["quota", "--json", "--key", "hasty"]));
    assert_eq!(of_key["schema"], "sluicegate.flow/v1");
    let limits = of_key["limits"].as_array().unwrap();
    assert!(limits.len() == 2 && limits.iter().all(|limit| limit["owner"] == "hasty"), "{of_key}");
    assert_eq!((&limits[0]["left"], &limits[0]["fill_percent"]), (&0.into(), &0.0.into()));

    let top = text(&relay.beside(&["top", "--once"]).stdout);
    assert!(top.contains("key:hasty") && top.contains("100%") && top.contains("alert: bucket_fill"), "{top}");

    let status = relay.beside(&["status"]);
    assert_eq!(code(&status), 3, "an alert wants attention");
    assert!(text(&status.stdout).contains("Alerts"), "{}", text(&status.stdout));

    let metrics = relay.get("/metrics").body;
    for line in [
        r#"sluicegate_bucket_fill_percentage{scope="key",owner="hasty",counts="requests",window="60s"} 0.0"#,
        r#"sluicegate_refusals_total{reason="limit",scope="key"} 2"#,
        r#"sluicegate_alert_firing{metric="bucket_fill_percentage",threshold="<=0%"} 1"#,
        r#"sluicegate_limit_would_refuse_total{scope="model",owner="sim",counts="requests",window="60s"} 2"#,
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    for call in calls {
        call.join().unwrap();
    }
}

#[test]
fn who_waits_is_seen_while_he_waits_and_how_long_it_took_afterwards() {
    let relay = serve();
    let calls = calls(&relay, PATIENT, 2);
    let mut seen = Value::Null;
    until("a call that waits", || {
        seen = json(&relay.beside(&["top", "--json"]));
        seen["waiting"]["calls"] == 1
    });
    assert!(seen["waiting"]["bytes"].as_u64().unwrap() > 50, "{seen}");
    let limit = seen["limits"].as_array().unwrap().iter().find(|limit| limit["name"] == "key:patient").unwrap();
    assert_eq!((&limit["counts"], &limit["left"], &limit["waiting"]), (&"concurrency".into(), &0.into(), &1.into()));
    assert_eq!(seen["callers"][0]["key"], "patient");
    for call in calls {
        assert_eq!(call.join().unwrap(), 200);
    }
    until("its wait", || {
        let flow = json(&relay.beside(&["quota", "--json"]));
        flow["last_minute"]["waits"]
            .as_array()
            .unwrap()
            .iter()
            .any(|class| class["class"] == "normal" && class["calls"] == 2 && class["p99_ms"].as_f64().unwrap() > 500.0)
    });
    assert!(relay.get("/metrics").body.contains(r#"sluicegate_queue_wait_seconds_count{class="normal"} 1"#));
}

#[test]
fn an_alert_ends_when_a_reload_takes_it_away() {
    let relay = serve();
    for call in calls(&relay, HASTY, 3) {
        assert_eq!(call.join().unwrap(), 200);
    }
    relay.says("alert: bucket_fill_percentage");
    let without = FILE.split("metrics:").next().unwrap();
    std::fs::write(relay.folder.path().join("sluicegate.yaml"), without).unwrap();
    assert_eq!(code(&relay.beside(&["reload"])), 0);
    relay.says("alert over: bucket_fill_percentage");
    assert_eq!(code(&relay.beside(&["status"])), 0);
}

#[test]
fn the_last_minute_is_counted_without_a_request_log_too() {
    let file = "providers: { lab: { kind: simulated, ttft: 1ms } }\nserver: { request_log: none }\n";
    let relay = Running::serve(Some(file), &[], &[]);
    relay.chat("sim");
    until("a call", || json(&relay.beside(&["top", "--json"]))["last_minute"]["calls"] == 1);
}

#[test]
fn a_key_that_does_not_exist_is_said_not_to() {
    let relay = serve();
    let idle = relay.beside(&["quota", "--key", "hasty"]);
    assert_eq!((code(&idle), text(&idle.stdout).contains("no limit is in use")), (0, true));
    let unknown = relay.beside(&["quota", "--key", "nobody & co"]);
    assert_eq!(code(&unknown), 1);
    assert!(text(&unknown.stderr).contains(r#"there is no key "nobody & co""#), "{}", text(&unknown.stderr));
}

#[test]
fn without_a_relay_there_is_nothing_to_see() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["quota"][..], &["top"], &["top", "--once"], &["quota", "--json"]] {
        let output = output(folder.path(), arguments);
        assert_eq!(code(&output), 69, "{arguments:?}");
        assert!(text(&output.stderr).contains("sluicegate serve") && output.stdout.is_empty(), "{arguments:?}");
    }
    assert_eq!(code(&output(folder.path(), &["top", "--interval", "10ms"])), 2);
}

#[test]
fn without_a_terminal_top_says_so_and_prints_one_picture() {
    let relay = Running::serve(None, &[], &[]);
    let piped = relay.beside(&["top"]);
    assert_eq!(code(&piped), 0);
    assert!(text(&piped.stderr).contains("not a terminal"), "{}", text(&piped.stderr));
    let picture = text(&piped.stdout);
    assert!(picture.contains("limits: 0") && picture.contains("no limit is in use"), "{picture}");
    assert!(!picture.contains('\u{1b}') && !picture.contains("q quits"), "{picture}");
    assert!(relay.beside(&["top", "--once"]).stderr.is_empty());
}

#[test]
fn on_a_terminal_top_draws_until_q_and_leaves_it_as_it_was() {
    let relay = Running::serve(None, &[], &[]);
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    tcsetwinsize(&master, Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let end = || File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut top = command(relay.folder.path());
    top.env("TERM", "xterm").args(["top", "--interval", "100ms"]);
    let mut child = top.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
    drop(top);
    let mut master = File::from(master);
    let mut keyboard = master.try_clone().unwrap();
    let shown = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&shown);
    spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = master.read(&mut buffer) {
            kept.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    });
    let says = |words: &str| until(words, || shown.lock().unwrap().contains(words));
    says("\u{1b}[?1049h");
    says("no limit is in use");
    says("q quits");
    keyboard.write_all(b"xq").unwrap();
    until("its end", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    says("\u{1b}[?1049l");
}
