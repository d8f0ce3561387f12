//! One call, measured.

use crate::client::Client;
use crate::speech::{Ask, Said, path};
use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::Value;
use sluicegate_upstream::{Fields, ResponseBody, UpstreamError};
use sluicegate_vocabulary::Dialect;
use std::time::{Duration, Instant};

/// The most of an answer that is read, in bytes.
const LARGEST: usize = 4 << 20;
/// The most of an error's body that is kept, in characters.
const EXCERPT: usize = 300;
/// No answer is waited for longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// What there was too much of, as far as a refusal says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooMuch {
    Requests,
    Tokens,
    Concurrency,
}

/// How a call went.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Went {
    Ok,
    /// 429, with what it says of the reason.
    Limited(Option<TooMuch>),
    /// In one word: a status, `timeout`, `connection`, `truncated`.
    Failed(String),
}

#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) went: Went,
    pub(crate) status: u16,
    /// From `since` to the first content, and to the end.
    pub(crate) first: Option<Duration>,
    pub(crate) total: Duration,
    pub(crate) said: Said,
    pub(crate) fields: Fields,
    /// The beginning of an error's body.
    pub(crate) error: String,
    /// Whether it was JSON with a reason where the formats have one.
    pub(crate) reasoned: bool,
    pub(crate) ended: Instant,
}

/// Sends a call and reads its answer. Times count from `since`: when it was due, which in an open loop may be before it
/// could be sent.
pub(crate) async fn call(client: &Client, dialect: Dialect, model: &str, ask: &Ask, since: Instant) -> Sent {
    let exchange = exchange(client, dialect, ask.body(dialect, model), ask.stream, since);
    match tokio::time::timeout(PATIENCE, exchange).await {
        Ok(sent) if sent.went == Went::Limited(None) => {
            Sent { went: Went::Limited(exhausted(&sent.fields, ask)), ..sent }
        }
        Ok(sent) => sent,
        Err(_) => failed("timeout", String::new(), since),
    }
}

fn failed(word: &str, error: String, since: Instant) -> Sent {
    let ended = Instant::now();
    Sent {
        went: Went::Failed(word.to_owned()),
        status: 0,
        first: None,
        total: ended.saturating_duration_since(since),
        said: Said::default(),
        fields: Fields::default(),
        error,
        reasoned: false,
        ended,
    }
}

async fn exchange(client: &Client, dialect: Dialect, body: Bytes, stream: bool, since: Instant) -> Sent {
    let mut answer = match client.send(Method::POST, path(dialect), Some(body)).await {
        Ok(answer) => answer,
        Err(error) => return failed(word(&error), error.to_string(), since),
    };
    let status = answer.status.as_u16();
    let body = &mut answer.body;
    let mut sent = failed("", String::new(), since);
    sent.status = status;
    sent.fields = answer.fields;
    if !answer.status.is_success() {
        let text = read(body).await.map(|body| String::from_utf8_lossy(&body).into_owned()).unwrap_or_default();
        sent.went = if status == 429 { Went::Limited(too_much(&text)) } else { Went::Failed(status.to_string()) };
        sent.reasoned =
            serde_json::from_str::<Value>(&text).is_ok_and(|error| error.pointer("/error/message").is_some());
        sent.error = text.chars().take(EXCERPT).collect();
    } else if stream {
        sent.went = match streamed(body, dialect, since, &mut sent.said, &mut sent.first).await {
            true if sent.said.over => Went::Ok,
            _ => Went::Failed("truncated".to_owned()),
        };
    } else {
        let answer = read(body).await.and_then(|body| serde_json::from_slice::<Value>(&body).ok());
        sent.went = if answer.is_some() { Went::Ok } else { Went::Failed("truncated".to_owned()) };
        sent.said = answer.map(|answer| Said::whole(dialect, &answer)).unwrap_or_default();
    }
    sent.ended = Instant::now();
    sent.total = sent.ended.saturating_duration_since(since);
    sent
}

fn word(error: &UpstreamError) -> &'static str {
    if error.is_timeout() { "timeout" } else { "connection" }
}

/// A whole body; `None` when it breaks off or is too large.
pub(crate) async fn read(body: &mut ResponseBody) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame.ok()?.data_ref() {
            whole.extend_from_slice(data);
        }
        if whole.len() > LARGEST {
            return None;
        }
    }
    Some(whole)
}

/// Reads a stream of events; whether it came to its end.
async fn streamed(
    body: &mut ResponseBody,
    dialect: Dialect,
    since: Instant,
    said: &mut Said,
    first: &mut Option<Duration>,
) -> bool {
    let mut buffer = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        let Some(data) = frame.data_ref() else { continue };
        buffer.extend_from_slice(data);
        if buffer.len() > LARGEST {
            return false;
        }
        while let Some(end) = buffer.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            let Some(data) = line.strip_prefix(b"data:") else { continue };
            let data = data.trim_ascii();
            if data == b"[DONE]" {
                said.over = true;
            } else if let Ok(event) = serde_json::from_slice::<Value>(data)
                && said.event(dialect, &event)
                && first.is_none()
            {
                *first = Some(since.elapsed());
            }
        }
    }
    true
}

/// What a refusal says there was too much of. Concurrency first, since those refusals often speak of requests as well.
fn too_much(body: &str) -> Option<TooMuch> {
    let body = body.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| body.contains(word));
    if says(&["concurren", "simultaneous", "parallel"]) {
        Some(TooMuch::Concurrency)
    } else if says(&[
        "tokens per",
        "token limit",
        "(tpm)",
        "\"tokens\"",
        "tokens_per",
        "input tokens",
        "tokens per min",
    ]) {
        Some(TooMuch::Tokens)
    } else if says(&["requests per", "(rpm)", "\"requests\"", "requests_per", "request limit"]) {
        Some(TooMuch::Requests)
    } else {
        None
    }
}

/// Which part of a call a limit counts.
#[derive(Debug, Clone, Copy)]
enum Part {
    Call,
    Input,
    Output,
    Both,
}

/// Headers that tell what is left, in OpenAI's and Anthropic's form.
const LEFT: [(&str, Part); 6] = [
    ("x-ratelimit-remaining-requests", Part::Call),
    ("anthropic-ratelimit-requests-remaining", Part::Call),
    ("x-ratelimit-remaining-tokens", Part::Both),
    ("anthropic-ratelimit-tokens-remaining", Part::Both),
    ("anthropic-ratelimit-input-tokens-remaining", Part::Input),
    ("anthropic-ratelimit-output-tokens-remaining", Part::Output),
];

/// What a refusal's headers leave too little of for this call.
fn exhausted(fields: &Fields, ask: &Ask) -> Option<TooMuch> {
    let output = u64::from(ask.max_tokens);
    let short = |(name, part): &&(&str, Part)| {
        let wanted = match part {
            Part::Call => 1,
            Part::Input => ask.tokens,
            Part::Output => output,
            Part::Both => ask.tokens + output,
        };
        fields.text(name).and_then(|left| left.trim().parse::<u64>().ok()).is_some_and(|left| left < wanted)
    };
    LEFT.iter()
        .find(short)
        .map(|(_, part)| if matches!(part, Part::Call) { TooMuch::Requests } else { TooMuch::Tokens })
}

/// Whether headers tell of limits, and the first name that does.
pub(crate) fn limit_header(fields: &Fields) -> Option<String> {
    let names = fields.iter().map(|(name, _)| String::from_utf8_lossy(name).to_ascii_lowercase());
    names.into_iter().find(|name| name.contains("ratelimit"))
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
