//! Stage five: has this been answered before?
//!
//! Where the configuration has a cache, a request that says exactly what another said before is answered with that
//! one's answer. The question is asked before [`crate::admit`] and never after, because a hit takes from no limit and
//! costs nothing. Its key ([`key`]) is whose request it is, what it asks for, and whom it would go to; so tenants never
//! meet, and a model that was exchanged behind a name is asked anew.
//!
//! Of identical calls that are under way at once only the first is sent on ([`flight`]); those after it wait for its
//! answer, as long as they may, and go by themselves if it fails. One whose client leaves hands its place to the next.
//! What is kept ([`kept`]) is whole, successful answers only, in the form in which they went out; whoever wants the
//! other form gets it made from that ([`replay`]). A stream is gathered as it goes by ([`Recording`]).

mod flight;
mod kept;
mod key;
mod replay;

pub(crate) use kept::{Cache, Entry, Kept};
pub use kept::{CacheReport, Purge};

use crate::attempt::stopping;
use crate::books;
use crate::call::{Caller, Plan, Request};
use crate::record::Record;
use crate::reply::{Content, Reply};
use crate::server::Worker;
use crate::snapshot::{Candidate, Snapshot};
use flight::{Entered, Flight, Landing};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use kept::Form;
use key::Key;
use sluicegate_vocabulary::{CacheUse, Fault, Usage};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What came of the question.
pub(crate) enum Looked {
    /// Here is the answer.
    Answer(Reply),
    /// It must be asked; the answer is to be kept if there is a lead.
    Ask(Option<Box<Lead>>),
}

/// Looks for an answer, and waits for one that another call is getting.
///
/// # Errors
/// The relay is shutting down.
pub(crate) async fn look_up(
    worker: &Worker,
    request: &Request,
    caller: &Caller,
    plan: &Plan,
    snapshot: &Snapshot,
    record: &mut Record,
) -> Result<Looked, Fault> {
    let (Some(cache), Some(candidate)) = (&snapshot.cache, plan.candidates.first()) else {
        return Ok(Looked::Ask(None));
    };
    if !key::may_be_kept(request.endpoint) {
        return Ok(Looked::Ask(None));
    }
    let wishes = Wishes::of(&request.parts.headers);
    let key = match wishes.no_store {
        true => None,
        false => key::of(request, caller, plan, candidate, cache, snapshot.server.max_depth),
    };
    let Some(key) = key else {
        record.cached(CacheUse::Bypass);
        return Ok(Looked::Ask(None));
    };
    if wishes.no_cache {
        record.cached(CacheUse::Bypass);
        return Ok(Looked::Ask(Some(Lead::new(cache, &key, candidate, request, None))));
    }
    let oldest = wishes.max_age.map_or(cache.ttl, |age| age.min(cache.ttl));
    let found = |record: &mut Record| {
        let (entry, age) = cache.kept.find(key.number, oldest, record.arrived())?;
        let reply = replay::reply(&entry, request, candidate, record)?;
        record.answered_from_cache(candidate, &entry, age);
        books::count_hit(request, caller, snapshot, record);
        Some(Looked::Answer(reply))
    };
    if let Some(answer) = found(record) {
        return Ok(answer);
    }
    if cache.wait.is_zero() {
        record.cached(CacheUse::Miss);
        return Ok(Looked::Ask(Some(Lead::new(cache, &key, candidate, request, None))));
    }
    match cache.kept.flights.enter(key.number) {
        Entered::First(flight) => {
            // The one before may have landed in between.
            if let Some(answer) = found(record) {
                return Ok(answer);
            }
            record.cached(CacheUse::Miss);
            Ok(Looked::Ask(Some(Lead::new(cache, &key, candidate, request, Some(flight)))))
        }
        // Few come here, so the others need not keep room for it.
        Entered::After(landing) => {
            let asker = Asker { request, caller, plan, snapshot };
            Box::pin(follow(worker, asker, cache, &key, landing, record)).await
        }
    }
}

/// Who asks, and what.
struct Asker<'a> {
    request: &'a Request,
    caller: &'a Caller,
    plan: &'a Plan,
    snapshot: &'a Snapshot,
}

/// Waits for the answer to an identical call.
async fn follow(
    worker: &Worker,
    Asker { request, caller, plan, snapshot }: Asker<'_>,
    cache: &Cache,
    key: &Key,
    mut landing: flight::Watch,
    record: &mut Record,
) -> Result<Looked, Fault> {
    let until = Instant::now() + cache.wait;
    let until = request.deadline.map_or(until, |deadline| deadline.min(until));
    let by_itself = |candidate: &Arc<Candidate>, flight| Lead::new(cache, key, candidate, request, flight);
    let Some(first) = plan.candidates.first() else { return Ok(Looked::Ask(None)) };
    if let Some(format) = request.endpoint.format().filter(|_| request.stream && !request.wants_array()) {
        record.streams(format);
    }
    loop {
        let landed = tokio::select! {
            biased;
            landed = landing.landed() => landed,
            () = tokio::time::sleep_until(until.into()) => Some(Landing::Failed),
            () = worker.stop.cancelled() => return Err(*stopping().fault),
        };
        match landed {
            Some(Landing::Answered(entry)) => {
                // It may have come from somebody whom this caller may not have.
                let from = plan.candidates.iter().find(|candidate| entry.is_from(candidate));
                if let Some(candidate) = from
                    && let Some(reply) = replay::reply(&entry, request, candidate, record)
                {
                    record.answered_from_cache(candidate, &entry, Duration::ZERO);
                    books::count_hit(request, caller, snapshot, record);
                    return Ok(Looked::Answer(reply));
                }
                break;
            }
            Some(Landing::Failed) => break,
            // Its client has left. Whoever is first now goes in its place.
            None => match cache.kept.flights.enter(key.number) {
                Entered::First(flight) => {
                    record.cached(CacheUse::Miss);
                    return Ok(Looked::Ask(Some(by_itself(first, Some(flight)))));
                }
                Entered::After(next) => landing = next,
            },
        }
    }
    record.cached(CacheUse::Miss);
    Ok(Looked::Ask(Some(by_itself(first, None))))
}

