use super::*;
use std::collections::BTreeSet;

#[test]
fn every_code_is_used_once_and_in_order() {
    let codes: Vec<&str> = EXPLANATIONS.iter().map(|explanation| explanation.code).collect();
    assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
    for severity in ["E", "W", "N"] {
        let ours: Vec<_> = codes.iter().filter(|code| code.starts_with(severity)).collect();
        assert!(ours.is_sorted(), "{ours:?}");
    }
}

#[test]
fn a_code_is_explained_in_either_case() {
    assert_eq!(explain("e012"), explain("E012"));
    assert_eq!(explain("E012").unwrap().title, "unknown field");
    assert_eq!(explain("E999"), None);
}
