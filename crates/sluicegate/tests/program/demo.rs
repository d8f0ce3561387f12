//! The story that the program tells of itself.

use crate::program::{Running, code, command, first_address, output, request, text};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn the_demo_ends_with_a_canary_that_went_back_and_no_error_for_any_client() {
    let folder = tempfile::tempdir().unwrap();
    let told = output(folder.path(), &["demo", "--speed", "3"]);
    let summary = text(&told.stdout);
    assert_eq!(code(&told), 0, "{summary}{}", text(&told.stderr));
    assert!(summary.contains("errors shown to clients 0"), "{summary}");
    assert!(summary.contains("demo-a-to-demo-b: rolled back by sluicegate: error rate"), "{summary}");
    let storm = summary.lines().find(|line| line.contains("upstream answered 429")).unwrap();
    assert!(!storm.contains("429 × 0:") && storm.contains("clients saw 0,"), "{storm}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_demo_that_is_kept_says_where_it_is_and_answers_there_until_it_is_stopped() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let mut demo = Running::start(&folder, command(folder.path()).args(["demo", "--speed", "20", "--keep"]));
    let begun = Instant::now();
    while !demo.err().contains("runs on until Ctrl-C") {
        assert!(begun.elapsed() < Duration::from_secs(180), "{}{}", demo.out(), demo.err());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(demo.out().contains("demo over after"), "{}", demo.out());
    let told = demo.err();
    let address = first_address(&told).unwrap();
    let metrics = request(&address, "GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
    assert!(metrics.body.contains("sluicegate_migration_events_total"), "{}", metrics.body);
    // What is told to be tried works as it stands.
    for (word, expected) in [("migrate history", "rolled back"), ("status", "demo-a")] {
        let line = told.lines().find(|line| line.contains(&format!("sluicegate {word}"))).unwrap();
        let (_, asked) = line.split_once("sluicegate ").unwrap();
        let shown = output(folder.path(), &asked.split_whitespace().collect::<Vec<_>>());
        assert!(text(&shown.stdout).contains(expected), "{asked}: {}{}", text(&shown.stdout), text(&shown.stderr));
    }
    demo.signal("INT");
    assert_eq!(demo.child.wait().unwrap().code(), Some(0));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}
