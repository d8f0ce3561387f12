//! What is said about bad files, word for word.
//!
//! Every `tests/bad/NAME.yaml` is loaded in a small fixed world, and what is printed must be `NAME.txt`. After a wanted
//! change, `UPDATE_GOLDEN=1 cargo test -p sluicegate-config` writes the files anew; read the difference before keeping it.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its own files has failed")]

use sluicegate_config::{Diagnostic, Environment, Loader, Severity};
use std::path::{Path, PathBuf};

struct World;

impl Environment for World {
    fn variable(&self, name: &str) -> Option<String> {
        let known = [
            ("OPENAI_API_KEY", "sk-from-the-environment"),
            ("OPENAI_API_KEY_B", "sk-another"),
            ("ANTHROPIC_API_KEY", "sk-ant"),
            ("AZURE_OPENAI_API_KEY", "az"),
            ("EXAMPLE_API_KEY", "ex"),
            ("SLUICEGATE_KEY_WEB", "sk-sg-web"),
            ("KEY_A", "sk-sg-a"),
            ("EMPTY", " \n"),
        ];
        known.iter().find_map(|(known, value)| (*known == name).then(|| (*value).to_owned()))
    }

    fn variables(&self, _: &str) -> Vec<(String, String)> {
        Vec::new()
    }

    fn read(&self, path: &Path) -> Result<String, String> {
        match path.to_str() {
            Some("/run/secrets/two_lines") => Ok("first\nsecond\n".to_owned()),
            _ => Err("No such file or directory (os error 2)".to_owned()),
        }
    }
}

fn here(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(!files.is_empty());
    files
}

fn printed(found: &[Diagnostic]) -> String {
    found.iter().map(|diagnostic| format!("{diagnostic}\n\n")).collect()
}

#[test]
fn bad_files_are_told_what_is_wrong_where_and_what_to_do() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    for path in here("tests/bad") {
        let text = std::fs::read_to_string(&path).unwrap();
        let found = Loader::with_environment(&World).file(&text, "sluicegate.yaml").unwrap_err();
        assert!(found.iter().any(|diagnostic| diagnostic.severity == Severity::Error), "{}", path.display());
        for diagnostic in &found {
            assert!(sluicegate_config::explain(diagnostic.code).is_some(), "{} is not explained", diagnostic.code);
            assert!(diagnostic.position.is_some() || diagnostic.code == "E045", "no place: {diagnostic}");
        }
        let actual = printed(&found);
        let golden = path.with_extension("txt");
        if update {
            std::fs::write(&golden, &actual).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(actual, expected, "{}: see the head of this file", path.display());
    }
}

#[test]
fn no_secret_is_ever_repeated_in_a_message() {
    let secrets = [
        "very-secret-text",
        "another-secret",
        "secret-header",
        "gsk_abcdef",
        "plain-secret",
        "my-unprefixed-secret",
        "sk-from-the-environment",
        "first\nsecond",
        "sk-sg-a",
    ];
    for path in here("tests/bad") {
        let text = std::fs::read_to_string(&path).unwrap();
        let found = Loader::with_environment(&World).file(&text, "sluicegate.yaml").unwrap_err();
        let github: String = found.iter().map(Diagnostic::github).collect();
        let json: String = found.iter().map(|diagnostic| diagnostic.json().to_string()).collect();
        for form in [printed(&found), github, json, format!("{found:?}")] {
            for secret in secrets {
                assert!(!form.contains(secret), "{}: {secret}\n{form}", path.display());
            }
        }
    }
}

#[test]
fn good_files_load_and_their_secrets_stay_out_of_sight() {
    let examples = "../../examples";
    for path in here("tests/good").into_iter().chain(here(examples)) {
        let text = std::fs::read_to_string(&path).unwrap();
        let loaded = Loader::with_environment(&World).file(&text, "sluicegate.yaml");
        let loaded = loaded.unwrap_or_else(|found| panic!("{}\n{}", path.display(), printed(&found)));
        let shown = format!("{loaded:?}{}", printed(&loaded.diagnostics));
        for secret in ["sk-from-the-environment", "sk-another", "sk-sg-web"] {
            assert!(!shown.contains(secret), "{}", path.display());
        }
        let warnings: Vec<_> = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Warning).collect();
        let allowed = if path.ends_with("experience_a.yaml") { 2 } else { 0 };
        assert_eq!(warnings.len(), allowed, "{}: {warnings:?}", path.display());
    }
}
