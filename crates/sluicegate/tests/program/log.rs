use crate::program::{Running, until};
use serde_json::Value;

const FAST: &str = "providers: { lab: { kind: simulated, ttft: 1ms, tokens_per_second: 0 } }\n";

fn lines(text: &str) -> Vec<Value> {
    let json = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().filter(|line| line.starts_with("{\"ts\"")).map(json).collect()
}

#[test]
fn every_call_is_one_line_of_json_under_the_id_the_client_saw() {
    let relay = Running::serve(Some(FAST), &[], &[]);
    let answer = relay.chat("sim");
    let refused = relay.post("/v1/chat/completions", "x-request-id: mine-1\r\n", "{");
    relay.get("/no/such/path");
    until("three lines", || lines(&relay.err()).len() == 3);
    let lines = lines(&relay.err());
    let of = |id: &str| lines.iter().find(|line| line["id"] == id).unwrap();
    let done = of(answer.header("x-request-id").unwrap());
    assert_eq!((&done["end"], &done["status"], &done["simulated"]), (&"done".into(), &200.into(), &true.into()));
    assert_eq!(done["endpoint"], "/chat/completions");
    assert_eq!(done["attempts"][0]["result"], "ok");
    assert!(done["usage"]["output"].as_u64().unwrap() > 0 && done["ms"]["total"].as_f64().unwrap() > 0.0);
    assert_eq!((&of("mine-1")["end"], &of("mine-1")["status"]), (&"refused".into(), &refused.status.into()));
}

#[test]
fn the_log_goes_where_the_file_says() {
    let to_file = Running::serve(Some(&format!("{FAST}server: {{ request_log: logs/requests.log }}\n")), &[], &[]);
    to_file.chat("sim");
    let path = to_file.folder.path().join("logs/requests.log");
    until("a line in the file", || std::fs::read_to_string(&path).is_ok_and(|text| lines(&text).len() == 1));
    assert!(lines(&to_file.err()).is_empty());

    let to_stdout = Running::serve(Some(&format!("{FAST}server: {{ request_log: stdout }}\n")), &[], &[]);
    to_stdout.chat("sim");
    until("a line on standard output", || lines(&to_stdout.out()).len() == 1);
    assert_eq!(to_stdout.out().lines().count(), 1, "nothing else is there: {}", to_stdout.out());

    let mut nowhere = Running::serve(Some(&format!("{FAST}server: {{ request_log: none }}\n")), &[], &[]);
    nowhere.chat("sim");
    nowhere.signal("TERM");
    nowhere.ended();
    assert!(lines(&nowhere.err()).is_empty() && nowhere.out().is_empty());
}

#[test]
fn a_log_that_was_moved_away_is_begun_anew_on_reload() {
    let relay = Running::serve(Some(&format!("{FAST}server: {{ request_log: r.log }}\n")), &[], &[]);
    let path = relay.folder.path().join("r.log");
    relay.chat("sim");
    until("a line", || std::fs::read_to_string(&path).is_ok_and(|text| lines(&text).len() == 1));
    std::fs::rename(&path, relay.folder.path().join("r.log.1")).unwrap();
    assert!(relay.beside(&["reload"]).status.success());
    relay.chat("sim");
    until("a line in the new file", || std::fs::read_to_string(&path).is_ok_and(|text| lines(&text).len() == 1));
}

#[test]
fn the_last_calls_are_in_the_log_when_the_relay_has_stopped() {
    let mut relay = Running::serve(Some(FAST), &[], &[]);
    for _ in 0..20 {
        relay.chat("sim");
    }
    relay.signal("TERM");
    assert_eq!(relay.ended(), 0);
    until("the pipe to be read", || lines(&relay.err()).len() == 20);
}

#[test]
fn people_get_lines_for_people() {
    let relay = Running::serve(Some(FAST), &["--log-format", "human"], &[]);
    relay.chat("sim");
    relay.says("200 /chat/completions  sim → lab/sim");
    assert!(lines(&relay.err()).is_empty());
}

#[test]
fn with_the_json_format_every_line_of_the_whole_life_is_json() {
    let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let mut command = crate::program::command(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    let mut relay = Running::start(&folder, &mut command);
    relay.says("listening");
    relay.chat("sim");
    relay.signal("TERM");
    assert_eq!(relay.ended(), 0);
    until("the last line", || relay.err().contains("stopped"));
    for line in relay.err().lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
}

#[test]
fn a_log_that_nobody_reads_holds_up_neither_calls_nor_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut command = crate::program::command(folder.path());
    command.args(["serve", "-vv", "--listen", &free]).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    until("it to listen", || std::net::TcpStream::connect(&free).is_ok());
    let get = |path: &str| {
        crate::program::request(&free, &format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"))
    };
    // A pipe holds 64 KiB; these lines are more.
    for _ in 0..400 {
        assert_eq!(get(&format!("/{}", "x".repeat(50))).status, 404);
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(get("/v1/models").status, 200);
    assert_eq!(get("/metrics").status, 200);
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    until("its end", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
