//! One try at one candidate.
//!
//! A try is a success only once there is something to give the client: a whole body that is an answer, or the first
//! real event of a stream. An empty 200, an error inside a 200, a stream that breaks before it begins are failures like
//! any other and can be tried again, because nothing has been sent yet.

use crate::call::{PathTarget, Request};
use crate::headers;
use crate::prepare::{Prepared, Resuming, Way};
use crate::providers::{Told, UnderWay};
use crate::server::Worker;
use crate::snapshot::Candidate;
use crate::stream::{Passage, Streaming};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use sluicegate_flow::egress::{Levels, Refused, Throttle, Told as LevelTold};
use sluicegate_upstream::{Answer, BodyError, Credential, Fields, Inflate, ResponseBody, Stage, UpstreamError, fields};
use sluicegate_vocabulary::{AttemptResult, CallId, Dialect, Endpoint, Fault, FaultKind, Usage};
use sluicegate_wire::error::{self, UpstreamHeaders};
use sluicegate_wire::limits::{Level, Limits};
use sluicegate_wire::translate::{Context, StreamTranslator};
use sluicegate_wire::{embeddings, translate, usage};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The largest answer that is read whole, in bytes.
const MAX_ANSWER: usize = 256 << 20;
/// The largest passthrough answer that is read for its usage before it goes on, in bytes.
const MAX_READ_THROUGH: u64 = 8 << 20;
/// The largest error body that is read, in bytes.
const MAX_ERROR: usize = 1 << 20;

/// Something to give the client. It is boxed wherever it goes: it is large, and handed on from one to the next until the
/// client has it.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The provider's answer is an error of the caller's making, passed on; in a passthrough call, by its status.
    pub(crate) error: Option<FaultKind>,
    pub(crate) content: Brought,
}

/// What an answer brings.
pub(crate) enum Brought {
    /// A whole body, and the usage it reports.
    Whole(Bytes, Option<Usage>),
    /// A stream whose first event is here.
    Stream(Box<Streaming>),
}

impl Answered {
    /// What is here of its body.
    pub(crate) fn begin(&self) -> &[u8] {
        match &self.content {
            Brought::Whole(body, _) => body,
            Brought::Stream(streaming) => streaming.here(),
        }
    }

    pub(crate) fn result(&self) -> AttemptResult {
        self.error.map_or(AttemptResult::Ok, attempt_result)
    }
}

/// Nothing to give the client.
pub(crate) struct Failure {
    /// Boxed, since most calls do not fail.
    pub(crate) fault: Box<Fault>,
    pub(crate) result: AttemptResult,
    /// The provider's status, 0 for none.
    pub(crate) status: u16,
    /// It did nothing with the request, and nothing need be wrong with it.
    pub(crate) untouched: bool,
    /// What it said beside its no.
    told: Option<Box<Told>>,
}

impl Failure {
    fn new(fault: Fault, result: AttemptResult, status: u16) -> Self {
        Self { fault: Box::new(fault), result, status, untouched: false, told: None }
    }

    /// An error that the provider said in so many words.
    fn said(error: error::UpstreamError, status: u16, dialect: Dialect, levels: Levels, provider: &str) -> Self {
        let result = attempt_result(error.kind);
        let retry_after = error.retry_after_ms.map(Duration::from_millis);
        let tokens = [levels.tokens, levels.input_tokens, levels.output_tokens];
        let refused = Refused {
            status,
            dialect,
            words: &error.words,
            message: &error.message,
            retry_after,
            requests_left: levels.requests.and_then(|level| level.remaining),
            tokens_left: tokens.into_iter().flatten().filter_map(|level| level.remaining).min(),
        };
        let throttle = throttle(result, &refused);
        let forbidden = status == 403 && result == AttemptResult::AuthError && throttle.is_none();
        let told = Told { throttle, levels, retry_after, should_retry: error.should_retry, forbidden };
        Self { told: Some(Box::new(told)), ..Self::new(error.into_fault(provider), result, status) }
    }

