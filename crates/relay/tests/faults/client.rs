//! A client of each dialect that keeps what it got, to the last byte.

use serde_json::{Value, json};
use sluicegate_vocabulary::Format;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What came back.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    head: String,
    body: String,
    /// The body has its end, and not only the connection.
    pub(crate) whole: bool,
}

/// What a client makes of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Read_ {
    /// The text, joined.
    pub(crate) text: String,
    /// The end mark of the format came.
    pub(crate) ended: bool,
    /// The type (Gemini: the status word) of the error that was told.
    pub(crate) error: Option<String>,
    /// OpenAI's code of it.
    pub(crate) code: Option<String>,
    /// An event that was no JSON.
    pub(crate) garbage: bool,
}

/// Sends one call and reads until the relay closes the connection.
pub(crate) fn call(relay: SocketAddr, format: Format, stream: bool, model: &str, id: &str) -> std::io::Result<Got> {
    let (path, body) = request(format, stream, model);
    let body = body.to_string();
    let mut connection = TcpStream::connect(relay)?;
    connection.set_read_timeout(Some(Duration::from_secs(60)))?;
    connection.write_all(
        format!(
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-type: application/json\r\n\
             anthropic-version: 2023-06-01\r\nx-deadline-ms: 15000\r\nx-request-id: {id}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    )?;
    let mut bytes = Vec::new();
    connection.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, rest) = text.split_once("\r\n\r\n").ok_or_else(|| std::io::Error::other(format!("no head: {text}")))?;
    let head = head.to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let (body, whole) = match length {
        Some(length) => (rest.to_owned(), rest.len() == length),
        None => unchunked(rest),
    };
    Ok(Got { status, head, body, whole })
}

fn request(format: Format, stream: bool, model: &str) -> (String, Value) {
    let messages = json!([{ "role": "user", "content": "How do you do?" }]);
    match format {
        Format::Chat => (
            "/v1/chat/completions".into(),
            json!({ "model": model, "stream": stream, "max_tokens": 500, "messages": messages }),
        ),
        Format::Responses => (
            "/v1/responses".into(),
            json!({ "model": model, "stream": stream, "max_output_tokens": 500, "input": "How do you do?" }),
        ),
        Format::Messages => (
            "/v1/messages".into(),
            json!({ "model": model, "stream": stream, "max_tokens": 500, "messages": messages }),
        ),
        Format::Generate => (
            format!(
                "/v1beta/models/{model}:{}",
                if stream { "streamGenerateContent?alt=sse" } else { "generateContent" }
            ),
            json!({
                "contents": [{ "role": "user", "parts": [{ "text": "How do you do?" }] }],
                "generationConfig": { "maxOutputTokens": 500 },
            }),
        ),
    }
}

fn unchunked(mut rest: &str) -> (String, bool) {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        match usize::from_str_radix(size.trim(), 16) {
            Ok(0) => return (body, after.starts_with("\r\n")),
            Ok(size) => match after.as_bytes().get(..size) {
                Some(piece) => {
                    body += &String::from_utf8_lossy(piece);
                    rest = after.get(size + 2..).unwrap_or_default();
                }
                None => break,
            },
            Err(_) => break,
        }
    }
    (body, false)
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"))
    }

    /// A Responses stream ended with the event for that.
    pub(crate) fn told_of_failure(&self) -> bool {
        self.body.contains("event: response.failed") || self.body.contains("event: error")
    }

    /// Reads the answer as a client of the format does.
    pub(crate) fn read(&self, format: Format) -> Read_ {
        let mut read = Read_::default();
        if !self.is_stream() {
            match serde_json::from_str::<Value>(&self.body) {
                Ok(body) => read.whole(&body),
                Err(_) => read.garbage = true,
            }
            return read;
        }
        for block in self.body.replace("\r\n", "\n").split("\n\n") {
            for data in block.lines().filter_map(|line| line.strip_prefix("data: ")) {
                match serde_json::from_str::<Value>(data) {
                    _ if data == "[DONE]" => read.ended = true,
                    Ok(event) => read.event(&event, format),
                    Err(_) => read.garbage = true,
                }
            }
        }
        read
    }

    /// The beginning of it, for the report.
    pub(crate) fn shown(&self) -> String {
        format!("{} {}", self.status, self.body.chars().take(300).collect::<String>().replace('\n', " "))
    }
}

fn word(value: &Value, place: &str) -> Option<String> {
    value.pointer(place).and_then(Value::as_str).map(str::to_owned)
}

impl Read_ {
    fn whole(&mut self, body: &Value) {
        if body.get("error").is_some_and(Value::is_object) {
            self.error(body);
            return;
        }
        const TEXTS: [&str; 4] = [
            "/choices/0/message/content",
            "/output/0/content/0/text",
            "/content/0/text",
            "/candidates/0/content/parts/0/text",
        ];
        self.text = TEXTS.iter().find_map(|place| word(body, place)).unwrap_or_default();
        // It has its length, so it needs no mark.
        self.ended = true;
    }

    fn error(&mut self, body: &Value) {
        self.error = word(body, "/error/status").or_else(|| word(body, "/error/type"));
        self.code = word(body, "/error/code");
    }

    fn event(&mut self, event: &Value, format: Format) {
        if event.get("error").is_some_and(Value::is_object) {
            self.error(event);
            return;
        }
        let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
        let piece = match format {
            Format::Chat => word(event, "/choices/0/delta/content"),
            Format::Responses => word(event, "/delta").filter(|_| kind == "response.output_text.delta"),
            Format::Messages => word(event, "/delta/text"),
            Format::Generate => word(event, "/candidates/0/content/parts/0/text"),
        };
        self.text += &piece.unwrap_or_default();
        self.ended |= match format {
            // `[DONE]` is a formality; the finish reason is the end.
            Format::Chat => word(event, "/choices/0/finish_reason").is_some(),
            Format::Responses => kind == "response.completed",
            Format::Messages => kind == "message_stop",
            Format::Generate => word(event, "/candidates/0/finishReason").is_some(),
        };
    }
}
