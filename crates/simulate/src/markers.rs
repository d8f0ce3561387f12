//! Orders given inside a message.
//!
//! A test through a relay has only the request to say what the provider behind it shall do, and only the messages
//! reach every provider in every dialect. So the last user message may carry markers such as
//! `[[sim:status=529]]`; several may stand in one message. A marker that is not in this table, or whose value makes no
//! sense, is refused with a 400 that says so: a misspelt order that is silently ignored makes a test pass for nothing.
//!
//! | marker | effect |
//! |---|---|
//! | `status=529` | refuse with this status and the provider's body for it |
//! | `code=insufficient_quota` | with `status`: this error code (OpenAI) |
//! | `retry-after=2s` | with `status` or `throttle`: this `retry-after` |
//! | `throttle=tokens` | refuse as too much, in the provider's words and headers: `requests`, `day`, `tokens`, `concurrency`, `slope`, `billing` or `overloaded` |
//! | `context-length` | refuse the input as too long, in the provider's words |
//! | `bad-key` | refuse the key, in the provider's words |
//! | `no-model` | refuse the model as unknown, in the provider's words |
//! | `page` | a page of HTML in place of the answer, as a proxy sends it; with `status`, as that status |
//! | `content-type=text/plain` | a success says that it is this |
//! | `reset`, `reset=3` | reset the connection before the head, or after so many events |
//! | `stall=5s`, `stall=5s@2` | stand still for so long after 3 (or so many) events; a buffered body stops half way |
//! | `truncate=3` | end the stream after so many events; a buffered body is cut short and the connection closed |
//! | `cut=3` | close the connection after so many events, in the middle of the body; a buffered one stops half way |
//! | `linger=5s` | hold the body open for so long after its last byte |
//! | `error-in-stream=3` | an error event after so many events, then the end; a buffered answer is a 200 with an error |
//! | `error-200` | 200 with an error as body or first event |
//! | `malformed=2` | the event with this number (from 1) is not JSON; nor is a buffered body |
//! | `empty` | 200 with an empty body or stream |
//! | `slow-headers=2s` | send the head so much later |
//! | `no-done` | leave out the end marker (`[DONE]`, `message_stop`, `response.completed`, `finishReason`) |
//! | `no-usage` | leave out the usage |
//! | `crlf` | end the lines of a stream with CR LF |
//! | `split` | write byte by byte |
//! | `keepalive` | comments (and Anthropic's pings) between events; blank lines before a buffered body |
//! | `gzip` | compress the answer, flushed event by event |
//! | `redirect` | 307 to a place where nobody listens |
//! | `echo` | the answer's text is a JSON object with `method`, `path`, `headers` and `body` as they arrived |
//! | `tool=name` | call this tool |
//! | `refuse` | the model declines: `content_filter`, `refusal`, `SAFETY` |
//! | `reasoning` | think first; a chat answer then has `reasoning_content` |
//! | `tokens=50` | the text has exactly so many tokens |
//! | `cached=100` | so many input tokens count as read from the cache |
//! | `ttft=300ms`, `tps=100` | pace of this answer |
//! | `lenient` | accept unknown fields (so does `echo`) |
//!
//! Durations are `300ms`, `2s` or `1.5s`; a bare number is seconds.

use std::time::Duration;

use http::HeaderValue;

use crate::throttling::Throttling;

/// What a marker, or a drawn fault, orders for one call.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Orders {
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) throttle: Option<Throttling>,
    pub(crate) context_length: bool,
    pub(crate) bad_key: bool,
    pub(crate) no_model: bool,
    pub(crate) page: bool,
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) reset: Option<u32>,
    pub(crate) cut: Option<u32>,
    pub(crate) linger: Option<Duration>,
    pub(crate) stall: Option<(Duration, u32)>,
    pub(crate) truncate: Option<u32>,
    pub(crate) error_in_stream: Option<u32>,
    pub(crate) malformed: Option<u32>,
    pub(crate) empty: bool,
    pub(crate) slow_headers: Option<Duration>,
    pub(crate) no_done: bool,
    pub(crate) no_usage: bool,
    pub(crate) crlf: bool,
    pub(crate) split: bool,
    pub(crate) keepalive: bool,
    pub(crate) gzip: bool,
    pub(crate) redirect: bool,
    pub(crate) echo: bool,
    pub(crate) tool: Option<String>,
    pub(crate) refuse: bool,
    pub(crate) reasoning: bool,
    pub(crate) tokens: Option<u32>,
    pub(crate) cached: Option<u64>,
    pub(crate) ttft: Option<Duration>,
    pub(crate) tps: Option<u32>,
    pub(crate) lenient: bool,
}

/// Sets one order from a marker's value; false if the value makes no sense.
type Set = fn(&mut Orders, Option<&str>) -> bool;

const OPEN: &str = "[[sim:";
const CLOSE: &str = "]]";

/// Where a stall or a drawn fault strikes unless its marker says.
pub(crate) const USUAL_EVENT: u32 = 3;

