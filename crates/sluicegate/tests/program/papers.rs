use crate::program::{code, output, text};

#[test]
fn alone_it_says_in_a_dozen_lines_what_it_is_and_what_to_try() {
    let folder = tempfile::tempdir().unwrap();
    let said = text(&output(folder.path(), &[]).stdout);
    assert!(said.lines().count() <= 12 && said.contains("sluicegate serve") && said.contains("--help"), "{said}");
}

#[test]
fn completions_exist_for_every_shell() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = output(folder.path(), &["completions", shell]);
        assert_eq!(code(&output), 0, "{shell}");
        let script = text(&output.stdout);
        assert!(["insecure-open", "quota", "interval"].iter().all(|word| script.contains(word)), "{shell}");
    }
}

#[test]
fn the_manual_is_a_page_or_a_folder_of_pages() {
    let folder = tempfile::tempdir().unwrap();
    assert!(text(&output(folder.path(), &["man"]).stdout).contains(".TH sluicegate 1"));
    assert_eq!(code(&output(folder.path(), &["man", "pages"])), 0);
    for page in [
        "sluicegate.1",
        "sluicegate-serve.1",
        "sluicegate-quota.1",
        "sluicegate-top.1",
        "sluicegate-simulate-provider.1",
    ] {
        assert!(folder.path().join("pages").join(page).exists(), "{page}");
    }
}

#[test]
fn the_version_is_told_to_people_and_programs() {
    let folder = tempfile::tempdir().unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(text(&output(folder.path(), &["version"]).stdout).starts_with(&format!("sluicegate {version}")));
    assert!(text(&output(folder.path(), &["--version"]).stdout).starts_with(&format!("sluicegate {version}")));
    let json: serde_json::Value =
        serde_json::from_slice(&output(folder.path(), &["version", "--json"]).stdout).unwrap();
    assert_eq!((&json["schema"], &json["version"]), (&"sluicegate.version/v1".into(), &version.into()));
}

#[test]
fn codes_are_explained_in_either_case_and_wrong_ones_are_not() {
    let folder = tempfile::tempdir().unwrap();
    assert!(text(&output(folder.path(), &["explain", "e012"]).stdout).starts_with("E012 (error): unknown field"));
    let wrong = output(folder.path(), &["explain", "E0122"]);
    assert_eq!(code(&wrong), 1);
    assert!(text(&wrong.stderr).contains("did you mean"), "{}", text(&wrong.stderr));
    assert!(text(&output(folder.path(), &["explain"]).stdout).lines().count() > 20);
}

#[test]
fn nothing_is_coloured_when_nobody_sees_it_unless_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    assert!(!text(&output(folder.path(), &[]).stdout).contains('\u{1b}'));
    assert!(text(&output(folder.path(), &["--color", "always"]).stdout).contains('\u{1b}'));
}
