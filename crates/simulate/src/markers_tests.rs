use super::*;

fn orders(text: &str) -> Result<Orders, String> {
    let mut orders = Orders::default();
    read(text, &mut orders).map(|()| orders)
}

#[test]
fn several_markers_in_one_message_are_all_obeyed() {
    let got = orders("Hi [[sim:status=529]] and [[sim:stall=1.5s@2]][[sim:gzip]] [[sim:ttft=300ms]]").unwrap();
    assert_eq!(got.status, Some(529));
    assert_eq!(got.stall, Some((Duration::from_millis(1500), 2)));
    assert_eq!(got.ttft, Some(Duration::from_millis(300)));
    assert!(got.gzip && !got.crlf);
}

#[test]
fn every_marker_of_the_table_is_documented() {
    let essay = include_str!("markers.rs");
    for (name, _) in TABLE {
        assert!(
            essay.lines().any(|line| line.starts_with("//! |") && line.contains(&format!("`{name}"))),
            "`{name}` is missing in the essay"
        );
    }
}

#[test]
fn a_wrong_marker_is_refused_and_says_why() {
    for (text, word) in [
        ("[[sim:statsu=500]]", "unknown marker `statsu`"),
        ("[[sim:status=200]]", "cannot have the value `200`"),
        ("[[sim:stall=soon]]", "`soon`"),
        ("[[sim:stall=-1s]]", "`-1s`"),
        ("[[sim:empty=1]]", "`1`"),
        ("[[sim:empty", "not closed"),
        ("[[sim:ttft=99999999s]]", "cannot have"),
    ] {
        let error = orders(text).unwrap_err();
        assert!(error.contains(word), "{text}: {error}");
    }
}

#[test]
fn what_is_quoted_has_no_markers() {
    assert_eq!(without("a [[sim:gzip]]b[[sim:tps=1]]"), "a b");
    assert_eq!(without("plain"), "plain");
}
