//! Providers' keys in the environment: found, asked about, and never printed.

use crate::program::{Running, code, command, text, until};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

const GOOD: &str = "sk-good-0123456789abcdefghijGOOD";
const BAD: &str = "sk-bad-0123456789abcdefghijklBAD1";

/// A provider that lists one model to whoever brings the good key, and keeps what it was asked.
fn provider() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let (status, body) = if head.contains(GOOD) {
                ("200 OK", r#"{"object":"list","data":[{"id":"special-model","object":"model"}]}"#)
            } else {
                ("401 Unauthorized", r#"{"error":{"message":"no","code":"invalid_api_key"}}"#)
            };
            kept.lock().unwrap().push(head);
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    (url, asked)
}

#[test]
fn keys_are_found_asked_about_and_shown_only_by_their_ends() {
    let (url, asked) = provider();
    let environment = [
        ("OPENAI_API_KEY", GOOD),
        ("SLUICEGATE__PROVIDERS__OPENAI__BASE_URL", url.as_str()),
        ("GROQ_API_KEY", BAD),
        ("SLUICEGATE__PROVIDERS__GROQ__BASE_URL", url.as_str()),
    ];
    let relay = Running::serve(None, &["-vv"], &environment);
    until("both answers", || relay.err().contains("key refused") && relay.err().contains("1 model"));
    let said = relay.err();
    assert!(said.contains("sk-…GOOD") && said.contains("provider left out of routing"), "{said}");
    until("routing without groq", || !relay.get("/v1/models").body.contains("groq"));
    let models = relay.get("/v1/models").body;
    assert!(models.contains("openai/special-model"), "{models}");
    let insisting = relay.post("/v1/chat/completions", "x-provider: groq\r\n", r#"{"model":"m","messages":[]}"#);
    assert_eq!((insisting.status, insisting.header("x-sluicegate-attempts")), (400, None), "{}", insisting.body);
    let everything = [
        relay.err(),
        relay.out(),
        text(&relay.beside(&["status"]).stdout),
        text(&relay.beside(&["status", "--json"]).stdout),
        relay.get("/metrics").body,
        relay.get("/").body,
        models,
    ];
    for secret in [GOOD, BAD, "0123456789"] {
        assert!(!everything.iter().any(|text| text.contains(secret)), "{secret} in {everything:?}");
    }
    let asked = asked.lock().unwrap();
    assert!(asked.iter().all(|head| head.starts_with("GET /v1/models HTTP/1.1")), "only the free call: {asked:?}");
}

#[test]
fn a_refused_key_never_leads_to_the_simulated_model() {
    let (url, _) = provider();
    let environment = [("OPENAI_API_KEY", BAD), ("SLUICEGATE__PROVIDERS__OPENAI__BASE_URL", url.as_str())];
    let relay = Running::serve(None, &[], &environment);
    until("the refusal", || relay.err().contains("key refused; calls to it will fail"));
    let answer = relay.chat("gpt-4.1");
    assert_eq!(answer.status, 502, "{}", answer.body);
    assert_eq!(answer.header("x-sluicegate-simulated"), None);
}

#[test]
fn a_provider_that_cannot_be_reached_keeps_nobody_waiting_and_stays() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}/v1");
    let environment = [("OPENAI_API_KEY", GOOD), ("SLUICEGATE__PROVIDERS__OPENAI__BASE_URL", url.as_str())];
    let relay = Running::serve(None, &[], &environment);
    until("the verdict", || relay.err().contains("not checked"));
    assert_eq!(relay.get("/health/ready").status, 200);
}

#[test]
fn an_ollama_where_its_own_variable_says_is_found_and_asked_without_a_key() {
    let (url, asked) = provider();
    let host = url.trim_start_matches("http://").trim_end_matches("/v1").to_owned();
    let relay = Running::serve(None, &[], &[("OLLAMA_HOST", &host)]);
    assert!(relay.err().contains("ollama") && relay.err().contains(&format!("found at {host}")), "{}", relay.err());
    assert!(!relay.err().contains("SIMULATED"), "{}", relay.err());
    until("the free call", || !asked.lock().unwrap().is_empty());
    assert!(!asked.lock().unwrap()[0].to_lowercase().contains("authorization"));
}

#[test]
fn a_configuration_is_shown_without_its_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!(
        "providers: {{ openai: {{ api_key_env: K }}, local: {{ kind: openai_compatible, base_url: 'http://127.0.0.1:1/v1', \
         api_key: {BAD}, headers: {{ x-secret: {BAD} }} }} }}\nkeys: [{{ name: a, value: {GOOD} }}]\n"
    );
    std::fs::write(folder.path().join("sluicegate.yaml"), file).unwrap();
    for arguments in [
        &["config", "show", "--effective"][..],
        &["config", "show", "--json"],
        &["check"],
        &["check", "--json"],
        &["check", "--format", "github"],
    ] {
        let output = command(folder.path()).args(arguments).env("K", GOOD).output().unwrap();
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(!said.contains("0123456789"), "{arguments:?}: {said}");
    }
}
