use crate::program::{code, output, text};
use serde_json::Value;

/// The older format as its users have it, and two mistakes that are easily made.
const GOOD: &str = include_str!("golden/good.yaml");
const BAD: &str = include_str!("golden/bad.yaml");

fn check(file: &str, arguments: &[&str]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sluicegate.yaml"), file).unwrap();
    let output = output(folder.path(), &[&["check"], arguments].concat());
    assert_eq!(text(&output.stderr), "");
    (code(&output), text(&output.stdout))
}

#[test]
fn a_good_file_is_told_what_its_numbers_mean() {
    let (code, said) = check(GOOD, &[]);
    assert_eq!(said, include_str!("golden/good.txt"));
    assert_eq!(code, 0);
}

#[test]
fn a_bad_file_is_shown_every_mistake_where_it_is() {
    let (code, said) = check(BAD, &[]);
    assert_eq!(said, include_str!("golden/bad.txt"));
    assert_eq!(code, 78);
}

#[test]
fn the_file_is_named_as_other_commands_take_it_too_but_once() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.yaml"), GOOD).unwrap();
    let plain = output(folder.path(), &["check", "mine.yaml"]);
    assert_eq!(code(&plain), 0, "{}", text(&plain.stderr));
    for flag in ["-c", "--config"] {
        let flagged = output(folder.path(), &["check", flag, "mine.yaml"]);
        assert_eq!((code(&flagged), text(&flagged.stdout)), (0, text(&plain.stdout)));
    }
    let both = output(folder.path(), &["check", "-c", "mine.yaml", "mine.yaml"]);
    assert_eq!(code(&both), 2);
    assert!(text(&both.stderr).contains("cannot be used with"), "{}", text(&both.stderr));
    let none = output(folder.path(), &["check"]);
    assert_eq!(code(&none), 78);
    assert!(text(&none.stdout).contains("sluicegate.yaml"), "{}", text(&none.stdout));
}

#[test]
fn programs_and_pull_requests_get_the_same_in_their_form() {
    for (file, ok) in [(GOOD, true), (BAD, false)] {
        let (_, said) = check(file, &["--json"]);
        let report: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((&report["schema"], &report["ok"]), (&"sluicegate.check/v1".into(), &ok.into()));
        assert_eq!(report["errors"].as_u64().unwrap() == 0, ok);
        assert_eq!(report["meaning"].is_array(), ok);
        assert_eq!(said, check(file, &["--format", "json"]).1);
    }
    let (code, said) = check(BAD, &["--format", "github"]);
    assert_eq!(code, 78);
    assert!(said.contains("::error file=sluicegate.yaml,line=4,col=5,title=E012::"), "{said}");
}

#[test]
fn warnings_are_denied_on_request() {
    let file = "providers: { lab: { kind: simulated } }\nkeys: [{ name: a, value: sk-sg-0123456789abcdef }]\n";
    let (code, said) = check(file, &[]);
    assert_eq!(code, 0);
    assert!(said.contains("warning[W101]"), "{said}");
    let (code, said) = check(file, &["--deny-warnings"]);
    assert_eq!(code, 78);
    assert!(said.contains("0 errors, 1 warning (denied)"), "{said}");
}

#[test]
fn what_serve_would_refuse_is_refused() {
    let (code, said) = check("providers: { lab: { kind: simulated } }\nserver: { listen: '0.0.0.0:8080' }\n", &[]);
    assert_eq!(code, 78);
    assert!(said.contains("E040"), "{said}");
}

#[test]
fn keys_that_are_elsewhere_need_not_be_here() {
    let file = "providers: { openai: { api_key_env: NOT_SET_ANYWHERE } }";
    assert_eq!(check(file, &[]).0, 78);
    assert_eq!(check(file, &["--without-secrets"]).0, 0);
}

#[test]
fn the_file_to_start_from_is_good_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let starter = text(&output(folder.path(), &["config", "init"]).stdout);
    let (code, said) = check(&starter, &["--deny-warnings"]);
    assert_eq!(code, 0, "{said}");
}
