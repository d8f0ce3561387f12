//! Telling others: a signed POST for each alert and each event of a migration that somebody wants to hear of.
//!
//! Whoever raises an event puts it into a queue of its receiver and goes on; a queue that is full loses the event, which is
//! counted and said once. Each receiver has a task of its own, so one that does not answer keeps nobody else waiting. What is
//! not taken is sent again, later and later, up to about four minutes; an answer that blames the request is final.
//!
//! **The signature** is over the time and the very bytes of the body, so that neither can be changed and an old one cannot be
//! sent again: `x-sluicegate-signature: t=1795264784,v1=<hex of HMAC-SHA256(secret, "1795264784." + body)>`. The id stays the
//! same when something is sent again, so a receiver can tell.
//!
//! No prompt, no answer and no secret is in an event.

use crate::alerts::Raised;
use aws_lc_rs::hmac;
use http::{HeaderValue, Method, Request, StatusCode, header};
use parking_lot::Mutex;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use sluicegate_config::Receiver;
use sluicegate_relay::{EntryReport, Relay};
use sluicegate_upstream::{Connector, Destination, Origin, Pool, RequestBody, Settings};
use sluicegate_vocabulary::{ConfigVersion, Stamp};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// Events that wait for one receiver, at most.
const WAITING: usize = 256;
/// How often one is sent at most.
const TRIES: u32 = 8;
/// How long a receiver may take to answer.
const LIMIT: Duration = Duration::from_secs(10);
/// The wait before the second try; each is twice the one before.
const FIRST_WAIT: Duration = Duration::from_secs(2);

/// Something that happened.
#[derive(Debug, Serialize)]
pub(crate) struct Event {
    id: String,
    /// One of `sluicegate_config::EVENTS`.
    #[serde(rename = "type")]
    kind: String,
    version: u32,
    at: String,
    /// `info`, `warn` or `page`.
    level: &'static str,
    /// The relay's configured name.
    relay: String,
    /// All of it in a sentence.
    summary: String,
    data: serde_json::Value,
}

impl Event {
    fn new(relay: &Relay, kind: String, level: &'static str, summary: String, data: serde_json::Value) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let now = epoch_ms();
        let mut at = String::with_capacity(20);
        Stamp::default().write_seconds(&mut at, now);
        let id = format!("evt_{now:x}_{:x}", NUMBER.fetch_add(1, Ordering::Relaxed));
        Self { id, kind, version: 1, at, level, relay: relay.config().name, summary, data }
    }

    /// An alert is raised, or over.
    pub(crate) fn alert(relay: &Relay, raised: &Raised, is_over: bool, summary: String) -> Self {
        let (kind, level) = if is_over { ("alert.over", "info") } else { ("alert.raised", "warn") };
        let data = serde_json::json!({
            "metric": raised.alert.metric.as_str(),
            "value": raised.value,
            "threshold": raised.alert.threshold.to_string(),
            "limit": raised.limit.as_ref().map(ToString::to_string),
        });
        Self::new(relay, kind.to_owned(), level, summary, data)
    }

    /// Something happened to a migration.
    pub(crate) fn migration(relay: &Relay, name: &str, entry: &EntryReport) -> Self {
        let level = match &*entry.action {
            "rolled_back" | "alerted" => "page",
            "awaits_approval" | "held" => "warn",
            _ => "info",
        };
        let now = relay.migration(name).ok();
        let data = serde_json::json!({
            "migration": name,
            "model": now.as_ref().map(|now| &now.model),
            "from": now.as_ref().map(|now| &now.from),
            "to": now.as_ref().map(|now| &now.to),
            "step": entry.step,
            "share_percent": entry.share_percent,
            "phase": entry.phase,
            "who": entry.who,
            "why": entry.why,
            "happened_at": entry.at,
            "evidence": entry.evidence,
        });
        let why = if entry.why.is_empty() { String::new() } else { format!(": {}", entry.why) };
        let did = entry.action.replace('_', " ");
        let reached = if entry.action == "advanced" { "to" } else { "at" };
        let summary = format!("{name} {did} {reached} {} % by {}{why}", entry.share_percent, entry.who);
        Self::new(relay, format!("migration.{}", entry.action), level, summary, data)
    }
}

fn epoch_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// Everybody who is told.
#[derive(Debug, Default)]
pub(crate) struct Webhooks {
    desk: Mutex<Desk>,
}

#[derive(Debug, Default)]
struct Desk {
    of: Option<ConfigVersion>,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    receiver: Arc<Receiver>,
    queue: mpsc::Sender<Arc<Event>>,
    /// That it was said that its queue is full.
    said: AtomicBool,
}

impl Webhooks {
    /// Tells everybody who wants to know of it, without waiting for anybody. Belongs on a runtime.
    pub(crate) fn tell(&self, relay: &Arc<Relay>, event: Event) {
        let mut desk = self.desk.lock();
        let version = relay.version();
        if desk.of != Some(version) {
            desk.of = Some(version);
            let mut before = std::mem::take(&mut desk.lines);
            let line = |receiver: Receiver| match before.iter().position(|line| line.receiver.is_same(&receiver)) {
                Some(at) => before.swap_remove(at),
                None => {
                    let (relay, name) = (Arc::clone(relay), receiver.name.clone());
                    Line::open(receiver, FIRST_WAIT, move |outcome| relay.metrics().told(&name, outcome))
                }
            };
            desk.lines = relay.config().receivers.into_iter().map(line).collect();
        }
        let event = Arc::new(event);
        for line in desk.lines.iter().filter(|line| line.receiver.wants(&event.kind)) {
            if !line.put(&event) {
                relay.metrics().told(&line.receiver.name, "dropped");
            }
        }
    }
}

