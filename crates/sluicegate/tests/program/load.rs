//! What a server shows of its load, over a socket: read, shown to operators, and obeyed by the limit that follows its speed.

use crate::program::{Running, read_until, text, until};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

/// A server with a metrics page.
struct Page {
    address: SocketAddr,
    text: Arc<Mutex<String>>,
}

impl Page {
    fn new(text: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let page = Self { address: listener.local_addr().unwrap(), text: Arc::new(Mutex::new(text.to_owned())) };
        let text = Arc::clone(&page.text);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, text) = (stream.unwrap(), Arc::clone(&text));
                std::thread::spawn(move || {
                    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                    while let Some(Ok(line)) = lines.next() {
                        if line.is_empty() {
                            let body = text.lock().unwrap().clone();
                            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                            let _ = stream.write_all((head + &body).as_bytes());
                        }
                    }
                });
            }
        });
        page
    }

    fn says(&self, text: &str) {
        *self.text.lock().unwrap() = text.to_owned();
    }
}

fn vllm(waiting: u32, cache: f64) -> String {
    format!("vllm:num_requests_waiting{{engine=\"0\"}} {waiting}.0\nvllm:kv_cache_usage_perc{{engine=\"0\"}} {cache}\n")
}

fn provider(relay: &Running) -> Value {
    let output = relay.beside(&["providers", "--json"]);
    let page: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    page["providers"][0].clone()
}

fn adaptive(relay: &Running) -> Value {
    let provider = provider(relay);
    let models = provider["models"].as_array().unwrap().clone();
    models.into_iter().find(|model| model["model"] == "sim").unwrap()["adaptive"].clone()
}

/// As many streams at once as may be, to their end.
fn saturate(relay: &Running) {
    let mut streams: Vec<_> = (0..20).map(|_| relay.stream("sim", "hi")).collect();
    assert!(streams.iter_mut().all(|stream| read_until(stream, "[DONE]")));
}

#[test]
fn a_limit_does_not_grow_while_its_server_shows_a_queue_or_full_memory() {
    let page = Page::new(&vllm(30, 0.2));
    let file = format!(
        "
providers:
  own:
    kind: simulated
    ttft: 250ms
    tokens_per_second: 0
    adaptive_concurrency: {{ first_token_target: 10s }}
    metrics_url: http://{}/metrics
models: {{ sim: {{ to: own/sim }} }}
",
        page.address
    );
    let relay = Running::serve(Some(&file), &[], &[]);
    until("the queue is seen", || adaptive(&relay)["vetoed"] == true);
    assert_eq!(provider(&relay)["load"]["waiting"], 30.0);
    assert_eq!(provider(&relay)["load"]["cache_used"], 0.2);
    let shown = text(&relay.beside(&["providers", "show", "own"]).stdout);
    assert!(shown.contains("30 calls wait inside it") && shown.contains("does not grow"), "{shown}");
    saturate(&relay);
    assert_eq!(adaptive(&relay)["limit"], 20, "it is in use and may not grow");
    let metrics = relay.get("/metrics").body;
    assert!(metrics.contains("sluicegate_server_waiting_calls{provider=\"own\"} 30"), "{metrics}");
    assert!(metrics.contains("sluicegate_adaptive_limit_vetoed{provider=\"own\",model=\"sim\"} 1"), "{metrics}");
    page.says(&vllm(0, 0.95));
    until("the memory is seen", || provider(&relay)["load"]["cache_used"] == 0.95);
    assert_eq!(adaptive(&relay)["vetoed"], true);
    page.says(&vllm(1, 0.5));
    until("there is room again", || adaptive(&relay)["vetoed"] == false);
    saturate(&relay);
    assert_eq!(adaptive(&relay)["limit"], 30, "now it grows");
    page.says("<html>not a metrics page</html>");
    until("it cannot be read", || provider(&relay)["load"]["blind"].is_string());
    assert_eq!(adaptive(&relay)["vetoed"], false, "what cannot be read forbids nothing");
    relay.says("metrics_url cannot be read");
}