/// What a client says about answers from a cache.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Wishes {
    /// Neither give one nor keep this one.
    no_store: bool,
    /// Do not give one.
    no_cache: bool,
    /// None older than this.
    max_age: Option<Duration>,
}

impl Wishes {
    fn of(headers: &HeaderMap) -> Self {
        let mut wishes = Self::default();
        let said = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
        for word in said.flat_map(|value| value.split(',')).map(str::trim) {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "no-store" => wishes.no_store = true,
                "no-cache" => wishes.no_cache = true,
                "max-age" => match value.trim().trim_matches('"').parse() {
                    Ok(0) => wishes.no_cache = true,
                    Ok(seconds) => wishes.max_age = Some(Duration::from_secs(seconds)),
                    Err(_) => {}
                },
                _ => {}
            }
        }
        wishes
    }
}

/// A call whose answer is to be kept, and for which others may wait.
///
/// Dropped without a word it says that its client has left; [`Self::settle`] says what came of it otherwise.
pub(crate) struct Lead {
    kept: Arc<Kept>,
    key: u128,
    /// Whose the answer must be to be kept: that of the candidate in the key.
    target: Arc<Candidate>,
    owner: Arc<str>,
    /// Whether the client of a stream sees what was used.
    usage_shown: bool,
    largest: usize,
    flight: Option<Flight>,
}

impl Lead {
    fn new(cache: &Cache, key: &Key, target: &Arc<Candidate>, request: &Request, flight: Option<Flight>) -> Box<Self> {
        Box::new(Self {
            kept: Arc::clone(&cache.kept),
            key: key.number,
            target: Arc::clone(target),
            owner: key.owner.words(),
            usage_shown: replay::shows_usage(request),
            largest: cache.largest,
            flight,
        })
    }

    /// The call has an answer, the beginning of one, or none.
    pub(crate) fn settle(self: Box<Self>, asked: &mut Result<Reply, Fault>, record: &Record) {
        let (Ok(reply), Some(from)) = (asked, record.answerer()) else { return self.failed() };
        if reply.status != StatusCode::OK || record.has_fault() {
            return self.failed();
        }
        let header = |name: &http::HeaderName| reply.headers.get(name).cloned();
        let kind = header(&CONTENT_TYPE).unwrap_or_else(|| HeaderValue::from_static("application/json"));
        let dropped = header(&crate::headers::X_SLUICEGATE_DROPPED);
        let from = Arc::clone(from);
        let mut recording = Recording { lead: self, from, kind, dropped, bytes: Vec::new() };
        match &mut reply.content {
            Content::Whole(body) if recording.push(body) => {
                // A provider that was asked for a stream may have sent a whole answer, which has become one.
                let streamed = recording.kind.as_bytes().starts_with(b"text/event-stream");
                recording.keep(streamed, record.used());
            }
            Content::Stream(streaming) => streaming.gather(Box::new(recording)),
            _ => recording.lead.failed(),
        }
    }

    /// There is no answer, or none that can be kept: whoever waits for it goes by himself.
    fn failed(mut self) {
        if let Some(flight) = self.flight.take() {
            flight.land(Landing::Failed);
        }
    }
}

/// An answer on its way to the client, as far as it has come.
pub(crate) struct Recording {
    lead: Box<Lead>,
    from: Arc<Candidate>,
    kind: HeaderValue,
    dropped: Option<HeaderValue>,
    bytes: Vec<u8>,
}

impl Recording {
    /// Takes a piece; false when the answer has become too large to be kept.
    pub(crate) fn push(&mut self, piece: &[u8]) -> bool {
        let fits = self.bytes.len() + piece.len() <= self.lead.largest;
        if fits {
            self.bytes.extend_from_slice(piece);
        }
        fits
    }

    /// The stream is over and whole.
    pub(crate) fn finish(self, used: Usage) {
        self.keep(true, used);
    }

    /// The stream broke, or has become too large.
    pub(crate) fn failed(self) {
        self.lead.failed();
    }

    fn keep(self, streamed: bool, usage: Usage) {
        let Self { mut lead, from, kind, dropped, bytes } = self;
        let form = if streamed { Form::Stream { usage_shown: lead.usage_shown } } else { Form::Whole };
        let entry = Arc::new(Entry {
            form,
            bytes: bytes.into_boxed_slice().into(),
            kind,
            dropped,
            usage,
            born: Instant::now(),
            owner: Arc::clone(&lead.owner),
            provider: Arc::clone(&from.provider.name),
            model: Arc::clone(&from.model),
        });
        if entry.is_from(&lead.target) {
            lead.kept.keep(lead.key, &entry);
        }
        if let Some(flight) = lead.flight.take() {
            flight.land(Landing::Answered(entry));
        }
    }
}