    /// What kept a stream from beginning: an error that the provider said in it, or what is wrong with it.
    fn in_stream(fault: Fault, status: u16, dialect: Dialect) -> Self {
        let result = stream_result(fault.kind);
        let retry_after = fault.retry_after_ms.map(Duration::from_millis);
        let (requests_left, tokens_left) = (None, None);
        let (words, message) = (&fault.words[..], &*fault.message);
        let refused = Refused { status, dialect, words, message, retry_after, requests_left, tokens_left };
        let told = throttle(result, &refused)
            .map(|throttle| Box::new(Told { throttle: Some(throttle), retry_after, ..Told::default() }));
        Self { told, ..Self::new(fault, result, status) }
    }

    /// What the provider said beside its no.
    pub(crate) fn told(&self) -> Told {
        let silent = Told {
            retry_after: self.fault.retry_after_ms.map(Duration::from_millis),
            throttle: match self.result {
                AttemptResult::RateLimited => Some(Throttle::QuotaRequests { reset: None }),
                _ => None,
            },
            ..Told::default()
        };
        self.told.as_deref().copied().unwrap_or(silent)
    }
}

/// Sends one request and brings its answer to the point where the client can have it.
pub(crate) async fn attempt(
    worker: &Worker,
    request: &Request,
    candidate: &Candidate,
    credential: Option<&Arc<Credential>>,
    prepared: Prepared,
    id: &CallId,
    under_way: &UnderWay,
) -> Result<Box<Answered>, Failure> {
    let Prepared { request: mut outgoing, way, resume, .. } = prepared;
    if let Some(credential) = credential {
        let (name, value) = &credential.header;
        outgoing.headers_mut().insert(name.clone(), value.clone());
    }
    let patience = candidate.provider.timeouts.first_byte;
    let left = request.deadline.map(|at| at.saturating_duration_since(Instant::now()));
    let limit = left.map_or(patience, |left| left.min(patience));
    // Pinned where it is: it is large to move.
    let exchange = pin!(exchange(worker, request, candidate, outgoing, way, resume, id, under_way));
    tokio::select! {
        biased;
        outcome = exchange => outcome,
        // When the caller's own patience was the shorter one, the provider has done nothing wrong.
        () = tokio::time::sleep(limit) => Err(if limit < patience {
            Failure::new(deadline_passed(), AttemptResult::Cancelled, 0)
        } else {
            timed_out(candidate, Stage::Exchange, limit)
        }),
        () = worker.stop.cancelled() => Err(stopping()),
    }
}

/// The deadline that the caller set is over.
pub(crate) fn deadline_passed() -> Fault {
    Fault::new(FaultKind::Timeout, "The deadline that X-Deadline-Ms set for this call has passed; allow it more time.")
        .code("deadline_exceeded")
        .refused_by("deadline")
}

/// The grace period of a shutdown is over.
pub(crate) fn stopping() -> Failure {
    let fault =
        Fault::new(FaultKind::Overloaded, "The relay is shutting down; send the request again.").retry_after_ms(1000);
    Failure::new(fault, AttemptResult::Cancelled, 0)
}

fn timed_out(candidate: &Candidate, stage: Stage, after: Duration) -> Failure {
    let (name, after) = (&candidate.provider.name, after.as_secs_f64());
    let message = match stage {
        Stage::Wait => {
            format!("None of the connections that there may be to the provider {name} came free in {after:.1} s.")
        }
        Stage::Resolve | Stage::Connect => {
            format!("No connection to the provider {name} could be opened in {after:.1} s.")
        }
        Stage::Proxy => format!("The proxy on the way to the provider {name} did not open it in {after:.1} s."),
        Stage::Tls => format!("The provider {name} did not finish the TLS handshake in {after:.1} s."),
        Stage::Exchange => format!("The provider {name} gave no answer within {after:.1} s."),
        Stage::Total => format!("The provider {name} was not at the end of its answer after {after:.1} s."),
    };
    let fault = Fault::new(FaultKind::Timeout, message).code(stage.timeout_code());
    Failure::new(fault, AttemptResult::Timeout, 0)
}

