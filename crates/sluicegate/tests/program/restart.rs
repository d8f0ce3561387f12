//! What a relay that is started again still knows.

use crate::program::{Running, read_until, text};
use serde_json::Value;
use std::sync::Arc;

/// First tokens come far too late, so the limit of 20 is cut as soon as ten of them have come.
const FILE: &str = "
providers:
  own:
    kind: simulated
    ttft: 1100ms
    tokens_per_second: 0
    adaptive_concurrency: { first_token_target: 1s }
models: { sim: { to: own/sim } }
";

fn limit(relay: &Running) -> u64 {
    let output = relay.beside(&["providers", "--json"]);
    let page: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    let models = page["providers"][0]["models"].as_array().unwrap();
    models.iter().find(|model| model["model"] == "sim").unwrap()["adaptive"]["limit"].as_u64().unwrap()
}

#[test]
fn a_limit_that_follows_a_providers_speed_is_remembered_over_a_restart_and_a_kill() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("sluicegate.yaml"), FILE).unwrap();
    let mut first = Running::serve_in(&folder, &[], &[]);
    assert_eq!(limit(&first), 20);
    let mut streams: Vec<_> = (0..12).map(|_| first.stream("sim", "hi")).collect();
    assert!(streams.iter_mut().all(|stream| read_until(stream, "[DONE]")));
    assert_eq!(limit(&first), 18, "cut once");
    first.signal("TERM");
    assert_eq!(first.ended(), 0);
    let second = Running::serve_in(&folder, &[], &[]);
    assert_eq!(limit(&second), 12, "seven tenths of 18");
    second.signal("KILL");
    drop(second);
    let mut third = Running::serve_in(&folder, &[], &[]);
    assert_eq!(limit(&third), 12, "a start without calls changes nothing");
    third.signal("TERM");
    assert_eq!(third.ended(), 0);
    std::fs::write(folder.path().join("data/learned.json"), "{ half of a").unwrap();
    let fourth = Running::serve_in(&folder, &[], &[]);
    assert_eq!(limit(&fourth), 20, "what cannot be read is as if there were nothing");
}
