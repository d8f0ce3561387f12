//! Signs of life for a client whose stream has to wait.
//!
//! Some clients, and many proxies on the way to them, give a connection up that stays silent for a minute. With
//! `server.stream_keepalive` set, a streaming call that has had no answer for so long is told `200` and then gets a
//! comment (`: waiting`) every so often, until its answer begins. The price is that the status is spent: what goes
//! wrong after that is told as an error event, and the headers can only say what is known by then: the caller's limits,
//! but neither who answers nor how long it took. So it is off unless switched on.
//!
//! The way of the call stays one future, the same that runs without this. It is only polled from elsewhere: first by
//! the connection's service, and after the first comment by the response body, whose drop ends it like any other.

use crate::call::header_value;
use crate::headers;
use crate::limit_headers::Told;
use crate::pipeline::{Arrival, way};
use crate::record::Record;
use crate::reply::{Content, Reply, ReplyBody, refuse};
use crate::server::Worker;
use crate::snapshot::Snapshot;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use parking_lot::Mutex;
use sluicegate_vocabulary::{Dialect, Fault, Format};
use sluicegate_wire::error;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Interval, MissedTickBehavior};

const COMMENT: &[u8] = b": waiting\n\n";

/// Said by the call once it is known to ask for a stream of events, and what it is held to once that is known.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    format: OnceLock<Format>,
    limits: Mutex<Option<Told>>,
    said: Notify,
}

impl Streams {
    pub(crate) fn say(&self, format: Format) {
        if self.format.set(format).is_ok() {
            self.said.notify_one();
        }
    }

    pub(crate) fn held_to(&self, limits: Told) {
        *self.limits.lock() = Some(limits);
    }
}

type Way = Pin<Box<dyn Future<Output = (Result<Reply, Fault>, Record)> + Send>>;

/// A call that is still on its way while its client is kept informed.
pub(crate) struct Waiting {
    way: Way,
    format: Format,
    comments: Interval,
}

/// Answers one call, and tells its client from `after` on that it waits.
pub(crate) async fn answer(
    worker: Arc<Worker>,
    snapshot: Arc<Snapshot>,
    arrival: Arrival,
    mut record: Record,
    after: Duration,
) -> Response<ReplyBody> {
    let id = header_value(record.id().as_str());
    let (shared, version) = (Arc::clone(&worker.shared), snapshot.version_header.clone());
    let (arrived, arrived_ms) = (record.arrived(), record.arrived_ms());
    let streams = Arc::new(Streams::default());
    record.tell_streams(Arc::clone(&streams));
    let mut way: Way = Box::pin(async move {
        let reply = way(&worker, &snapshot, arrival, &mut record).await;
        (reply, record)
    });
    let silent = async {
        streams.said.notified().await;
        tokio::time::sleep(after).await;
    };
    tokio::select! {
        biased;
        (reply, record) = &mut way => {
            return match reply {
                Ok(reply) => reply.seal(record),
                Err(fault) => refuse(&fault, record),
            };
        }
        () = silent => {}
    }
    let format = streams.format.get().copied().unwrap_or(Format::Chat);
    let mut comments = tokio::time::interval(after);
    // A client that reads slowly does not get those it has missed all at once.
    comments.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut response = Response::new(ReplyBody::waiting(Waiting { way, format, comments }));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(&headers::X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    if format.dialect() == Dialect::Anthropic {
        headers.insert(headers::REQUEST_ID.name, id.clone());
    }
    headers.insert(headers::X_REQUEST_ID.name, id);
    headers.insert(headers::X_SLUICEGATE_CONFIG.name, version);
    // Where it will be answered, and how long it will have waited, is not known yet. What its limits have left is.
    if let Some(limits) = streams.limits.lock().take() {
        let since = u64::try_from(arrived.elapsed().as_millis()).unwrap_or(u64::MAX);
        limits.write(headers, format.dialect(), shared.room.now(), arrived_ms.saturating_add(since));
    }
    response
}

/// What a waiting call has to say.
pub(crate) enum News {
    /// It still waits.
    Comment(Bytes),
    /// Its answer: what is left to send, and its record.
    Answer(Content, Record),
}

impl Waiting {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<News> {
        if let Poll::Ready((reply, mut record)) = self.way.as_mut().poll(cx) {
            record.status(200);
            let content = match reply {
                Ok(reply) if reply.status.is_success() => reply.content,
                Ok(reply) => self.refusal(reply.content),
                Err(fault) => {
                    record.failed(&fault);
                    Content::Whole(error::stream_event(&fault, self.format, record.id().as_str(), 0).into())
                }
            };
            return Poll::Ready(News::Answer(content, record));
        }
        ready!(self.comments.poll_tick(cx));
        Poll::Ready(News::Comment(Bytes::from_static(COMMENT)))
    }

    /// A provider's own words about the caller's mistake, as an event of the format.
    fn refusal(&self, content: Content) -> Content {
        let Content::Whole(body) = content else { return content };
        let mut event = Vec::with_capacity(body.len() + 32);
        if self.format.dialect() == Dialect::Anthropic {
            event.extend_from_slice(b"event: error\n");
        }
        for line in body.split(|byte| *byte == b'\n') {
            event.extend_from_slice(b"data: ");
            event.extend_from_slice(line);
            event.push(b'\n');
        }
        event.push(b'\n');
        Content::Whole(event.into())
    }
}