fn unreachable(candidate: &Candidate, error: &UpstreamError) -> Failure {
    tracing::debug!(provider = &*candidate.provider.name, %error, "no answer from a provider");
    if let UpstreamError::Timeout { stage, after } = error {
        return timed_out(candidate, *stage, *after);
    }
    let what = match error.stage() {
        Stage::Wait => "none of its connections came free",
        Stage::Resolve => "its name could not be resolved",
        Stage::Connect => "no connection could be opened",
        Stage::Proxy => "the proxy on the way did not let the call through",
        Stage::Tls => "the TLS handshake failed",
        Stage::Exchange | Stage::Total => "the connection broke before an answer came",
    };
    let fault = Fault::new(
        FaultKind::UpstreamUnreachable,
        format!("The provider {} cannot be reached: {what}.", candidate.provider.name),
    );
    let untouched = error.stage() == Stage::Exchange && error.is_untouched();
    Failure { untouched, ..Failure::new(fault, AttemptResult::Connect, 0) }
}

fn broken(candidate: &Candidate, status: u16, what: &str) -> Failure {
    let fault = Fault::new(FaultKind::UpstreamBroken, format!("The provider {} {what}.", candidate.provider.name));
    Failure::new(fault, AttemptResult::Broken, status)
}

#[expect(clippy::too_many_arguments, reason = "each is a part of what is sent, or of what becomes of the answer")]
async fn exchange(
    worker: &Worker,
    request: &Request,
    candidate: &Candidate,
    outgoing: Box<http::Request<sluicegate_upstream::RequestBody>>,
    way: Way,
    resume: Resuming,
    id: &CallId,
    under_way: &UnderWay,
) -> Result<Box<Answered>, Failure> {
    let provider = &candidate.provider;
    let sent = pin!(worker.pool.send(&provider.destination, outgoing)).await;
    let Answer { status, fields, body } = sent.map_err(|error| unreachable(candidate, &error))?;
    if candidate.standing.learns
        && status.is_success()
        && let Some(levels) = levels(&fields)
    {
        under_way.observe(worker.shared.room.now(), &levels);
    }
    if matches!(way, Way::Passthrough) {
        // Boxed like all that few calls come to, so that the others need not keep room for it.
        return Box::pin(passed_through(request, candidate, status, &fields, body, id, worker)).await;
    }
    let inflate = match inflate_for(&fields) {
        Ok(inflate) => inflate,
        Err(encoding) => {
            return Err(broken(candidate, status.as_u16(), &format!("answered in {encoding}, which is not read")));
        }
    };
    if !status.is_success() {
        return Box::pin(refused(request, candidate, &way, status, &fields, body, inflate)).await;
    }
    let said = fields.get(CONTENT_TYPE.as_str()).unwrap_or_default();
    let says = |kind: &[u8]| said.get(..kind.len()).is_some_and(|said| said.eq_ignore_ascii_case(kind));
    let mut is_stream = says(b"text/event-stream");
    let mut body = body;
    let mut begin = Bytes::new();
    // Some call their streams by another name.
    if request.stream && !is_stream && inflate.is_none() && !says(b"application/json") {
        begin = first_piece(&mut body).await;
        is_stream = looks_like_events(&begin);
    }
    if request.stream && is_stream {
        let dialect = dialect(candidate, &way, request.endpoint);
        let passage = Passage::of(way, request.endpoint, resume, candidate.searches);
        let mut streaming = Box::new(Streaming::new(body, inflate, passage, request, candidate, id, worker));
        if resume == Resuming::GoesOn {
            streaming.keep();
        }
        streaming.begin(begin);
        if let Err(fault) = streaming.open().await {
            return Err(Failure::in_stream(fault, status.as_u16(), dialect));
        }
        let headers = headers::to_client(&fields);
        return Ok(Box::new(Answered { status, headers, error: None, content: Brought::Stream(streaming) }));
    }
    let whole = pin!(collect_after(begin, body, inflate, MAX_ANSWER)).await;
    let whole = whole.map_err(|cut| cut.into_failure(candidate, status))?;
    answered(request, candidate, way, status, &fields, whole, id)
}

