//! The guard that makes the receipt.
//!
//! A [`Record`] is opened when a call arrives and travels with it, last inside the response body. Whatever ends the
//! call drops it: the last byte sent, a refusal, a client that hangs up, a panic that unwinds. Its drop makes the one
//! receipt. So there is no path on which a call is forgotten, and none on which it is counted twice.

use crate::books::Posting;
use crate::cache::Entry;
use crate::call::{Caller, Ticket, header_value};
use crate::choose::Made;
use crate::digits::digits;
use crate::estimate::Learning;
use crate::headers;
use crate::http1::Lines;
use crate::keepalive::Streams;
use crate::limit_headers::Told;
use crate::migrations::{Mover, Overheard};
use crate::providers::UnderWay;
use crate::repeat::First;
use crate::reply::Reply;
use crate::room::Held;
use crate::server::Worker;
use crate::settle;
use crate::snapshot::{Bill, Candidate, Live, Route, Snapshot};
use http::{HeaderMap, HeaderValue};
use sluicegate_flow::Nanos;
use sluicegate_vocabulary::{
    AttemptRecord, AttemptResult, Blame, CacheUse, CallId, Chosen, Dialect, EndReason, Endpoint, Fault, FaultKind,
    Format, Money, Moved, Receipt, Usage,
};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The longest model name a receipt keeps, in bytes.
const MAX_MODEL: usize = 200;
/// Tokens by which the reservation of a stream grows that exceeds it.
const TOP_UP: u64 = 256;

/// A call's receipt while it is being written.
pub(crate) struct Record(Box<State>);

/// What the receipt is made from, and what is given back with it.
pub(crate) struct State {
    pub(crate) receipt: Receipt,
    pub(crate) arrived: Instant,
    /// The same, as limits count time.
    pub(crate) arrived_at: Nanos,
    pub(crate) worker: Arc<Worker>,
    pub(crate) route: Option<Arc<Route>>,
    pub(crate) candidate: Option<Arc<Candidate>>,
    /// Whose answer the client gets.
    answers: Option<Arc<Candidate>>,
    pub(crate) ticket: Option<Ticket>,
    /// Room taken in the limits of the provider that is being asked.
    pub(crate) egress: Option<Held>,
    /// What the call is held to, admitted or not.
    limits: Option<Told>,
    /// The configuration's version as answers tell it.
    version: HeaderValue,
    /// What goes on for the caller.
    pub(crate) live: Option<Arc<Live>>,
    /// Output tokens that are reserved; what a stream brings beyond them is charged as it comes.
    reserved_output: u64,
    /// What its usage teaches, where that was estimated before.
    pub(crate) learning: Option<Learning>,
    /// What was used before a stream broke that is gone on with; boxed, since few are.
    pub(crate) before: Option<Box<Before>>,
    /// What it costs, where that is known before its end.
    pub(crate) bill: Option<Bill>,
    /// The call in the books, where there are any.
    pub(crate) posting: Option<Box<Posting>>,
    /// What a repeat of the call is told, where its client may send it again.
    pub(crate) first: Option<Box<First>>,
    /// The call that a provider is still answering; boxed, since only streams outlive their dispatch.
    pub(crate) under_way: Option<Box<UnderWay>>,
    /// Whether the client is told to try again, where we know better than its error says.
    should_retry: Option<bool>,
    /// Who wants to know how it goes, where its model is being moved.
    pub(crate) mover: Option<Arc<Mover>>,
    /// The call, where a migration wants the words of its answer.
    pub(crate) overheard: Option<Box<Overheard>>,
    /// The client broke off while it was still sending.
    left: bool,
    /// The request is one whose answer has no body.
    head: bool,
    /// What was chosen, where the client left the model to us; boxed, since most name one.
    pub(crate) made: Option<Box<Made>>,
    /// How old the answer is that it gets from the cache, in seconds.
    age: Option<u64>,
    /// Who wants to know once the call turns out to ask for a stream, and what it is held to.
    streams: Option<Arc<Streams>>,
}

