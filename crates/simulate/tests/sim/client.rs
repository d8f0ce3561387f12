//! A small client that keeps what a relay would have to cope with: every chunk, and how the body ended.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sluicegate_simulate::{Handle, Options, Simulator};
use tokio::net::TcpStream;

/// A running simulator.
pub(crate) struct Sim {
    pub(crate) address: SocketAddr,
    pub(crate) handle: Handle,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) chunks: Vec<Bytes>,
    /// The body ended with an error instead of its end.
    pub(crate) broken: bool,
}

/// The formats of a conversation, for tests that go through all.
pub(crate) const FORMATS: [&str; 4] = ["chat", "responses", "messages", "generate"];

pub(crate) fn start(options: Options) -> Sim {
    let (address, handle) = Simulator::start(options).unwrap();
    Sim { address, handle }
}

pub(crate) fn plain() -> Options {
    Options { label: false, ..Options::default() }
}

impl Sim {
    pub(crate) async fn connect(&self) -> SendRequest<Full<Bytes>> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// One request on a connection of its own; an error if no head came back.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Got, hyper::Error> {
        let response = self.connect().await.send_request(request).await?;
        Ok(read(response).await)
    }

    pub(crate) async fn get(&self, path: &str) -> Got {
        self.send(Request::get(path).body(Full::default()).unwrap()).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Got {
        self.send(post(path, body)).await.unwrap()
    }

    /// A user's message in a format, buffered or streamed.
    pub(crate) async fn say(&self, format: &str, stream: bool, text: &str) -> Got {
        self.try_say(format, stream, text).await.unwrap()
    }

    pub(crate) async fn try_say(&self, format: &str, stream: bool, text: &str) -> Result<Got, hyper::Error> {
        let (path, body) = spoken(format, stream, text);
        self.send(post(&path, &body)).await
    }
}

pub(crate) fn post(path: &str, body: &Value) -> Request<Full<Bytes>> {
    Request::post(path)
        .header("host", "sim")
        .header("content-type", "application/json")
        .header("anthropic-version", "2023-06-01")
        .body(Full::from(body.to_string()))
        .unwrap()
}

pub(crate) fn spoken(format: &str, stream: bool, text: &str) -> (String, Value) {
    let messages = json!([{ "role": "user", "content": text }]);
    let (path, body) = match format {
        "chat" if stream => (
            "/v1/chat/completions",
            json!({ "model": "m", "stream": true, "stream_options": { "include_usage": true }, "messages": messages }),
        ),
        "chat" => ("/v1/chat/completions", json!({ "model": "m", "messages": messages })),
        "responses" => ("/v1/responses", json!({ "model": "m", "stream": stream, "input": text })),
        "messages" => {
            ("/v1/messages", json!({ "model": "m", "stream": stream, "max_tokens": 9999, "messages": messages }))
        }
        "generate" if stream => {
            ("/v1beta/models/m:streamGenerateContent?alt=sse", json!({ "contents": [{ "parts": [{ "text": text }] }] }))
        }
        "generate" => ("/v1beta/models/m:generateContent", json!({ "contents": [{ "parts": [{ "text": text }] }] })),
        other => panic!("no format {other}"),
    };
    (path.to_owned(), body)
}

pub(crate) async fn read(response: http::Response<hyper::body::Incoming>) -> Got {
    let (head, mut body) = response.into_parts();
    let mut got = Got { status: head.status, headers: head.headers, chunks: Vec::new(), broken: false };
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => got.chunks.extend(frame.into_data()),
            Err(_) => {
                got.broken = true;
                break;
            }
        }
    }
    got
}

impl Got {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.chunks.concat()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.chunks.concat()).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The events of a stream: name and data.
    pub(crate) fn events(&self) -> Vec<(String, String)> {
        let text = self.text().replace("\r\n", "\n");
        let mut events = Vec::new();
        for block in text.split("\n\n") {
            let field =
                |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
            if block.lines().any(|line| line.starts_with("data: ")) {
                events.push((field("event: "), field("data: ")));
            }
        }
        events
    }

    /// The events' data as JSON, without `[DONE]`.
    pub(crate) fn data(&self) -> Vec<Value> {
        let events = self.events();
        let json = events.iter().filter(|(_, data)| data != "[DONE]");
        json.map(|(_, data)| serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"))).collect()
    }

    /// The text that an answer says, buffered or streamed.
    pub(crate) fn said(&self) -> String {
        if !self.header("content-type").starts_with("text/event-stream") {
            let body = self.json();
            let places = [
                "/choices/0/message/content",
                "/choices/0/text",
                "/output/0/content/0/text",
                "/content/0/text",
                "/candidates/0/content/parts/0/text",
            ];
            let found = places.iter().find_map(|place| body.pointer(place)?.as_str());
            return found.unwrap_or_default().to_owned();
        }
        let places = ["/choices/0/delta/content", "/delta/text", "/delta", "/candidates/0/content/parts/0/text"];
        self.data().iter().filter_map(|event| places.iter().find_map(|place| event.pointer(place)?.as_str())).collect()
    }

    /// Input and output tokens, buffered or streamed: the last that were told.
    pub(crate) fn usage(&self) -> Option<(u64, u64)> {
        let bodies =
            if self.header("content-type").starts_with("text/event-stream") { self.data() } else { vec![self.json()] };
        let in_one = |body: &Value| {
            let usage = ["/usage", "/usageMetadata", "/response/usage"].iter().find_map(|place| body.pointer(place))?;
            let number = |names: [&str; 3]| names.iter().find_map(|name| usage.get(name)?.as_u64());
            Some((
                number(["prompt_tokens", "input_tokens", "promptTokenCount"])?,
                number(["completion_tokens", "output_tokens", "candidatesTokenCount"]).unwrap_or(0),
            ))
        };
        bodies.iter().filter_map(in_one).next_back()
    }
}

/// Waits until `done`, for a second at most.
pub(crate) async fn eventually(mut done: impl FnMut() -> bool) -> bool {
    for _ in 0..100 {
        if done() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}
