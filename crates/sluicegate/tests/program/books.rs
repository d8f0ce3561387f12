//! Money, through the real program: topped up, spent, and found again after a kill.

use crate::program::{Running, code, posting, read_until, request, text};
use std::io::{BufReader, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const FILE: &str = "\
providers: { lab: { kind: simulated, ttft: 1ms, tokens_per_second: 50 } }
prices: { models: { lab/sim: { request: 0.05 } } }
keys:
  - { name: customer, value: sk-sg-customer, credits: {}, budget: { usd: 4, per: total } }
";
const KEY: &str = "authorization: Bearer sk-sg-customer\r\n";
const CHAT: &str = "/v1/chat/completions";

fn asks(says: &str, stream: bool) -> String {
    format!(r#"{{"model":"sim","stream":{stream},"messages":[{{"role":"user","content":"{says}"}}]}}"#)
}

fn ledger(relay: &Running) -> serde_json::Value {
    let output = relay.beside(&["ledger", "show", "--json"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn an_account_is_topped_up_once_for_each_reference_and_spent_to_the_nano_dollar() {
    let relay = Running::serve(Some(FILE), &[], &[]);
    let refused = relay.post(CHAT, KEY, &asks("hi", false));
    assert_eq!(refused.status, 402, "{}", refused.body);
    for _ in 0..2 {
        let output = relay.beside(&["credits", "add", "customer", "0.12", "--reference", "invoice 1"]);
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    }
    let nobody = relay.beside(&["credits", "add", "nobody", "1", "--reference", "x"]);
    assert_eq!(code(&nobody), 1);
    assert!(text(&nobody.stderr).contains("no account is called nobody"), "{}", text(&nobody.stderr));
    let other = relay.beside(&["credits", "add", "customer", "7", "--reference", "invoice 1"]);
    assert_eq!(code(&other), 1, "a reference is one entry's: {}", text(&other.stdout));
    let statuses: Vec<u16> = (0..3).map(|_| relay.post(CHAT, KEY, &asks("hi", false)).status).collect();
    assert_eq!(statuses, [200, 200, 402]);
    assert_eq!(ledger(&relay)["accounts"][0]["left_usd"], "0.02");
    let page = format!("GET /v1/quota HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{KEY}\r\n");
    let quota = request(&relay.address(), &page).json();
    assert_eq!(quota["account"]["left_usd"], "0.02", "{quota}");
    assert_eq!(quota["budgets"][0]["used"], "0.1", "{quota}");
    let usage = text(&relay.beside(&["usage", "--by", "key", "--csv"]).stdout);
    assert!(usage.contains("\ncustomer,4,2,0,"), "{usage}");
    assert!(usage.trim_end().ends_with(",0.1,0.1"), "{usage}");
    let verified = relay.beside(&["ledger", "verify"]);
    assert_eq!(code(&verified), 0, "{}", text(&verified.stdout));
}

#[test]
fn a_kill_under_load_loses_no_answered_call_and_counts_none_twice() {
    let mut relay = Running::serve(Some(FILE), &[], &[]);
    let output = relay.beside(&["credits", "add", "customer", "3", "--reference", "invoice 1"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let address = relay.address();
    let answered = Arc::new(AtomicU32::new(0));
    // One is being answered when the process is killed.
    let mut stream = BufReader::new(TcpStream::connect(&address).unwrap());
    let request_text = posting(CHAT, KEY, &asks("hi [[sim:tokens=2000]]", true));
    stream.get_mut().write_all(request_text.as_bytes()).unwrap();
    assert!(read_until(&mut stream, "chat.completion.chunk"));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (address, answered) = (address.clone(), Arc::clone(&answered));
            std::thread::spawn(move || {
                for _ in 0..8 {
                    let sent = posting(CHAT, KEY, &asks("hi [[sim:tokens=1]]", false));
                    if request(&address, &sent).status == 200 {
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    let answered = answered.load(Ordering::SeqCst);
    assert_eq!(answered, 32);
    relay.signal("KILL");
    relay.ended();
    let again = Running::serve_in(&relay.folder, &[], &[]);
    assert!(again.err().contains("calls were being answered when the process was killed"), "{}", again.err());
    let ledger = ledger(&again);
    // 33 calls of five cents: the open one is charged what it was expected to cost.
    assert_eq!(ledger["accounts"][0]["balance_usd"], "1.35", "{ledger}");
    assert_eq!(ledger["budgets"][0]["used"], "1.65", "{ledger}");
    let verified = again.beside(&["ledger", "verify", "--json"]);
    assert_eq!(code(&verified), 0, "{}", text(&verified.stdout));
    let verdict: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(verdict["charges"], 33, "{verdict}");
}

#[test]
fn a_list_of_others_becomes_one_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let theirs = r#"{"m-1":{"litellm_provider":"lab","mode":"chat","input_cost_per_token":1e-06,"output_cost_per_token":2e-06},
        "m-2":{"litellm_provider":"lab"}}"#;
    std::fs::write(folder.path().join("theirs.json"), theirs).unwrap();
    let made = crate::program::output(folder.path(), &["prices", "import", "theirs.json", "--format", "litellm"]);
    assert!(text(&made.stderr).contains("1 models have a price, 1 were left out"), "{}", text(&made.stderr));
    std::fs::write(folder.path().join("ours.csv"), &made.stdout).unwrap();
    let file = "providers: { lab: { kind: simulated } }\nprices: { file: ours.csv }\n";
    std::fs::write(folder.path().join("sluicegate.yaml"), file).unwrap();
    let listed = text(&crate::program::output(folder.path(), &["prices", "list", "--vendor", "lab"]).stdout);
    let row: Vec<&str> = listed.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..3], ["lab/m-1", "1", "2"], "{listed}");
    let shown = text(&crate::program::output(folder.path(), &["prices", "show", "openai/gpt-4.1"]).stdout);
    assert!(shown.contains("input") && shown.contains("as_of"), "{shown}");
}

#[test]
fn of_all_who_redeem_a_code_at_once_one_wins() {
    let relay = Running::serve(Some(FILE), &[], &[]);
    let issued = relay.beside(&["credits", "issue", "2.5", "--count", "2", "--expires", "1d", "--note", "spring"]);
    let issued = text(&issued.stdout);
    let codes: Vec<&str> = issued.lines().collect();
    assert!(codes.len() == 2 && codes[0] != codes[1] && codes[0].len() == 19, "{issued}");
    let outcomes: Vec<i32> = std::thread::scope(|scope| {
        let redeem = || code(&relay.beside(&["credits", "redeem", codes[0], "customer"]));
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(redeem)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|code| **code == 0).count(), 1, "{outcomes:?}");
    assert_eq!(ledger(&relay)["accounts"][0]["balance_usd"], "2.5");
    assert_eq!(relay.post(CHAT, KEY, &asks("hi", false)).status, 200);
    let wrong = relay.beside(&["credits", "redeem", "AAAA-AAAA-AAAA-AAAA", "customer"]);
    assert!(code(&wrong) == 1 && text(&wrong.stderr).contains("no such code"), "{}", text(&wrong.stderr));
}

#[test]
fn books_are_backed_up_while_calls_go_on_and_are_equal_when_restored() {
    let mut relay = Running::serve(Some(FILE), &[], &[]);
    let output = relay.beside(&["credits", "add", "customer", "3", "--reference", "invoice, 1"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    for _ in 0..3 {
        assert_eq!(relay.post(CHAT, KEY, &asks("hi", false)).status, 200);
    }
    let listed = text(&relay.beside(&["ledger", "export"]).stdout);
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 5, "a heading, three calls and a credit: {listed}");
    assert!(lines[1].contains(",charge,") && lines[1].contains(",customer,-0.05,"), "{listed}");
    assert!(lines[1].ends_with("1 request at 0.05 each"), "{listed}");
    assert!(lines[4].contains(",top_up,\"invoice, 1\",customer,3,"), "{listed}");
    let of_others = text(&relay.beside(&["ledger", "export", "--account", "nobody", "--format", "jsonl"]).stdout);
    assert_eq!(of_others, "");
    let made = relay.beside(&["backup", "copy"]);
    assert_eq!(code(&made), 0, "{}", text(&made.stderr));
    let again = relay.beside(&["backup", "copy"]);
    assert!(text(&again.stderr).contains("is not empty"), "{}", text(&again.stderr));
    // What comes after is not in it.
    assert_eq!(relay.post(CHAT, KEY, &asks("hi", false)).status, 200);
    let over = relay.beside(&["restore", "copy"]);
    assert!(code(&over) == 1 && text(&over.stderr).contains("one relay a directory"), "{}", text(&over.stderr));
    relay.signal("TERM");
    relay.ended();
    let over = relay.beside(&["restore", "copy"]);
    assert!(code(&over) == 1 && text(&over.stderr).contains("is not empty"), "{}", text(&over.stderr));
    let offline = relay.beside(&["backup", "late"]);
    assert_eq!(code(&offline), 0, "{}", text(&offline.stderr));
    for (from, to, balance) in [("copy", "second", "2.85"), ("late", "third", "2.8")] {
        let restored = relay.beside(&["restore", from, "--data-dir", to]);
        assert_eq!(code(&restored), 0, "{}", text(&restored.stderr));
        assert!(text(&restored.stdout).contains("the books are right"), "{}", text(&restored.stdout));
        let mut other = Running::serve_in(&relay.folder, &[], &[("SLUICEGATE_DATA", to)]);
        let shown = relay.beside(&["ledger", "show", "--json", "--data-dir", to]);
        let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
        assert_eq!(shown["accounts"][0]["balance_usd"], balance, "{shown}");
        let relisted = text(&relay.beside(&["ledger", "export", "--data-dir", to]).stdout);
        assert!(lines.iter().all(|line| relisted.contains(line)), "{relisted}");
        other.signal("TERM");
        other.ended();
    }
}