/// The streams of one answer, where one has broken.
pub(crate) struct Before {
    /// What those before the present one have used and cost.
    pub(crate) usage: Usage,
    pub(crate) cost: Option<Money>,
    /// What the present one has used.
    pub(crate) present: Usage,
}

impl State {
    /// What the provider that is being asked, or was asked last, has used.
    pub(crate) fn present(&self) -> &Usage {
        self.before.as_ref().map_or(&self.receipt.usage, |before| &before.present)
    }
}

impl Record {
    /// Opens the record of a call that has just arrived.
    pub(crate) fn open(worker: &Arc<Worker>, snapshot: &Snapshot, headers: &HeaderMap) -> Self {
        let id = headers
            .get(headers::X_REQUEST_ID.name)
            .and_then(|value| CallId::from_client(value.to_str().ok()?))
            .unwrap_or_else(|| CallId::from_random(fastrand::u128(..)));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        worker.shared.metrics.in_flight.inc();
        let receipt = Receipt {
            id,
            arrived_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            // Whoever drops the call without a word is the client: hyper drops the service when the connection ends.
            end: EndReason::ClientGone,
            config: snapshot.version,
            ..Receipt::default()
        };
        let arrived = Instant::now();
        Self(Box::new(State {
            receipt,
            arrived,
            arrived_at: worker.shared.room.at(arrived),
            worker: Arc::clone(worker),
            route: None,
            candidate: None,
            answers: None,
            ticket: None,
            egress: None,
            limits: None,
            version: snapshot.version_header.clone(),
            live: None,
            reserved_output: u64::MAX,
            learning: None,
            before: None,
            bill: None,
            posting: None,
            first: None,
            under_way: None,
            should_retry: None,
            mover: None,
            overheard: None,
            left: false,
            head: false,
            made: None,
            age: None,
            streams: None,
        }))
    }

    pub(crate) fn id(&self) -> &CallId {
        &self.0.receipt.id
    }

    pub(crate) const fn dialect(&self) -> Dialect {
        self.0.receipt.dialect
    }

    pub(crate) const fn arrived(&self) -> Instant {
        self.0.arrived
    }

    pub(crate) const fn arrived_ms(&self) -> u64 {
        self.0.receipt.arrived_ms
    }

    pub(crate) fn since_arrival(&self) -> Duration {
        self.0.arrived.elapsed()
    }

    /// The present, as limits count time.
    pub(crate) fn now(&self) -> Nanos {
        self.at(self.since_arrival())
    }

    /// The moment so long after the call's arrival, as limits count time.
    pub(crate) fn at(&self, since: Duration) -> Nanos {
        self.0.arrived_at.after(since)
    }

    /// The request is one whose answer has no body.
    pub(crate) fn head(&mut self) {
        self.0.head = true;
    }

    pub(crate) const fn is_head(&self) -> bool {
        self.0.head
    }

    pub(crate) fn attempts(&self) -> &[AttemptRecord] {
        &self.0.receipt.attempts
    }

    /// The dialect to answer in where the path is no endpoint.
    pub(crate) fn speaks(&mut self, dialect: Dialect) {
        self.0.receipt.dialect = dialect;
    }

    /// The call is to this endpoint.
    pub(crate) fn begin(&mut self, endpoint: Endpoint, dialect: Dialect) {
        self.0.receipt.endpoint = Some(endpoint);
        self.0.receipt.dialect = dialect;
    }

    pub(crate) fn caller(&mut self, caller: &Caller) {
        self.0.receipt.key = caller.key.as_ref().map(|key| Arc::clone(&key.name));
        self.0.receipt.priority = caller.priority;
        caller.live.began();
        self.0.live = Some(Arc::clone(&caller.live));
    }

