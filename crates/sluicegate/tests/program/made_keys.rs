//! Keys that are made by command: with the relay running and with it stopped.

use crate::program::{Running, code, output, text};

const FILE: &str = "\
providers: { lab: { kind: simulated, ttft: 1ms, tokens_per_second: 5000 } }
server: { data_dir: data }
credits: { signup: 0.1 }
prices: { models: { lab/sim: { request: 0.05 } } }
";
const CHAT: &str = "/v1/chat/completions";
const HI: &str = r#"{"model":"sim","messages":[{"role":"user","content":"hi"}]}"#;

fn status(relay: &Running, secret: &str) -> u16 {
    relay.post(CHAT, &format!("authorization: Bearer {secret}\r\n"), HI).status
}

fn made(output: &std::process::Output) -> String {
    assert_eq!(code(output), 0, "{}", text(&output.stderr));
    let secret = text(&output.stdout);
    assert!(secret.starts_with("sk-sg-") && secret.lines().count() == 1, "{secret}");
    secret.trim().to_owned()
}

#[test]
fn a_key_is_made_used_switched_off_rotated_and_deleted_while_the_relay_runs() {
    let relay = Running::serve(Some(FILE), &[], &[]);
    assert_eq!(status(&relay, "anything"), 200, "no key is needed as long as there is none");
    let secret =
        made(&relay.beside(&["keys", "create", "web-app", "--rpm", "600", "--owner", "Ada", "--expires", "90d"]));
    assert_eq!((status(&relay, &secret), status(&relay, "anything")), (200, 401));
    let said = |arguments: &[&str]| {
        let output = relay.beside(arguments);
        assert_eq!(code(&output), 0, "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    assert!(said(&["keys", "disable", "web-app"]).contains("disabled"));
    assert_eq!(status(&relay, &secret), 401);
    assert!(said(&["keys", "enable", "web-app"]).contains("active"));
    assert_eq!(status(&relay, &secret), 200);
    let newer = made(&relay.beside(&["keys", "rotate", "web-app", "--grace", "1h"]));
    assert_eq!((status(&relay, &secret), status(&relay, &newer)), (200, 200));
    let newest = made(&relay.beside(&["keys", "rotate", "web-app", "--grace", "0s"]));
    assert_eq!([&secret, &newer, &newest].map(|secret| status(&relay, secret)), [401, 401, 200]);
    let shown = said(&["keys", "show", "web-app"]);
    assert!(shown.contains("Ada") && !shown.contains(&newest), "{shown}");
    let listed: serde_json::Value = serde_json::from_str(&said(&["keys", "list", "--json"])).unwrap();
    assert_eq!(
        (&listed["schema"], &listed["keys"][0]["terms"]["limits"]["rpm"]),
        (&"sluicegate.keys/v1".into(), &600.into())
    );
    said(&["keys", "expire", "web-app"]);
    assert_eq!(status(&relay, &newest), 401);
    let unsure = relay.beside(&["keys", "delete", "web-app"]);
    assert_eq!(code(&unsure), 1, "{}", text(&unsure.stderr));
    said(&["keys", "delete", "web-app", "--yes"]);
    let gone = relay.beside(&["keys", "show", "web-app"]);
    assert!(code(&gone) == 1 && text(&gone.stderr).contains("no key is called web-app"), "{}", text(&gone.stderr));
    assert!(!relay.err().contains(&newest) && !relay.err().contains(&secret), "a secret is in the log");
}

#[test]
fn a_key_is_made_with_the_relay_stopped_and_opens_a_listener_that_others_can_reach() {
    let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("sluicegate.yaml"), FILE).unwrap();
    let beside = |arguments: &[&str]| output(folder.path(), arguments);
    let secret = made(&beside(&["keys", "create", "customer", "--prepaid"]));
    let second = beside(&["keys", "create", "customer"]);
    assert!(code(&second) == 1 && text(&second.stderr).contains("there is a key customer already"));
    let wrong = beside(&["keys", "create", "other", "--tenant", "nobody"]);
    assert!(code(&wrong) == 1 && text(&wrong.stderr).contains("nobody"), "{}", text(&wrong.stderr));
    let digits = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let imported = beside(&["keys", "import", "older", "--sha256", digits]);
    assert!(code(&imported) == 0 && imported.stdout.is_empty(), "{}", text(&imported.stderr));
    let relay = Running::serve_in(&folder, &["--listen", "0.0.0.0:0"], &[]);
    assert_eq!((status(&relay, "test"), status(&relay, "other")), (200, 401), "the hash is that of `test`");
    // Ten cents were given at the sign-up: two calls.
    assert_eq!([0; 3].map(|_| status(&relay, &secret)), [200, 200, 402]);
    let ledger = text(&relay.beside(&["ledger", "verify"]).stdout);
    assert!(ledger.contains("the books are right"), "{ledger}");
}

#[test]
fn a_key_of_the_file_is_shown_and_not_changed() {
    let file = format!("{FILE}keys: [{{ name: ours, value: sk-ours, priority: high }}]\n");
    let relay = Running::serve(Some(&file), &[], &[]);
    let listed = text(&relay.beside(&["keys", "list"]).stdout);
    assert!(listed.contains("ours") && listed.contains("file"), "{listed}");
    for order in [vec!["disable", "ours"], vec!["create", "ours"], vec!["delete", "ours", "--yes"]] {
        let output = relay.beside(&[vec!["keys"], order].concat());
        assert_eq!(code(&output), 1);
        assert!(text(&output.stderr).contains("declared in the configuration file"), "{}", text(&output.stderr));
    }
    assert_eq!(status(&relay, "sk-ours"), 200);
}
