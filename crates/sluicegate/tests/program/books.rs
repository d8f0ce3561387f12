//! Money, through the real program: topped up, spent, and found again after a kill.

use crate::program::{Running, code, posting, read_until, request, text};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

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
    assert!(usage.contains(",0.1,0.1,0,"), "{usage}");
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
fn a_call_that_a_kill_leaves_open_is_charged_what_such_calls_have_used() {
    let file = FILE
        .replace("request: 0.05", "input: 0, output: 1000")
        .replace("tokens_per_second: 50", "tokens_per_second: 500");
    let mut relay = Running::serve(Some(&file.replace(", budget: { usd: 4, per: total }", "")), &[], &[]);
    let output = relay.beside(&["credits", "add", "customer", "100", "--reference", "invoice 1"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    for _ in 0..25 {
        assert_eq!(relay.post(CHAT, KEY, &asks("hi [[sim:tokens=10]]", false)).status, 200);
    }
    assert_eq!(ledger(&relay)["accounts"][0]["balance_usd"], "99.75");
    let mut stream = BufReader::new(TcpStream::connect(relay.address()).unwrap());
    let request_text = posting(CHAT, KEY, &asks("hi [[sim:tokens=2000]]", true));
    stream.get_mut().write_all(request_text.as_bytes()).unwrap();
    assert!(read_until(&mut stream, "chat.completion.chunk"));
    relay.signal("KILL");
    relay.ended();
    let ledger = ledger(&Running::serve_in(&relay.folder, &[], &[]));
    // Ten tokens, as the others had. Were nothing known of them, it would be some thousand.
    assert_eq!(ledger["accounts"][0]["balance_usd"], "99.74", "{ledger}");
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

#[test]
fn a_call_sent_again_under_its_key_is_answered_again_and_charged_once() {
    let mut relay = Running::serve(Some(FILE), &[], &[]);
    let sent = |relay: &Running, key: &str, says: &str, stream: bool| {
        relay.post(CHAT, &format!("{KEY}idempotency-key: {key}\r\n"), &asks(says, stream))
    };
    let under = |key: &str, says: &str, stream: bool| sent(&relay, key, says, stream);
    // What was refused leaves the key free.
    assert_eq!(under("first", "hi", false).status, 402);
    assert_eq!(code(&relay.beside(&["credits", "add", "customer", "1", "--reference", "r"])), 0);
    let first = under("first", "hi", false);
    assert_eq!(first.status, 200, "{}", first.body);
    let again = under("first", "hi", false);
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
    let other = under("first", "something else", false);
    assert!(other.status == 400 && other.body.contains("idempotency_key_reused"), "{}", other.body);
    // While the first is being answered, a repeat is told so.
    let address = relay.address();
    let slow = posting(CHAT, &format!("{KEY}idempotency-key: slow\r\n"), &asks("hi [[sim:tokens=40]]", false));
    let running = std::thread::spawn(move || request(&address, &slow).status);
    crate::program::until("the call is under way", || relay.get("/metrics").body.contains("calls_in_flight 1"));
    let repeat = under("slow", "hi [[sim:tokens=40]]", false);
    assert!(repeat.status == 409 && repeat.header("retry-after").is_some(), "{} {}", repeat.status, repeat.body);
    assert_eq!(running.join().unwrap(), 200);
    // A stream cannot be given again, and is not charged again either.
    assert_eq!(under("stream", "hi [[sim:tokens=1]]", true).status, 200);
    let mut answered = under("stream", "hi [[sim:tokens=1]]", true);
    for _ in 0..100 {
        if answered.body.contains("idempotent_call_answered") {
            break;
        }
        answered = under("stream", "hi [[sim:tokens=1]]", true);
    }
    assert!(answered.status == 400 && answered.body.contains("idempotent_call_answered"), "{}", answered.body);
    assert_eq!(under(&"x".repeat(256), "hi", false).status, 400);
    assert_eq!(ledger(&relay)["accounts"][0]["balance_usd"], "0.85", "three calls of five cents");
    // The books know of them after a kill, and the calls are not charged once more.
    relay.signal("KILL");
    relay.ended();
    let again = Running::serve_in(&relay.folder, &[], &[]);
    for (key, says, stream) in [("first", "hi", false), ("stream", "hi [[sim:tokens=1]]", true)] {
        let answered = sent(&again, key, says, stream);
        assert!(answered.status == 400 && answered.body.contains("idempotent_call_answered"), "{}", answered.body);
    }
    assert!(sent(&again, "first", "something else", false).body.contains("idempotency_key_reused"));
    assert_eq!(ledger(&again)["accounts"][0]["balance_usd"], "0.85");
    assert_eq!(sent(&again, "new", "hi", false).status, 200);
}

#[test]
fn what_the_cache_answers_is_counted_in_usage_and_costs_nothing() {
    let relay = Running::serve(Some(&format!("{FILE}cache: {{ exact: {{ only_when: always }} }}\n")), &[], &[]);
    assert_eq!(code(&relay.beside(&["credits", "add", "customer", "1", "--reference", "r"])), 0);
    for cached in ["miss", "hit", "hit"] {
        let answer = relay.post(CHAT, KEY, &asks("hi", false));
        assert_eq!((answer.status, answer.header("x-sluicegate-cache")), (200, Some(cached)), "{}", answer.body);
    }
    let told: serde_json::Value =
        serde_json::from_slice(&relay.beside(&["usage", "--by", "model", "--json"]).stdout).unwrap();
    let line = &told["usage"][0];
    assert_eq!((&line["calls"], &line["cache_hits"]), (&3.into(), &2.into()), "{told}");
    assert_eq!((&line["billed_usd"], &line["saved_usd"]), (&"0.05".into(), &"0.1".into()), "{told}");
    let own = format!("GET /v1/usage?by=model HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{KEY}\r\n");
    let own = request(&relay.address(), &own).json();
    assert_eq!((&own["total"]["cache_hits"], &own["data"][0]["saved_usd"]), (&2.into(), &"0.1".into()), "{own}");
    assert_eq!(ledger(&relay)["accounts"][0]["balance_usd"], "0.95");
    let verified = relay.beside(&["ledger", "verify"]);
    assert_eq!(code(&verified), 0, "{}", text(&verified.stdout));
}

#[test]
fn single_calls_are_found_by_what_is_known_of_them_a_page_at_a_time() {
    let relay = Running::serve(Some(FILE), &[], &[]);
    assert_eq!(code(&relay.beside(&["credits", "add", "customer", "0.12", "--reference", "r"])), 0);
    for (number, status) in [200, 200, 402].into_iter().enumerate() {
        let headers = format!("{KEY}x-request-id: call-{number}\r\n");
        assert_eq!(relay.post(CHAT, &headers, &asks("hi", false)).status, status);
    }
    let told = |arguments: &[&str]| -> (Vec<String>, serde_json::Value) {
        let output = relay.beside(&[&["calls", "--json"], arguments].concat());
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        let page: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let ids = page["calls"].as_array().unwrap().iter().map(|call| call["request_id"].as_str().unwrap().to_owned());
        (ids.collect(), page)
    };
    assert_eq!(told(&[]).0, ["call-2", "call-1", "call-0"]);
    assert_eq!(told(&["--status", "200", "--key", "customer", "--model", "sim"]).0, ["call-1", "call-0"]);
    assert_eq!(told(&["--key", "nobody"]).0, [""; 0]);
    let (one, page) = told(&["--request-id", "call-1"]);
    assert_eq!((one, &page["next"]), (vec!["call-1".to_owned()], &serde_json::Value::Null));
    let call = &page["calls"][0];
    assert_eq!((&call["billed_usd"], &call["status"], &call["end"]), (&"0.05".into(), &200.into(), &"done".into()));
    let (first, page) = told(&["--limit", "2"]);
    let (second, _) = told(&["--limit", "2", "--before", page["next"].as_str().unwrap()]);
    assert_eq!([first, second].concat(), ["call-2", "call-1", "call-0"]);
    let wrong = relay.beside(&["calls", "--before", "yesterday"]);
    assert_eq!(code(&wrong), 1);
    assert!(text(&wrong.stderr).contains("not what a page said"), "{}", text(&wrong.stderr));
    let table = relay.beside(&["calls", "--limit", "2"]);
    assert!(text(&table.stdout).contains("call-1") && text(&table.stderr).contains("--before "), "{table:?}");
}

#[test]
fn money_is_shown_in_another_currency_beside_dollars_and_kept_in_dollars() {
    let file = FILE.replace("prices: { models:", "prices: { display: { currency: CNY, per_usd: 7.2 }, models:");
    let relay = Running::serve(Some(&file), &[], &[]);
    let added = relay.beside(&["credits", "add", "customer", "1", "--reference", "r"]);
    assert!(text(&added.stdout).contains("customer has $1 (7.2 CNY)"), "{}", text(&added.stdout));
    assert_eq!(relay.post(CHAT, KEY, &asks("hi", false)).status, 200);
    let get = |path: &str| {
        request(&relay.address(), &format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{KEY}\r\n"))
    };
    assert_eq!(get("/v1/key").json()["account"]["left_cny"], "6.84");
    assert_eq!(get("/v1/quota").json()["account"]["balance_cny"], "6.84");
    let usage = get("/v1/usage").json();
    assert_eq!((&usage["total"]["cost_usd"], &usage["total"]["cost_cny"]), (&"0.05".into(), &"0.36".into()), "{usage}");
    let table = text(&relay.beside(&["usage"]).stdout);
    assert!(table.contains("$0.05") && table.contains("0.36 CNY"), "{table}");
    assert_eq!(ledger(&relay)["accounts"][0]["left_usd"], "0.95");
    let keys = text(&relay.beside(&["keys", "list"]).stdout);
    let line: Vec<&str> = keys.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!((line[4], line[5]), ("0", "$0.05"), "{keys}");
    assert!(line[6].starts_with("20") && line[7].len() == 5, "when it was used last: {keys}");
}

#[test]
fn without_books_a_question_about_money_says_what_to_write_and_where() {
    let relay = Running::serve(Some("providers: { lab: { kind: simulated } }\n"), &[], &[]);
    for question in [&["usage"][..], &["ledger", "show"], &["credits", "orders"]] {
        let output = relay.beside(question);
        let said = text(&output.stderr);
        assert_eq!(code(&output), 1, "{said}");
        assert!(said.contains("write `ledger: {}` into") && said.contains("sluicegate.yaml"), "{said}");
    }
    let file = relay.folder.path().join("sluicegate.yaml");
    std::fs::write(&file, "providers: { lab: { kind: simulated } }\nledger: {}\n").unwrap();
    assert_eq!(code(&relay.beside(&["reload"])), 0);
    assert_eq!(code(&relay.beside(&["usage"])), 0);
}

/// No file of the relay's may grow beyond this, as on a disk that is full; for ever, if it says `unlimited`.
fn may_write(relay: &Running, bytes: &str) {
    let pid = relay.child.id().to_string();
    let set =
        std::process::Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:unlimited")]).status();
    assert!(set.unwrap().success());
}

#[test]
fn while_the_disk_is_full_paid_calls_are_refused_and_others_go_on_and_nothing_is_lost() {
    let file = FILE.replace("keys:\n", "keys:\n  - { name: house, value: sk-sg-house }\n");
    let relay = Running::serve(Some(&file), &[], &[]);
    assert_eq!(code(&relay.beside(&["credits", "add", "customer", "1", "--reference", "r"])), 0);
    assert_eq!(relay.post(CHAT, KEY, &asks("hi", false)).status, 200);
    may_write(&relay, "0");
    let mut statuses = Vec::new();
    for _ in 0..50 {
        let answer = relay.post(CHAT, KEY, &asks("hi", false));
        assert!(answer.status == 200 || answer.body.contains("books_failing"), "{} {}", answer.status, answer.body);
        statuses.push(answer.status);
        if statuses.ends_with(&[503; 3]) {
            break;
        }
    }
    assert!(statuses.ends_with(&[503; 3]), "{statuses:?}");
    let others = relay.post(CHAT, "authorization: Bearer sk-sg-house\r\n", &asks("hi", false));
    assert_eq!(others.status, 200, "{}", others.body);
    let shown = relay.beside(&["ledger", "show"]);
    assert!(code(&shown) == 3 && text(&shown.stdout).contains("cannot be written"), "{}", text(&shown.stdout));
    may_write(&relay, "unlimited");
    crate::program::until("paid calls go on", || relay.post(CHAT, KEY, &asks("hi", false)).status == 200);
    let answered = 2 + statuses.iter().filter(|status| **status == 200).count();
    let verified = relay.beside(&["ledger", "verify", "--json"]);
    assert_eq!(code(&verified), 0, "{}", text(&verified.stdout));
    let left = 1_000_000_000 - 50_000_000 * answered;
    let left = format!("{}", left as f64 / 1e9);
    assert_eq!(ledger(&relay)["accounts"][0]["balance_usd"], *left, "{statuses:?}");
}

#[test]
fn where_the_policy_is_to_go_on_paid_calls_do_while_the_disk_is_full_and_are_in_the_books_after_it() {
    let file = format!("{FILE}ledger: {{ when_failing: go_on }}\n");
    let relay = Running::serve(Some(&file), &[], &[]);
    assert_eq!(code(&relay.beside(&["credits", "add", "customer", "1", "--reference", "r"])), 0);
    may_write(&relay, "0");
    let statuses: Vec<u16> = (0..10).map(|_| relay.post(CHAT, KEY, &asks("hi", false)).status).collect();
    assert_eq!(statuses, [200; 10]);
    let shown = relay.beside(&["ledger", "show"]);
    assert!(code(&shown) == 3 && text(&shown.stdout).contains("cannot be written"), "{}", text(&shown.stdout));
    may_write(&relay, "unlimited");
    crate::program::until("the journal is written", || code(&relay.beside(&["ledger", "show"])) == 0);
    let verified = relay.beside(&["ledger", "verify", "--json"]);
    assert_eq!(code(&verified), 0, "{}", text(&verified.stdout));
    let verdict: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(verdict["charges"], 10, "{verdict}");
    assert_eq!(ledger(&relay)["accounts"][0]["balance_usd"], "0.5");
}

#[test]
fn a_reload_says_which_settings_of_the_books_wait_for_a_restart() {
    let relay = Running::serve(Some(FILE), &[], &[]);
    let other = format!("{FILE}ledger: {{ when_failing: go_on, sync_every: 50ms, open_calls: free }}\n");
    std::fs::write(relay.folder.path().join("sluicegate.yaml"), other).unwrap();
    let reloaded = relay.beside(&["reload", "--json"]);
    assert_eq!(code(&reloaded), 3, "{}", text(&reloaded.stderr));
    let report: serde_json::Value = serde_json::from_slice(&reloaded.stdout).unwrap();
    assert_eq!(report["needs_restart"], serde_json::json!(["ledger.when_failing", "ledger.sync_every"]));
}

#[test]
fn a_stream_ends_with_an_error_where_its_account_has_nothing_left_if_that_is_configured() {
    let file = |cut: bool| {
        format!(
            "providers: {{ lab: {{ kind: simulated, ttft: 1ms, tokens_per_second: 1000000 }} }}\n\
             prices: {{ models: {{ lab/sim: {{ input: 0, output: 1000 }} }} }}\n\
             keys:\n  - {{ name: customer, value: sk-sg-customer, credits: {{ cut_streams: {cut} }} }}\n"
        )
    };
    // Neither the call nor a price list says how long its answer may be, so 16,384 tokens are held for, and more come.
    let body = asks("[[sim:tokens=18000]]", true);
    for cut in [true, false] {
        let relay = Running::serve(Some(&file(cut)), &[], &[]);
        assert_eq!(code(&relay.beside(&["credits", "add", "customer", "17", "--reference", "r"])), 0);
        let answer = relay.post(CHAT, KEY, &body);
        assert_eq!(answer.status, 200);
        let told = answer.body.contains("insufficient_credits") && !answer.body.contains("[DONE]");
        assert_eq!(told, cut, "{}", &answer.body[answer.body.len().saturating_sub(600)..]);
        let left = ledger(&relay)["accounts"][0]["balance_usd"].as_str().unwrap().to_owned();
        // What came in one piece with the last token that was covered is charged too; without the cut a whole dollar is owed.
        let left: f64 = left.parse().unwrap();
        assert!(if cut { left > -0.5 } else { left < -0.9 }, "{left}");
        assert_eq!(code(&relay.beside(&["ledger", "verify"])), 0);
    }
}

/// Calls at an even rate over connections that stay open, and the latencies of those that were answered well.
fn paced(address: &str, rate: u32, seconds: u32) -> Vec<Duration> {
    let clients = 20;
    let pause = Duration::from_secs(1) * clients / rate;
    let body = asks("hi [[sim:tokens=1]]", false);
    let (head, length) = ("POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n", body.len());
    let sent = format!("{head}content-type: application/json\r\n{KEY}content-length: {length}\r\n\r\n{body}");
    let client = |number: u32| {
        let mut stream = BufReader::new(TcpStream::connect(address).unwrap());
        stream.get_ref().set_read_timeout(Some(crate::program::PATIENCE)).unwrap();
        let begun = Instant::now() + pause * number / clients;
        let mut latencies = Vec::new();
        for call in 0..rate * seconds / clients {
            // Late calls count from when they were due, or a stall would hide itself. And they are due at odd times, or how
            // the clients happen to follow each other would decide the slowest in a hundred.
            let odd = (u64::from(call) << 8 | u64::from(number)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48;
            let due = begun + pause * call + (pause / 2).mul_f64(odd as f64 / 65_536.0);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            stream.get_mut().write_all(sent.as_bytes()).unwrap();
            let (mut line, mut length) = (String::new(), 0);
            stream.read_line(&mut line).unwrap();
            assert!(line.starts_with("HTTP/1.1 200"), "{line}");
            while line != "\r\n" {
                line.clear();
                stream.read_line(&mut line).unwrap();
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
            }
            std::io::Read::read_exact(&mut stream, &mut vec![0; length]).unwrap();
            latencies.push(due.elapsed());
        }
        latencies
    };
    let mut all: Vec<Duration> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|number| scope.spawn(move || client(number))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    all.sort_unstable();
    all
}

/// The long form, five minutes at a thousand calls a second, is run by `scripts/soak-books.sh`.
#[test]
fn a_stalled_database_stalls_no_call_and_loses_none() {
    let number = |name: &str, usual: u32| std::env::var(name).ok().map_or(usual, |text| text.parse().unwrap());
    let (rate, seconds) = (number("SLUICEGATE_STALL_RATE", 100), number("SLUICEGATE_STALL_SECONDS", 2));
    let file = "\
providers: { lab: { kind: simulated, ttft: 1ms, tokens_per_second: 1000 } }
prices: { models: { lab/sim: { request: 0.000001 } } }
keys:
  - { name: customer, value: sk-sg-customer, credits: {} }
";
    let relay = Running::serve(Some(file), &[], &[]);
    assert_eq!(code(&relay.beside(&["credits", "add", "customer", "100", "--reference", "r"])), 0);
    let before = paced(&relay.address(), rate, seconds.min(60));
    let elsewhere = rusqlite::Connection::open(relay.folder.path().join("data/books.db")).unwrap();
    elsewhere.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let during = paced(&relay.address(), rate, seconds);
    let page = ledger(&relay);
    assert!(page["behind"].as_u64().unwrap() >= during.len() as u64, "{page}");
    elsewhere.execute_batch("ROLLBACK").unwrap();
    let p99 = |latencies: &[Duration]| latencies[latencies.len() * 99 / 100];
    println!(
        "{} calls, p99 {:?}; {} calls with the database stalled for {seconds} s, p99 {:?}",
        before.len(),
        p99(&before),
        during.len(),
        p99(&during)
    );
    let verified = relay.beside(&["ledger", "verify", "--json"]);
    assert_eq!(code(&verified), 0, "{}", text(&verified.stdout));
    let verdict: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(verdict["charges"], before.len() + during.len(), "{verdict}");
}

#[test]
fn what_bounds_a_label_bounds_all_calls_of_that_name_and_no_others() {
    let file =
        FILE.replace("credits: {}, ", "") + "labels: { research: { budget: { usd: 0.1, per: total } }, chores: {} }\n";
    let relay = Running::serve(Some(&file), &[], &[]);
    let under = |label: &str| {
        let header = format!("{KEY}x-sluicegate-label: {label}\r\n");
        relay.post(CHAT, &header, &asks("hi", false)).status
    };
    assert_eq!([under("research"), under("research"), under("research")], [200, 200, 402]);
    assert_eq!([under("chores"), under("reserach")], [200, 400]);
    assert_eq!(relay.post(CHAT, KEY, &asks("hi", false)).status, 200);
    let page = ledger(&relay);
    let budgets = page["budgets"].as_array().unwrap();
    let research = budgets.iter().find(|budget| budget["owner"] == "label research").unwrap();
    assert_eq!((&research["used"], &research["left"]), (&"0.1".into(), &"0".into()), "{page}");
    let listed = text(&relay.beside(&["ledger", "export", "--format", "jsonl"]).stdout);
    assert_eq!(listed.lines().filter(|line| line.contains(r#""label":"research""#)).count(), 2, "{listed}");
    assert_eq!(code(&relay.beside(&["ledger", "verify"])), 0);
}