impl Line {
    /// A receiver and its task, which says what came of each event.
    fn open(receiver: Receiver, first_wait: Duration, came: impl Fn(&'static str) + Send + 'static) -> Self {
        let (queue, events) = mpsc::channel(WAITING);
        let receiver = Arc::new(receiver);
        tokio::spawn(deliver(Arc::clone(&receiver), events, came, first_wait));
        Self { receiver, queue, said: AtomicBool::new(false) }
    }

    /// Puts an event into its queue; whether there was room.
    fn put(&self, event: &Arc<Event>) -> bool {
        let is_in = self.queue.try_send(Arc::clone(event)).is_ok();
        if !self.said.swap(!is_in, Ordering::Relaxed) && !is_in {
            let name = &self.receiver.name;
            tracing::warn!(target: crate::NOTICE, "{WAITING} events wait for {name}; what comes now is not told there");
        }
        is_in
    }
}

/// Sends what comes, in its order, until nobody can put anything in any more.
async fn deliver(
    receiver: Arc<Receiver>,
    mut events: mpsc::Receiver<Arc<Event>>,
    came: impl Fn(&'static str),
    first_wait: Duration,
) {
    let name = &receiver.name;
    let pool = Pool::new(Arc::new(Connector::new()));
    let Some(address) = Address::of(receiver.url.expose_secret()) else {
        tracing::warn!(target: crate::NOTICE, "the address of {name} under alerts cannot be used");
        return;
    };
    let key = hmac::Key::new(hmac::HMAC_SHA256, receiver.secret.expose_secret().as_bytes());
    while let Some(event) = events.recv().await {
        let Ok(body) = serde_json::to_vec(&*event) else { continue };
        let mut wait = first_wait;
        for number in 1..=TRIES {
            let sent = tokio::time::timeout(LIMIT, address.post(&pool, &key, &event, &body)).await;
            let why = match sent {
                Ok(Ok(status)) if status.is_success() => {
                    came("delivered");
                    break;
                }
                Ok(Ok(status)) if status.is_client_error() && !may_pass(status) => {
                    came("refused");
                    tracing::warn!(target: crate::NOTICE, "{name} refused {}: {status}", event.kind);
                    break;
                }
                Ok(Ok(status)) => status.to_string(),
                Ok(Err(why)) => why,
                Err(_) => format!("no answer within {} s", LIMIT.as_secs()),
            };
            if number == TRIES {
                came("given_up");
                tracing::warn!(target: crate::NOTICE, "{name} could not be told of {}: {why}", event.kind);
            } else {
                came("retried");
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
        }
    }
}

/// Refusals that another time may not meet.
fn may_pass(status: StatusCode) -> bool {
    matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS)
}

/// Where a receiver is.
struct Address {
    destination: Arc<Destination>,
    host: HeaderValue,
    path: http::Uri,
}

impl Address {
    fn of(url: &str) -> Option<Self> {
        let (plain, query) = url.split_once('?').map_or((url, None), |(plain, query)| (plain, Some(query)));
        let (origin, base) = Origin::split(plain).ok()?;
        let host = if origin.host.contains(':') { format!("[{}]", origin.host) } else { origin.host.to_string() };
        let host = HeaderValue::from_str(&format!("{host}:{}", origin.port)).ok()?;
        let path = if base.is_empty() { "/" } else { &base };
        let path = match query {
            Some(query) => format!("{path}?{query}").parse().ok()?,
            None => path.parse().ok()?,
        };
        Some(Self { destination: Arc::new(Destination::new(origin, Settings::default(), None, None)), host, path })
    }

    /// Sends an event; the answer's status. What goes wrong is said without the address.
    async fn post(&self, pool: &Pool, key: &hmac::Key, event: &Event, body: &[u8]) -> Result<StatusCode, String> {
        let mut request = Request::new(RequestBody::from(bytes::Bytes::copy_from_slice(body)));
        *request.method_mut() = Method::POST;
        request.uri_mut().clone_from(&self.path);
        let seconds = epoch_ms() / 1000;
        let value = |text: &str| HeaderValue::from_str(text).map_err(|error| error.to_string());
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.host.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("sluicegate/", env!("CARGO_PKG_VERSION"))));
        headers.insert("x-sluicegate-event", value(&event.kind)?);
        headers.insert("x-sluicegate-delivery", value(&event.id)?);
        headers.insert("x-sluicegate-signature", value(&signature(key, seconds, body))?);
        let answer = pool.send(&self.destination, request).await.map_err(|error| error.to_string())?;
        Ok(answer.status)
    }
}

/// `t=1795264784,v1=5257a8...`
fn signature(key: &hmac::Key, seconds: u64, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(key);
    context.update(format!("{seconds}.").as_bytes());
    context.update(body);
    let mut text = format!("t={seconds},v1=");
    for byte in context.sign().as_ref() {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
#[path = "webhooks_tests.rs"]
mod tests;
