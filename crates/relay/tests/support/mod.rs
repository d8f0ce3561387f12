//! A relay with a provider behind it that does exactly what a test says, over real sockets.
#![allow(dead_code, reason = "each test file uses its own part")]

use sluicegate_config::{
    ClientKey, Config, KeyHash, Limit, Listen, Model, Period, Provider, ProviderKey, ProviderKind, Server, Target,
    Timeouts, WeightedTarget,
};
use sluicegate_relay::{Relay, Settings};
use sluicegate_vocabulary::{Mode, Priority, Receipt};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// What a scripted provider does with one request.
#[derive(Clone)]
pub(crate) enum Act {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Waits.
    Pause(Duration),
    /// Closes the connection.
    Close,
    /// Waits until the relay closes the connection, and says whether it did within five seconds.
    AwaitClose(mpsc::Sender<bool>),
}

/// A provider that plays one script per request, in order, each on whatever connection it comes.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: mpsc::Receiver<String>,
}

impl Upstream {
    pub(crate) fn new(scripts: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, seen) = mpsc::channel();
        let scripts = Arc::new(std::sync::Mutex::new(scripts.into_iter()));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (scripts, tell) = (Arc::clone(&scripts), tell.clone());
                std::thread::spawn(move || play(stream.unwrap(), &scripts, &tell));
            }
        });
        Self { address, seen }
    }

    /// The next request it got, head and body.
    pub(crate) fn request(&self) -> String {
        self.seen.recv_timeout(Duration::from_secs(5)).expect("the provider got no request")
    }

    /// Whether no further request comes.
    pub(crate) fn is_left_alone(&self) -> bool {
        self.seen.recv_timeout(Duration::from_millis(200)).is_err()
    }
}

fn play(mut stream: TcpStream, scripts: &std::sync::Mutex<std::vec::IntoIter<Vec<Act>>>, tell: &mpsc::Sender<String>) {
    while let Some(request) = read_request(&mut stream) {
        let _ = tell.send(request);
        let Some(script) = scripts.lock().unwrap().next() else { return };
        for act in script {
            match act {
                Act::Send(bytes) => {
                    if stream.write_all(&bytes).is_err() {
                        return;
                    }
                }
                Act::Pause(pause) => std::thread::sleep(pause),
                Act::Close => return,
                Act::AwaitClose(tell) => {
                    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                    let closed = matches!(stream.read(&mut [0; 1]), Ok(0))
                        || stream.take_error().is_ok_and(|error| error.is_some());
                    let _ = tell.send(closed);
                    return;
                }
            }
        }
    }
}

fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(n) => bytes.extend_from_slice(&piece[..n]),
        }
    }
}

/// A whole JSON answer.
pub(crate) fn json(status: u16, body: &str) -> Vec<Act> {
    vec![Act::Send(
        format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes(),
    )]
}

/// The head of a stream; its pieces follow as chunks.
pub(crate) fn stream_head() -> Act {
    Act::Send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_vec())
}

/// One chunk of a stream.
pub(crate) fn chunk(text: &str) -> Act {
    Act::Send(format!("{:x}\r\n{text}\r\n", text.len()).into_bytes())
}

/// The end of a chunked body.
pub(crate) fn end() -> Act {
    Act::Send(b"0\r\n\r\n".to_vec())
}

pub(crate) const ANSWER: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}"#;

/// A provider of a kind at an address.
pub(crate) fn provider(name: &str, kind: ProviderKind, address: SocketAddr) -> Provider {
    let version = if matches!(kind, ProviderKind::Anthropic | ProviderKind::Gemini) { "" } else { "/v1" };
    Provider {
        base_url: Some(format!("http://{address}{version}")),
        keys: vec![ProviderKey::new("main", "test", "provider-secret".into())],
        timeouts: Timeouts {
            connect: Period::from_secs(1),
            first_byte: Period::from_secs(2),
            stream_idle: Period::from_secs(1),
            total: None,
        },
        max_retries: 0,
        ..Provider::new(name, kind)
    }
}

/// A public name that leads to targets in order.
pub(crate) fn model(name: &str, targets: &[&str]) -> Model {
    let mut targets = targets.iter().map(|target| Target::parse(target).unwrap());
    let to = vec![WeightedTarget { model: targets.next().unwrap(), weight: 1 }];
    Model { fallbacks: targets.collect(), ..Model::new(name, to) }
}

/// A key of a client.
pub(crate) fn key(name: &str, value: &str) -> ClientKey {
    ClientKey {
        name: name.to_owned(),
        source: "test".to_owned(),
        hash: KeyHash::of(value),
        models: None,
        endpoints: None,
        owner: None,
        label: None,
        priority: Priority::Normal,
        tenant: None,
        limits: Limit::default(),
        budgets: Vec::new(),
        credits: None,
        mode: Mode::Adaptive,
        accept_lower_tier: false,
    }
}

/// A configuration with these providers.
pub(crate) fn config(providers: Vec<Provider>) -> Config {
    Config {
        server: Server {
            listen: serde_json::from_str::<Listen>("\"127.0.0.1:0\"").unwrap(),
            workers: std::num::NonZeroUsize::new(2),
            ..Server::default()
        },
        providers: providers.into_iter().map(|provider| (provider.name.clone(), provider)).collect(),
        ..Config::default()
    }
}

/// A running relay.
pub(crate) struct Running {
    pub(crate) relay: Arc<Relay>,
    pub(crate) address: SocketAddr,
}

impl Running {
    pub(crate) fn new(config: Config) -> Self {
        // Where no books are kept nothing is written.
        Self::in_dir(config, std::path::Path::new("/nonexistent"))
    }

    pub(crate) fn in_dir(config: Config, data_dir: &std::path::Path) -> Self {
        let settings = Settings {
            version: "test",
            simulators: Default::default(),
            learned: Default::default(),
            data_dir: data_dir.to_owned(),
        };
        let (relay, local) = Relay::start(config, settings).unwrap();
        // Nothing in these tests is answered by the control runtime.
        drop(local);
        let address = relay.addresses()[0];
        Self { relay, address }
    }

    /// Sends raw bytes on a connection of their own and returns all that comes back.
    pub(crate) fn raw(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        // Receipts of different workers are put in order by the millisecond of their arrival.
        std::thread::sleep(Duration::from_millis(2));
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    /// Posts a JSON body and closes after the answer.
    pub(crate) fn post(&self, path: &str, headers: &str, body: &str) -> String {
        self.raw(post(path, headers, body).as_bytes())
    }

    /// The receipts of as many calls as there should have been, and no more.
    pub(crate) fn receipts(&self, count: usize) -> Vec<Receipt> {
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut receipts = self.relay.take_receipts();
        while receipts.len() < count && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
            receipts.extend(self.relay.take_receipts());
        }
        std::thread::sleep(Duration::from_millis(50));
        receipts.extend(self.relay.take_receipts());
        assert_eq!(receipts.len(), count, "receipts: {receipts:#?}");
        receipts.sort_by_key(|receipt| receipt.arrived_ms);
        receipts
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.relay.drain(Duration::ZERO);
    }
}

pub(crate) fn post(path: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

pub(crate) const CHAT: &str = "/v1/chat/completions";

pub(crate) fn hi(model: &str) -> String {
    format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}]}}"#)
}

pub(crate) fn hi_streamed(model: &str) -> String {
    format!(r#"{{"model":"{model}","stream":true,"messages":[{{"role":"user","content":"hi"}}]}}"#)
}