const TABLE: &[(&str, Set)] = &[
    ("status", |o, v| put(&mut o.status, v.and_then(|v| v.parse().ok()).filter(|s| (400..600).contains(s)))),
    ("code", |o, v| put(&mut o.code, v.map(str::to_owned))),
    ("retry-after", |o, v| put(&mut o.retry_after, v.and_then(duration))),
    ("throttle", |o, v| put(&mut o.throttle, v.and_then(Throttling::parse))),
    ("context-length", |o, v| flag(&mut o.context_length, v)),
    ("bad-key", |o, v| flag(&mut o.bad_key, v)),
    ("no-model", |o, v| flag(&mut o.no_model, v)),
    ("page", |o, v| flag(&mut o.page, v)),
    ("content-type", |o, v| put(&mut o.content_type, v.and_then(|v| HeaderValue::try_from(v).ok()))),
    ("cut", |o, v| put(&mut o.cut, number_or(v, USUAL_EVENT))),
    ("linger", |o, v| put(&mut o.linger, v.and_then(duration))),
    ("reset", |o, v| put(&mut o.reset, number_or(v, 0))),
    ("stall", |o, v| put(&mut o.stall, v.and_then(stall))),
    ("truncate", |o, v| put(&mut o.truncate, number_or(v, USUAL_EVENT))),
    ("error-in-stream", |o, v| put(&mut o.error_in_stream, number_or(v, USUAL_EVENT))),
    ("error-200", |o, v| v.is_none() && put(&mut o.error_in_stream, Some(0))),
    ("malformed", |o, v| put(&mut o.malformed, number_or(v, USUAL_EVENT))),
    ("empty", |o, v| flag(&mut o.empty, v)),
    ("slow-headers", |o, v| put(&mut o.slow_headers, v.and_then(duration))),
    ("no-done", |o, v| flag(&mut o.no_done, v)),
    ("no-usage", |o, v| flag(&mut o.no_usage, v)),
    ("crlf", |o, v| flag(&mut o.crlf, v)),
    ("split", |o, v| flag(&mut o.split, v)),
    ("keepalive", |o, v| flag(&mut o.keepalive, v)),
    ("gzip", |o, v| flag(&mut o.gzip, v)),
    ("redirect", |o, v| flag(&mut o.redirect, v)),
    ("echo", |o, v| flag(&mut o.echo, v)),
    ("tool", |o, v| put(&mut o.tool, v.map(str::to_owned))),
    ("refuse", |o, v| flag(&mut o.refuse, v)),
    ("reasoning", |o, v| flag(&mut o.reasoning, v)),
    ("tokens", |o, v| put(&mut o.tokens, v.and_then(|v| v.parse().ok()).filter(|n| *n <= MOST_TOKENS))),
    ("cached", |o, v| put(&mut o.cached, v.and_then(|v| v.parse().ok()))),
    ("ttft", |o, v| put(&mut o.ttft, v.and_then(duration))),
    ("tps", |o, v| put(&mut o.tps, v.and_then(|v| v.parse().ok()))),
    ("lenient", |o, v| flag(&mut o.lenient, v)),
];

/// The longest answer that can be ordered: a bound, not a limit of any provider.
const MOST_TOKENS: u32 = 100_000;

/// The longest time that can be ordered.
const LONGEST: Duration = Duration::from_secs(3600);

/// Reads the markers in `text` into `orders`; what is wrong with them, if something is.
pub(crate) fn read(text: &str, orders: &mut Orders) -> Result<(), String> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(OPEN) {
        let (marker, tail) = after.split_once(CLOSE).ok_or_else(|| "a marker is not closed by `]]`".to_owned())?;
        let (name, value) = marker.split_once('=').map_or((marker, None), |(name, value)| (name, Some(value)));
        let Some((_, set)) = TABLE.iter().find(|(known, _)| *known == name) else {
            let known: Vec<&str> = TABLE.iter().map(|(known, _)| *known).collect();
            return Err(format!("unknown marker `{name}`; known are {}", known.join(", ")));
        };
        if !set(orders, value) {
            return Err(format!("marker `{name}` cannot have the value `{}`", value.unwrap_or_default()));
        }
        rest = tail;
    }
    Ok(())
}

/// `text` without its markers, for quoting.
pub(crate) fn without(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(256));
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        out.push_str(before);
        rest = after.split_once(CLOSE).map_or("", |(_, tail)| tail);
    }
    out.push_str(rest);
    out
}

/// Whether `body`, a whole request, orders unknown fields to be accepted. Asked before the body is understood.
pub(crate) fn is_lenient(body: &[u8]) -> bool {
    let has = |marker: &[u8]| body.windows(marker.len()).any(|window| window == marker);
    has(b"[[sim:echo]]") || has(b"[[sim:lenient]]")
}

/// Reads `300ms`, `2s`, `1.5s`, `2`; at most an hour.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let seconds = number.parse::<f64>().ok()? * unit;
    Duration::try_from_secs_f64(seconds).ok().filter(|d| *d <= LONGEST)
}

fn stall(text: &str) -> Option<(Duration, u32)> {
    match text.split_once('@') {
        Some((time, event)) => Some((duration(time)?, event.parse().ok()?)),
        None => Some((duration(text)?, USUAL_EVENT)),
    }
}

fn number_or(value: Option<&str>, usual: u32) -> Option<u32> {
    value.map_or(Some(usual), |v| v.parse().ok())
}

fn put<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    *slot = value;
    slot.is_some()
}

fn flag(slot: &mut bool, value: Option<&str>) -> bool {
    *slot = value.is_none();
    *slot
}

#[cfg(test)]
#[path = "markers_tests.rs"]
mod tests;
