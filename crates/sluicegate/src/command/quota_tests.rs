use super::*;
use crate::command::words::tests::limit;

/// A document as a relay would send it, in which fields of later versions are ignored.
pub(crate) fn flow(limits: Vec<FlowLimit>) -> Flow {
    let classes = ["critical", "high", "normal", "low"];
    let waiting = classes.map(|class| serde_json::json!({ "class": class, "waiting": 0, "shed": 0 }));
    let waits = classes.map(|class| serde_json::json!({ "class": class, "calls": 0, "p50_ms": null, "p99_ms": null }));
    let mut flow: Flow = serde_json::from_value(serde_json::json!({
        "schema": "sluicegate.flow/v1",
        "version": "0.1.0",
        "uptime_seconds": 3725,
        "ready": true,
        "config": "3f9c2a",
        "in_flight": 0,
        "limits": [],
        "waiting": { "calls": 0, "bytes": 0, "oldest_wait_ms": 0, "classes": waiting },
        "callers": [],
        "last_minute": {
            "seconds": 60.0, "calls": 0, "calls_per_second": 0.0,
            "refusals": { "limit": 0, "never_fits": 0, "queue_full": 0, "deadline": 0 },
            "errors": 0, "waits": waits, "ttft_p95_ms": null, "latency_p99_ms": null,
            "tokens_reserved": 0, "tokens_used": 0,
            "calls_by_second": vec![0; 60], "refusals_by_second": vec![0; 60],
        },
        "something_later": true,
    }))
    .unwrap();
    flow.limits = limits;
    flow
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn the_table_shows_use_refill_and_who_waits() {
    let mut tokens = limit("key:web-app", 120_000, 1760);
    tokens.counts = "tokens".to_owned();
    tokens.waiting = 12;
    tokens.oldest_wait_ms = 1240;
    let mut permits = limit("provider:openai", 200, 188);
    permits.counts = "concurrency".to_owned();
    permits.window_seconds = None;
    permits.refills_in_ms = None;
    let mut watched = limit("overall:overall", 600, 600);
    watched.shadow = true;
    watched.would_refuse = 7;
    let mut flow = flow(vec![tokens, permits, watched]);
    flow.limits_left_out = 3;
    assert_eq!(
        plain(&table(&flow)),
        "\
LIMIT            COUNTS                      USED                   REFILLS IN
key:web-app      tokens/minute    118 240/120 000  ██████████  99%        12 s  12 waiting, oldest 1.2 s
provider:openai  concurrency               12/200  █░░░░░░░░░   6%           -
overall          requests/minute            0/600  ░░░░░░░░░░   0%        12 s  shadow: would have refused 7
and 3 more that are less full
"
    );
}

#[test]
fn without_limits_it_says_so() {
    assert!(plain(&table(&flow(Vec::new()))).starts_with("no limit is in use"));
}

#[test]
fn a_name_is_escaped_where_a_url_demands_it() {
    assert_eq!(escaped("web-app_1.2~x"), "web-app_1.2~x");
    assert_eq!(escaped("a b&key=ü"), "a%20b%26key%3D%C3%BC");
}