    /// The body is complete.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.0.receipt.bytes_in = bytes as u64;
        self.0.receipt.times.received = self.0.arrived.elapsed();
    }

    /// What the body asks for.
    pub(crate) fn asked(&mut self, model: &str, stream: bool) {
        let end = (0..=MAX_MODEL.min(model.len())).rev().find(|end| model.is_char_boundary(*end)).unwrap_or(0);
        self.0.receipt.model = model.get(..end).unwrap_or_default().into();
        self.0.receipt.stream = stream;
    }

    pub(crate) fn routed(&mut self, route: &Arc<Route>) {
        self.0.receipt.model_known = route.known;
        self.0.route = Some(Arc::clone(route));
    }

    /// The call's model is being moved, and this is its side.
    pub(crate) fn moved(&mut self, moved: Moved, by: &Arc<Mover>) {
        self.0.receipt.moved = Some(Box::new(moved));
        self.0.mover = Some(Arc::clone(by));
    }

    /// The call has waited.
    pub(crate) fn queued(&mut self, waited: Duration) {
        self.0.receipt.times.queued += waited;
    }

    /// What the call uses will teach this, and nothing else.
    pub(crate) fn teaches(&mut self, learning: Option<Learning>) {
        self.0.learning = learning;
    }

    pub(crate) fn admitted(&mut self, ticket: Ticket) {
        if let Some(output) = ticket.output {
            self.0.receipt.reserved = ticket.cost.tokens;
            self.0.reserved_output = output;
        }
        self.0.ticket = Some(ticket);
    }

    /// The call gives back what it has been given, since nothing has been sent.
    pub(crate) fn withdrawn(&mut self) {
        self.0.ticket = None;
    }

    /// What the call is held to, admitted or not.
    pub(crate) fn held_to(&mut self, limits: Told) {
        if let Some(streams) = &self.0.streams {
            streams.held_to(limits.clone());
        }
        self.0.limits = Some(limits);
    }

    /// What every answer says about its call, about waiting and about limits.
    pub(crate) fn write_headers(&self, to: &mut impl Lines) {
        let id = |out: &mut Vec<u8>| out.extend_from_slice(self.id().as_str().as_bytes());
        if self.dialect() == Dialect::Anthropic {
            to.put(&headers::REQUEST_ID, id);
        }
        // Tools in front of every provider look for this one.
        to.put(&headers::X_REQUEST_ID, id);
        to.put_value(&headers::X_SLUICEGATE_CONFIG, &self.0.version);
        let attempts = &self.0.receipt.attempts;
        if let Some(candidate) = &self.0.answers {
            to.put_value(&headers::X_SLUICEGATE_PROVIDER, &candidate.provider.name_header);
            if !candidate.model.is_empty() {
                to.put_value(&headers::X_SLUICEGATE_MODEL, &candidate.model_header);
            }
            if candidate.simulated {
                to.put(&headers::X_SLUICEGATE_SIMULATED, |out| out.extend_from_slice(b"true"));
            }
        } else if let Some(last) = attempts.last() {
            to.put_value(&headers::X_SLUICEGATE_PROVIDER, &header_value(&last.provider));
        }
        if !attempts.is_empty() {
            to.put(&headers::X_SLUICEGATE_ATTEMPTS, |out| digits(out, attempts.len() as u64));
        }
        let cache = self.0.receipt.cache;
        if cache != CacheUse::Off {
            to.put(&headers::X_SLUICEGATE_CACHE, |out| out.extend_from_slice(cache.as_str().as_bytes()));
        }
        if let Some(made) = &self.0.made {
            to.put_value(&headers::X_SLUICEGATE_CHOICE, &made.told);
        }
        if let Some(age) = self.0.age {
            to.put(&headers::AGE, |out| digits(out, age));
        }
        if let Some(from) = &self.0.receipt.degraded_from {
            to.put_value(&headers::X_SLUICEGATE_DEGRADED_FROM, &header_value(from));
        }
        if let Some(moved) = &self.0.receipt.moved {
            to.put(&headers::X_SLUICEGATE_ARM, |out| out.extend_from_slice(moved.arm.as_str().as_bytes()));
        }
        let queued = self.0.receipt.times.queued;
        // A provider's limits are not the caller's to see, but what they cost him in time is.
        if self.0.limits.is_some() || self.0.egress.is_some() || !queued.is_zero() {
            let queued = u64::try_from(queued.as_millis()).unwrap_or(u64::MAX);
            to.put(&headers::X_SLUICEGATE_QUEUE_MS, |out| digits(out, queued));
        }
        if let Some(bill) = &self.0.bill {
            to.put(&headers::X_SLUICEGATE_COST_USD, |out| {
                out.extend_from_slice(bill.billed.text(&mut [0; Money::LONGEST]).as_bytes());
            });
        }
        let Some(limits) = &self.0.limits else { return };
        // What answers has just looked at the clock.
        let since = self.0.receipt.times.first_token.unwrap_or_else(|| self.since_arrival());
        let since_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        limits.write(to, self.dialect(), self.at(since), self.arrived_ms().saturating_add(since_ms));
    }

    /// Room is taken in the limits of the provider that is asked next, in place of what was held at the one before.
    /// `output` is the part of its tokens that is output, where one of those limits counts tokens.
    pub(crate) fn asking(&mut self, egress: Option<Held>, output: Option<u64>) {
        if let (Some(held), Some(output), u64::MAX) = (&egress, output, self.0.reserved_output) {
            self.0.receipt.reserved = held.reserved();
            self.0.reserved_output = output;
        }
        self.0.egress = egress;
    }

    /// The provider gave no answer: its limits have been charged a request, and no tokens.
    pub(crate) fn unanswered(&mut self) {
        if let Some(mut egress) = self.0.egress.take() {
            egress.settle(self.now(), 0);
        }
    }

    /// So many tokens of output have come, by what has been seen. What goes beyond the reservation is charged at once,
    /// so that many long answers cannot overrun a limit together before the first of them ends.
    pub(crate) fn streamed(&mut self, output: u64) {
        let state = &mut *self.0;
        if output <= state.reserved_output {
            return;
        }
        let more = (output - state.reserved_output).div_ceil(TOP_UP) * TOP_UP;
        state.reserved_output += more;
        state.receipt.reserved += more;
        let held = state.ticket.iter_mut().map(|ticket| &mut ticket.held).chain(&mut state.egress);
        held.for_each(|held| held.top_up(more));
    }

    /// Makes sure that so many tokens of output are paid for, where an account wants its streams to end otherwise.
    ///
    /// # Errors
    /// Nothing is left for them.
    #[inline]
    pub(crate) fn cover(&mut self, output: u64) -> Result<(), Fault> {
        let state = &mut *self.0;
        let Some(posting) = &mut state.posting else { return Ok(()) };
        let tariff = state.candidate.as_ref().and_then(|candidate| candidate.tariff.as_deref());
        tariff.map_or(Ok(()), |tariff| posting.cover(tariff, output))
    }

    /// The model that was asked for, of a call that goes to a lower tier.
    pub(crate) const fn degraded_from(&self) -> Option<&Arc<str>> {
        self.0.receipt.degraded_from.as_ref()
    }

    /// The call goes to a lower tier than was asked for.
    pub(crate) fn degraded(&mut self, from: &Arc<str>) {
        self.0.receipt.degraded_from.get_or_insert_with(|| Arc::clone(from));
    }

    pub(crate) fn attempted(&mut self, candidate: &Arc<Candidate>, attempt: AttemptRecord) {
        self.0.receipt.simulated |= candidate.simulated;
        // Most calls have one, and the record of a stream is kept as long as it is open.
        self.0.receipt.attempts.reserve_exact(1);
        self.0.receipt.attempts.push(attempt);
        self.0.candidate = Some(Arc::clone(candidate));
    }

    /// The client gets this one's answer.
    pub(crate) fn answers(&mut self, candidate: Arc<Candidate>) {
        self.0.answers = Some(candidate);
    }

    /// Whose answer the client gets.
    pub(crate) const fn answerer(&self) -> Option<&Arc<Candidate>> {
        self.0.answers.as_ref()
    }

    /// The model was left to us.
    pub(crate) fn chosen(&mut self, chosen: Chosen, made: Made) {
        self.0.receipt.chosen = Some(chosen);
        self.0.made = Some(Box::new(made));
    }

    /// The cache was asked, or would have been.
    pub(crate) fn cached(&mut self, cache: CacheUse) {
        self.0.receipt.cache = cache;
    }

    /// The answer comes from the cache, where it has been for so long. It costs nothing.
    pub(crate) fn answered_from_cache(&mut self, candidate: &Arc<Candidate>, entry: &Entry, age: Duration) {
        self.cached(CacheUse::Hit);
        self.first_token();
        let state = &mut *self.0;
        state.age = Some(age.as_secs());
        state.receipt.simulated = candidate.simulated;
        state.receipt.saved = candidate.tariff.as_ref().map(|tariff| tariff.bill(&entry.usage).charge.total);
        state.bill = Some(Bill::default());
        state.answers = Some(Arc::clone(candidate));
    }

    /// A provider has begun to answer; what it is worth shows at the end of its stream.
    pub(crate) fn answered(&mut self, under_way: UnderWay) {
        self.0.under_way = Some(Box::new(under_way));
    }

    /// Whether the client is told to try again.
    pub(crate) fn should_retry(&mut self, should: bool) {
        self.0.should_retry = Some(should);
    }

    /// What the client is told about trying again, where we know better than its error says.
    pub(crate) const fn knows_retry(&self) -> Option<bool> {
        self.0.should_retry
    }

    /// What was used since a provider was asked last.
    pub(crate) fn usage(&mut self, usage: Usage) {
        self.0.receipt.usage = match &mut self.0.before {
            None => usage,
            Some(before) => {
                before.present = usage;
                before.usage.and(&usage)
            }
        };
    }

    /// What was used, as far as it is known.
    pub(crate) const fn used(&self) -> Usage {
        self.0.receipt.usage
    }

    /// The stream broke, and may be gone on with: its provider is done with, and what it has used is kept.
    pub(crate) fn interrupted(&mut self, fault: &Fault, end: EndReason) {
        let result = settle::provider_ended(end, Some(fault.kind));
        let now = self.now();
        let state = &mut *self.0;
        if let Some(last) = state.receipt.attempts.last_mut() {
            last.result = result;
        }
        if let Some(under_way) = state.under_way.take() {
            under_way.ended(result, now);
        }
        let present = *state.present();
        if let Some(mut egress) = state.egress.take() {
            egress.settle(now, present.total());
        }
        let cost = settle::cost(state);
        state.before = Some(Box::new(Before { usage: state.receipt.usage, cost, present: Usage::default() }));
    }

    /// The stream goes on, after so many bytes of text.
    pub(crate) fn resumed(&mut self, at: u64) {
        self.0.receipt.resumed.push(at);
    }

    /// The call in the books.
    pub(crate) fn posting(&mut self) -> &mut Option<Box<Posting>> {
        &mut self.0.posting
    }

    /// It is the first call under its `Idempotency-Key`.
    pub(crate) fn first_under_its_key(&mut self, first: Box<First>) {
        self.0.first = Some(first);
    }

    /// What is about to go out.
    pub(crate) fn replies(&mut self, reply: &Reply) {
        if let Some(first) = &mut self.0.first {
            first.answered(reply);
        }
    }

    /// Does something with all that is known of the call.
    pub(crate) fn with_state(&mut self, act: impl FnOnce(&mut State)) {
        act(&mut self.0);
    }

    /// What the answer costs.
    pub(crate) fn billed(&mut self, bill: Bill) {
        self.0.bill = Some(bill);
    }

    pub(crate) fn first_token(&mut self) {
        if self.0.receipt.times.first_token.is_none() {
            self.0.receipt.times.first_token = Some(self.0.arrived.elapsed());
        }
    }

    pub(crate) fn status(&mut self, status: u16) {
        self.0.receipt.status = status;
    }

    pub(crate) fn sent(&mut self, piece: &[u8]) {
        self.0.receipt.bytes_out += piece.len() as u64;
        if let Some(overheard) = &mut self.0.overheard {
            overheard.sent(piece);
        }
    }

    /// A migration wants the words of the call's answer.
    pub(crate) fn overheard(&mut self, overheard: Overheard) {
        self.0.overheard = Some(Box::new(overheard));
    }

    pub(crate) fn ended(&mut self, end: EndReason) {
        self.0.receipt.end = end;
    }

    /// Whether the client has been told of a fault.
    pub(crate) const fn has_fault(&self) -> bool {
        self.0.receipt.fault.is_some()
    }

    /// The call ends with this fault, told to the client.
    pub(crate) fn failed(&mut self, fault: &Fault) {
        self.0.receipt.fault = Some(fault.kind);
        self.0.receipt.refused_by.clone_from(&fault.refused_by);
        let stopping = self.0.worker.stop.is_cancelled();
        let nobody_asked = self.0.receipt.attempts.is_empty();
        self.0.receipt.end =
            if self.0.left { EndReason::ClientGone } else { end_of(fault.kind, nobody_asked, stopping) };
    }

    /// The provider's own words about the caller's mistake are passed on.
    pub(crate) fn passed_on(&mut self, kind: FaultKind) {
        self.0.receipt.fault = Some(kind);
        self.0.receipt.end = match kind.blame() {
            Blame::Upstream => EndReason::UpstreamError,
            Blame::Client | Blame::Us => EndReason::ClientError,
        };
    }

    /// Somebody wants to know once the call turns out to ask for a stream.
    pub(crate) fn tell_streams(&mut self, streams: Arc<Streams>) {
        self.0.streams = Some(streams);
    }

    /// The call asks for a stream of events in this format.
    pub(crate) fn streams(&mut self, format: Format) {
        if let Some(streams) = &self.0.streams {
            streams.say(format);
        }
    }

    /// The client broke off while it was still sending.
    pub(crate) fn left(&mut self) {
        self.0.left = true;
    }

    /// The stream ends with this fault after its first byte has gone out.
    pub(crate) fn broke(&mut self, fault: &Fault, end: EndReason) {
        self.0.receipt.fault = Some(fault.kind);
        self.0.receipt.end = end;
        // A try to go on with it that failed has its own result.
        let last = self.0.receipt.attempts.last_mut();
        if let Some(last) = last.filter(|last| last.result == AttemptResult::Ok) {
            last.result = match settle::provider_ended(end, Some(fault.kind)) {
                AttemptResult::Cancelled => last.result,
                result => result,
            };
        }
    }
}

const fn end_of(kind: FaultKind, nobody_asked: bool, stopping: bool) -> EndReason {
    match kind {
        FaultKind::Internal => EndReason::Internal,
        FaultKind::Timeout | FaultKind::RequestTimeout => EndReason::TimedOut,
        _ if nobody_asked => EndReason::Refused,
        FaultKind::BadRequest | FaultKind::Unsupported | FaultKind::ContextLength | FaultKind::UnknownModel => {
            EndReason::ClientError
        }
        FaultKind::Overloaded if stopping => EndReason::Shutdown,
        // After a try that failed there was no room for another one.
        FaultKind::Overloaded | FaultKind::LimitRequests | FaultKind::LimitTokens | FaultKind::NeverFits => {
            EndReason::Refused
        }
        _ => EndReason::UpstreamError,
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let receipt = &mut self.0.receipt;
        if std::thread::panicking() {
            receipt.end = EndReason::Internal;
        } else if receipt.end == EndReason::ClientGone && self.0.worker.stop.is_cancelled() {
            // Not the client left: we hung up on him.
            receipt.end = EndReason::Shutdown;
        }
        settle::settle(&mut self.0);
    }
}
