use crate::program::{code, command, output, text};
use crate::simulate::provider;
use tempfile::tempdir;

#[test]
fn an_audit_reports_what_it_found_and_keeps_to_its_bounds() {
    let (_provider, address) = provider(&["--key-env", "K"], &[("K", "k-1")]);
    let folder = tempdir().unwrap();
    let url = format!("http://{address}/v1");
    let audit = |more: &[&str]| {
        let mut command = command(folder.path());
        command.args(["audit", &url, "--model", "gpt-x", "--key-env", "K", "--concurrency", "1,2", "--calls", "2"]);
        command.args(more).env("K", "k-1").output().unwrap()
    };
    let told = audit(&["--max-cost", "1", "--price", "1,2", "--json", "--save", "report.json"]);
    let report: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((code(&told), report["schema"].as_str()), (0, Some("sluicegate.audit/v1")), "{report:#}");
    assert_eq!(report["steps"][1]["ok"], 4);
    assert!(text(&told.stderr).contains("at most $1"), "{}", text(&told.stderr));
    assert!(folder.path().join("report.json").exists());

    let told = audit(&["--yes", "--slo", "ttft_p95<0.000001s"]);
    assert_eq!(code(&told), 3);
    assert!(text(&told.stdout).contains("Missed:    ttft_p95<0.000001s"), "{}", text(&told.stdout));
    assert!(audit(&["--yes", "--markdown"]).stdout.starts_with(b"# Audit of gpt-x"));

    // Nobody can be asked here, so a bound is wanted; and a bound in money wants a price.
    for more in [&[][..], &["--max-cost", "1"]] {
        let told = audit(more);
        assert_eq!(code(&told), 2, "{}", text(&told.stderr));
        assert!(!text(&told.stderr).contains("k-1"));
    }
}

#[test]
fn verify_answers_in_a_sentence_and_by_its_exit_code() {
    let (_provider, address) = provider(&["--key-env", "K"], &[("K", "k-1")]);
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("right"), "k-1\n").unwrap();
    std::fs::write(folder.path().join("wrong"), "k-2\n").unwrap();
    for (path, key, expected, says) in [
        ("/v1", "right", 0, "URL and key are right"),
        ("/v1", "wrong", 77, "refuses the key"),
        ("/elsewhere", "right", 3, "the API begins at"),
    ] {
        let told = output(folder.path(), &["verify", &format!("http://{address}{path}"), "--key-file", key]);
        assert_eq!(code(&told), expected, "{}", text(&told.stdout));
        assert!(text(&told.stdout).contains(says), "{}", text(&told.stdout));
    }
    assert_eq!(code(&output(folder.path(), &["verify", "http://127.0.0.1:9/v1"])), 69);
}

#[test]
fn a_log_is_read_without_sending_anything() {
    let folder = tempdir().unwrap();
    let line = |second: u32| {
        format!(
            r#"{{"ts":"2026-11-21T10:00:{second:02}.000Z","model":"fast","upstream_model":"gpt-5.4-mini","status":200,"usage":{{"source":"reported","input":1000,"output":100}},"ms":{{"total":500}}}}"#
        )
    };
    std::fs::write(folder.path().join("log"), [line(0), line(30)].join("\n")).unwrap();
    let told = output(folder.path(), &["audit", "--from-log", "log", "--price", "1,2", "--json"]);
    let history: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((code(&told), history["calls"].as_u64()), (0, Some(2)), "{history:#}");
    assert_eq!(history["peak_tokens_per_minute"], 2_200);
    assert!(history["monthly_usd"].as_str().is_some_and(|dollars| dollars.starts_with("207.36")), "{history:#}");
    let saved = output(folder.path(), &["audit", "--from-log", "log", "--markdown", "--save", "kept.json"]);
    assert!(text(&saved.stdout).starts_with("# Calls of log\n"), "{}", text(&saved.stdout));
    assert!(text(&saved.stdout).contains("2 calls in 30.0 seconds"), "{}", text(&saved.stdout));
    let kept: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("kept.json")).unwrap()).unwrap();
    assert_eq!(kept["calls"], 2);
    // The book's name of a model has its vendor before it, the log's name has not.
    let told = output(folder.path(), &["audit", "--from-log", "log", "--model", "openai/gpt-5.4-mini", "--json"]);
    let history: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(history["calls"], 2);
    assert!(history["monthly_usd"].is_string(), "{history:#}");
    let none = output(folder.path(), &["audit", "--from-log", "log", "--model", "openai/gpt-4.1"]);
    assert!(text(&none.stderr).contains("log: no calls of openai/gpt-4.1 in it"), "{}", text(&none.stderr));
    assert_eq!(code(&none), 1);
    std::fs::write(folder.path().join("log"), "nothing\n").unwrap();
    let nothing = output(folder.path(), &["audit", "--from-log", "log"]);
    assert!(text(&nothing.stderr).contains("log: no calls in it"), "{}", text(&nothing.stderr));
    assert_eq!(code(&nothing), 1);
}