/// An answer to a passthrough call: whatever it is, it goes on. What it means is read where it is known how.
async fn passed_through(
    request: &Request,
    candidate: &Candidate,
    status: StatusCode,
    fields: &Fields,
    body: ResponseBody,
    id: &CallId,
    worker: &Worker,
) -> Result<Box<Answered>, Failure> {
    let mut headers = headers::to_passthrough_client(fields);
    if request.parts.method == Method::HEAD
        && let Some(length) = fields.value(&CONTENT_LENGTH)
    {
        headers.insert(CONTENT_LENGTH, length);
    }
    let error = passthrough_error(status);
    let plain = fields.get(CONTENT_ENCODING.as_str()).is_none();
    let is = |kind: &[u8]| fields.get(CONTENT_TYPE.as_str()).is_some_and(|value| value.starts_with(kind));
    let short = body.size_hint().exact().is_some_and(|length| (1..=MAX_READ_THROUGH).contains(&length));
    if plain && short && error.is_none() && is(b"application/json") {
        let whole = collect(body, None, MAX_ANSWER).await.map_err(|cut| cut.into_failure(candidate, status))?;
        let usage = usage::from_body(Endpoint::Passthrough, &whole);
        return Ok(Box::new(Answered { status, headers, error, content: Brought::Whole(whole, usage) }));
    }
    let passage = match (&request.target, plain && is(b"text/event-stream")) {
        (PathTarget::Provider { rest, .. }, true) => Passage::watched(rest),
        _ => Passage::Raw,
    };
    let streaming = Streaming::new(body, None, passage, request, candidate, id, worker);
    Ok(Box::new(Answered { status, headers, error, content: Brought::Stream(Box::new(streaming)) }))
}

/// What a passthrough answer's status says, if it is no success.
fn passthrough_error(status: StatusCode) -> Option<FaultKind> {
    Some(match status.as_u16() {
        ..=399 => return None,
        401..=403 => FaultKind::UpstreamAuth,
        429 => FaultKind::UpstreamRateLimited,
        503 | 529 => FaultKind::UpstreamOverloaded,
        500.. => FaultKind::UpstreamBroken,
        _ => FaultKind::BadRequest,
    })
}

fn inflate_for(fields: &Fields) -> Result<Option<Box<Inflate>>, String> {
    let said = fields.get(CONTENT_ENCODING.as_str());
    match said.map(|said| std::str::from_utf8(said).unwrap_or("?").trim().to_ascii_lowercase()) {
        None => Ok(None),
        Some(encoding) => match encoding.as_str() {
            "identity" | "" => Ok(None),
            "gzip" | "x-gzip" => Ok(Some(Box::new(Inflate::new(MAX_ANSWER)))),
            _ => Err(encoding),
        },
    }
}

/// A whole 200.
fn answered(
    request: &Request,
    candidate: &Candidate,
    way: Way,
    status: StatusCode,
    fields: &Fields,
    body: Bytes,
    id: &CallId,
) -> Result<Box<Answered>, Failure> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(broken(candidate, status.as_u16(), "answered 200 with an empty body"));
    }
    // What is translated has its usage read on the way.
    let counted = matches!(way, Way::Same { .. } | Way::Passthrough).then_some(request.endpoint);
    let Some(usage::Look { error, object, usage: said }) = usage::look(&body, counted) else {
        return Err(broken(candidate, status.as_u16(), "answered with something that is not a whole JSON object"));
    };
    // A Responses object has an `error` of its own meaning, also when the call went well.
    let disguised = error.is_some_and(|error| error != b"null") && object != Some(b"\"response\"");
    if disguised {
        let dialect = dialect(candidate, &way, request.endpoint);
        let said = error::read_event(&body, dialect);
        return Err(Failure::said(said, status.as_u16(), dialect, Levels::default(), &candidate.provider.name));
    }
    let mut out = headers::to_client(fields);
    let untranslatable = |fault| Failure::new(fault, AttemptResult::Broken, status.as_u16());
    if request.stream
        && let Some(context) = streamed_context(request, candidate, &way, id)
    {
        let (events, used) = as_stream(&body, context).map_err(untranslatable)?;
        let usage = candidate.searches.of_whole(&body, used);
        out.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        return Ok(Box::new(Answered { status, headers: out, error: None, content: Brought::Whole(events, usage) }));
    }
    let (body, used) = match way {
        Way::Same { .. } | Way::Passthrough => {
            let used = said.or_else(|| usage::from_body(request.endpoint, &body));
            let used = candidate.searches.of_whole(&body, used);
            if used.is_none() && serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_err() {
                return Err(self::broken(candidate, status.as_u16(), "answered with something that is not JSON"));
            }
            (body, used)
        }
        Way::Translated(context) => {
            let inbound = translate::response(&body, &context).map_err(untranslatable)?;
            out.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            (Bytes::from(inbound.body), candidate.searches.of_whole(&body, inbound.usage))
        }
        Way::Embeddings(context) => {
            let (body, used) = embeddings::response(&body, &context).map_err(untranslatable)?;
            (Bytes::from(body), used)
        }
    };
    Ok(Box::new(Answered { status, headers: out, error: None, content: Brought::Whole(body, used) }))
}

