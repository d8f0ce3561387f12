//! The story that the program tells of itself.

use crate::program::{code, output, text};

#[test]
fn the_demo_ends_with_a_canary_that_went_back_and_no_error_for_any_client() {
    let folder = tempfile::tempdir().unwrap();
    let told = output(folder.path(), &["demo", "--speed", "5"]);
    let summary = text(&told.stdout);
    assert_eq!(code(&told), 0, "{summary}{}", text(&told.stderr));
    assert!(summary.contains("errors shown to clients 0"), "{summary}");
    assert!(summary.contains("demo-a-to-demo-b: rolled back by sluicegate: error rate"), "{summary}");
    let storm = summary.lines().find(|line| line.contains("upstream answered 429")).unwrap();
    assert!(!storm.contains("429 × 0:") && storm.contains("clients saw 0,"), "{storm}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}
