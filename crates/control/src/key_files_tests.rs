use super::*;

const A: Option<Face> = Some(Face { modified: None, length: 10 });
const B: Option<Face> = Some(Face { modified: None, length: 11 });

#[test]
fn a_file_that_changes_is_noticed_once_and_one_that_is_away_for_a_moment_is_not() {
    let mut files = KeyFiles { files: vec!["key".into()], ..KeyFiles::default() };
    let looks = [(A, false), (A, false), (None, false), (A, false), (B, true), (B, false), (None, false), (A, true)];
    for (at, (face, changed)) in looks.into_iter().enumerate() {
        assert_eq!(files.look(|_| face), changed, "look {at}");
    }
}

#[test]
fn a_file_that_is_no_longer_configured_is_forgotten() {
    let mut files = KeyFiles { files: vec!["key".into()], ..KeyFiles::default() };
    assert!(!files.look(|_| A));
    files.files.clear();
    assert!(!files.look(|_| B));
    assert!(files.seen.is_empty());
    files.files.push("key".into());
    assert!(!files.look(|_| B), "it is new again");
}
