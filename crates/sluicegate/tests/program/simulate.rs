use crate::program::{Running, command, request};
use std::sync::Arc;

pub(crate) fn provider(arguments: &[&str], environment: &[(&str, &str)]) -> (Running, String) {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let mut command = command(folder.path());
    command.args(["simulate", "provider"]).args(arguments).envs(environment.iter().copied());
    let running = Running::start(&folder, &mut command);
    crate::program::until("the address", || running.out().contains('\n'));
    let out = running.out();
    let address = out.lines().next().unwrap().strip_prefix("http://").unwrap().to_owned();
    (running, address)
}

fn chat(address: &str, headers: &str) -> crate::program::Answer {
    let body = r#"{"model":"gpt-x","messages":[{"role":"user","content":"hi"}]}"#;
    request(
        address,
        &format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
             {headers}content-length: {}\r\n\r\n{body}",
            body.len()
        ),
    )
}

#[test]
fn its_address_is_the_first_line_and_it_answers_there() {
    let (mut provider, address) = provider(&[], &[]);
    let answer = chat(&address, "");
    assert_eq!((answer.status, answer.header("x-sluicegate-simulated")), (200, Some("true")));
    assert_eq!(answer.json()["model"], "gpt-x");
    provider.signal("TERM");
    assert_eq!(provider.ended(), 0);
}

#[test]
fn its_flags_are_obeyed() {
    let (_labelled, address) = provider(&["--label"], &[]);
    assert_eq!(chat(&address, "").json()["model"], "sim/gpt-x");
    let (_failing, address) = provider(&["--error-rate", "1"], &[]);
    assert!(chat(&address, "").status >= 500);
    let (_empty, address) = provider(&["--fault", "empty=1"], &[]);
    assert_eq!(chat(&address, "").body, "");
    let (_keyed, address) = provider(&["--key-env", "K"], &[("K", "k-1")]);
    assert_eq!(chat(&address, "").status, 401);
    assert_eq!(chat(&address, "authorization: Bearer k-1\r\n").status, 200);
}