/// What it takes to make a stream of a whole answer, for a provider that was asked for a stream and did not send one;
/// `None` for endpoints without a conversational format.
fn streamed_context(request: &Request, candidate: &Candidate, way: &Way, id: &CallId) -> Option<Context> {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if let Way::Translated(context) = way {
        return Some(Context::clone(context));
    }
    let format = request.endpoint.format()?;
    Some(Context::unchanged(format, &candidate.model, request.head.include_usage, now_s, id.as_str()))
}

/// A stream of a whole answer, and what it says was used.
///
/// # Errors
/// It cannot be read.
pub(crate) fn as_stream(body: &[u8], context: Context) -> Result<(Bytes, Option<Usage>), Fault> {
    let mut translator = StreamTranslator::new(context);
    let mut out = Vec::new();
    translator.push_body(body, &mut out)?;
    translator.finish(&mut out);
    Ok((out.into(), translator.usage()))
}

/// An answer that is an error.
async fn refused(
    request: &Request,
    candidate: &Candidate,
    way: &Way,
    status: StatusCode,
    fields: &Fields,
    body: ResponseBody,
    inflate: Option<Box<Inflate>>,
) -> Result<Box<Answered>, Failure> {
    let body = collect(body, inflate, MAX_ERROR).await.unwrap_or_default();
    let dialect = dialect(candidate, way, request.endpoint);
    let lookup = UpstreamHeaders {
        retry_after: fields.text("retry-after"),
        retry_after_ms: fields.text("retry-after-ms"),
        should_retry: fields.text("x-should-retry"),
        date: fields.text("date"),
    };
    let upstream = error::read_upstream(status.as_u16(), &lookup, &body, dialect);
    let kind = upstream.kind;
    let result = attempt_result(kind);
    if result == AttemptResult::ClientError && matches!(way, Way::Same { .. }) && is_json_object(&body) {
        let headers = headers::to_client(fields);
        return Ok(Box::new(Answered { status, headers, error: Some(kind), content: Brought::Whole(body, None) }));
    }
    let levels = levels(fields).filter(|_| candidate.standing.learns).unwrap_or_default();
    Err(Failure::said(upstream, status.as_u16(), dialect, levels, &candidate.provider.name))
}

/// What an answer says of the provider's limits; `None` if it says nothing.
fn levels(fields: &Fields) -> Option<Levels> {
    fields.tell_limits().then(|| read_levels(fields))
}

fn read_levels(fields: &Fields) -> Levels {
    let mut said: Vec<(String, &[u8])> = Vec::new();
    for (name, value) in fields.iter().filter(|(name, _)| fields::tells_limit(name)) {
        said.push((String::from_utf8_lossy(name).to_ascii_lowercase(), value));
    }
    said.extend(fields.get(DATE.as_str()).map(|date| ("date".to_owned(), date)));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let said = Limits::read(said.iter().map(|(name, value)| (&**name, *value)), now_ms);
    let told = |level: Option<Level>| {
        level.map(|level| LevelTold { limit: level.limit, remaining: level.remaining, reset: level.reset })
    };
    Levels {
        requests: told(said.requests),
        tokens: told(said.tokens),
        input_tokens: told(said.input_tokens),
        output_tokens: told(said.output_tokens),
    }
}

