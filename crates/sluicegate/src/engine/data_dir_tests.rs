use super::*;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn a_folder_has_one_relay_and_the_second_is_told_whose_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/data");
    let first = DataDir::take(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    let refused = DataDir::take(&path).unwrap_err();
    assert!(refused.message.contains(&format!("process {}", std::process::id())), "{}", refused.message);
    assert_eq!(refused.code, Code::Failed);
    drop(first);
    DataDir::take(&path).unwrap();
}

#[test]
fn a_passing_folder_goes_with_its_relay() {
    let passing = DataDir::passing().unwrap();
    let path = passing.path.clone();
    assert!(path.is_dir());
    drop(passing);
    assert!(!path.exists());
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let failure = DataDir::take(&file.join("below")).unwrap_err();
    assert!(failure.message.contains("SLUICEGATE_DATA"), "{}", failure.message);
}