/// Whether a body can be passed on as an error of the dialect.
fn is_json_object(body: &[u8]) -> bool {
    let start = body.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(0);
    body.get(start) == Some(&b'{') && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

fn dialect(candidate: &Candidate, way: &Way, endpoint: Endpoint) -> Dialect {
    match way {
        Way::Same { .. } => endpoint.dialect(),
        Way::Translated(context) => context.upstream.dialect(),
        Way::Embeddings(_) => Dialect::Gemini,
        Way::Passthrough => candidate.provider.kind.dialect(),
    }
}

/// What there was too much of, where a provider refused a call for that or for its bill.
fn throttle(result: AttemptResult, refused: &Refused<'_>) -> Option<Throttle> {
    let refuses = matches!(result, AttemptResult::RateLimited | AttemptResult::Overloaded | AttemptResult::AuthError);
    if refuses { Throttle::classify(refused) } else { None }
}

/// How a try went whose stream held nothing for the client.
const fn stream_result(kind: FaultKind) -> AttemptResult {
    match kind {
        FaultKind::UpstreamBroken => AttemptResult::Broken,
        kind => attempt_result(kind),
    }
}

const fn attempt_result(kind: FaultKind) -> AttemptResult {
    match kind {
        FaultKind::UpstreamRateLimited => AttemptResult::RateLimited,
        FaultKind::UpstreamOverloaded => AttemptResult::Overloaded,
        FaultKind::UpstreamAuth => AttemptResult::AuthError,
        FaultKind::UpstreamUnreachable => AttemptResult::Connect,
        FaultKind::Timeout => AttemptResult::Timeout,
        FaultKind::UpstreamBroken => AttemptResult::ServerError,
        _ => AttemptResult::ClientError,
    }
}

/// Why a body could not be read to its end.
enum Cut {
    /// What the provider did, in words that follow its name.
    Broken(&'static str),
    /// The time for the whole call was over.
    Late(Duration),
}

impl Cut {
    fn into_failure(self, candidate: &Candidate, status: StatusCode) -> Failure {
        match self {
            Self::Broken(what) => broken(candidate, status.as_u16(), what),
            Self::Late(after) => timed_out(candidate, Stage::Total, after),
        }
    }
}

/// The first bytes of a body; none of one that has none, or breaks before.
async fn first_piece(body: &mut ResponseBody) -> Bytes {
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data()
            && !data.is_empty()
        {
            return data;
        }
    }
    Bytes::new()
}

/// Whether a body begins as a stream of events does.
fn looks_like_events(begin: &[u8]) -> bool {
    let begin = begin.trim_ascii_start();
    [&b"data:"[..], b"event:", b"id:", b":"].iter().any(|mark| begin.starts_with(mark))
}

async fn collect(body: ResponseBody, inflate: Option<Box<Inflate>>, limit: usize) -> Result<Bytes, Cut> {
    collect_after(Bytes::new(), body, inflate, limit).await
}

/// A whole body, some of which may have been read already.
async fn collect_after(
    mut first: Bytes,
    mut body: ResponseBody,
    mut inflate: Option<Box<Inflate>>,
    limit: usize,
) -> Result<Bytes, Cut> {
    let mut rest: Option<BytesMut> = None;
    loop {
        let data = match body.frame().await {
            Some(Ok(frame)) => match (frame.into_data(), &mut inflate) {
                (Ok(data), None) => data,
                (Ok(data), Some(inflate)) => {
                    inflate.push(&data).map_err(|_| Cut::Broken("sent a body that is not valid gzip"))?
                }
                (Err(_), _) => continue,
            },
            Some(Err(BodyError::Timeout(after))) => return Err(Cut::Late(after)),
            Some(Err(_)) => return Err(Cut::Broken("broke its answer off")),
            None => break,
        };
        let held = rest.as_ref().map_or(first.len(), BytesMut::len);
        if held + data.len() > limit {
            return Err(Cut::Broken("sent an answer over the size limit"));
        }
        match &mut rest {
            None if first.is_empty() => first = data,
            None => {
                let mut all = BytesMut::with_capacity((first.len() + data.len()) * 2);
                all.extend_from_slice(&first);
                all.extend_from_slice(&data);
                rest = Some(all);
            }
            Some(all) => all.extend_from_slice(&data),
        }
    }
    if let Some(inflate) = &mut inflate {
        inflate.finish().map_err(|_| Cut::Broken("broke its compressed answer off"))?;
    }
    Ok(rest.map_or(first, BytesMut::freeze))
}
