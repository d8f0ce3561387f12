//! Calls that a client sends again under one `Idempotency-Key`.
//!
//! A client whose connection broke does not know whether its call was made. With a key of its own choosing it may ask again
//! and not be charged twice: the answer of the first call is given once more, from memory, before any limit or budget is
//! touched; while the first is still being answered the repeat is refused with 409, and a different request under the same
//! key is a mistake, 400.
//!
//! Kept is what was answered whole and well. A refusal, an error, a stream that broke and an answer that its client did not
//! wait for leave the key free, so that trying again is worth while; what had been used by then was charged. Streams and
//! very large answers cannot be given once more: that they were answered is remembered, and a repeat is refused with 400 rather
//! than charged. Not with 409, which clients try again by themselves.
//!
//! Where books are kept they remember it over a restart, without the answers: a repeat of a call that was charged is refused
//! like that of a stream. A call that a kill left open counts as charged where `ledger.open_calls` charges it.

use crate::books::Books;
use crate::call::{Caller, Request};
use crate::record::Record;
use crate::reply::{Content, Reply};
use crate::server::Worker;
use crate::{books, estimate};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sha2::{Digest as _, Sha256};
use sluicegate_ledger::{Repeat, Repeats};
use sluicegate_store::{Repeated, StoreError};
use sluicegate_vocabulary::{EndReason, Fault, FaultKind, Receipt};
use std::sync::Arc;

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
static IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// How long a key is remembered, in milliseconds.
const KEEP_MS: i64 = 24 * 3_600_000;
/// How many are, and the bytes of their answers together.
const MOST: usize = 10_000;
const MOST_BYTES: usize = 64 << 20;
/// The longest key, in bytes.
const LONGEST: usize = 255;
/// The largest answer that is kept, in bytes.
const LARGEST: usize = 1 << 20;
/// When a repeat of a call that is being answered may come again.
const AGAIN_MS: u64 = 1000;

/// The keys of all workers.
pub(crate) type Memory = Repeats<Served>;

/// A memory that knows of the calls that were charged before the process began, where books are kept.
///
/// # Errors
/// The books cannot be read.
pub(crate) fn memory(books: Option<&Books>) -> Result<Memory, StoreError> {
    let memory = Memory::new(KEEP_MS, MOST, MOST_BYTES);
    let found = books.map(|books| books.store().repeats(books::now_ms() - KEEP_MS, MOST)).transpose()?;
    for (Repeated { key, request }, at_ms) in found.into_iter().flatten().rev() {
        memory.served_before(at_ms, key, request, Served::Gone);
    }
    Ok(memory)
}

/// What is kept of a call that was answered.
#[derive(Debug, Clone)]
pub(crate) enum Served {
    /// All of its answer.
    Whole(Arc<Answer>),
    /// Only that it was.
    Gone,
}

/// An answer as it went out.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// The first call under a key, which frees it unless it is answered.
#[derive(Debug)]
pub(crate) struct First {
    worker: Arc<Worker>,
    mark: Repeated,
    served: Option<(Served, usize)>,
}

impl Drop for First {
    fn drop(&mut self) {
        self.worker.shared.repeats.end(self.mark.key, self.served.take());
    }
}

/// Finds out whether a call was made before, and gives its answer if so.
///
/// # Errors
/// It is being made now, or cannot be given once more; the key is another call's, or none.
#[inline]
pub(crate) fn look_up(
    worker: &Arc<Worker>,
    request: &Request,
    caller: &Caller,
    record: &mut Record,
) -> Result<Option<Reply>, Fault> {
    match request.parts.headers.get(&IDEMPOTENCY_KEY) {
        Some(key) if estimate::uses_tokens(request.endpoint) => known(key, worker, request, caller, record),
        _ => Ok(None),
    }
}

fn known(
    key: &HeaderValue,
    worker: &Arc<Worker>,
    request: &Request,
    caller: &Caller,
    record: &mut Record,
) -> Result<Option<Reply>, Fault> {
    let Some(key) = key.to_str().ok().filter(|key| !key.is_empty() && key.len() <= LONGEST) else {
        let what = format!("An Idempotency-Key has from 1 to {LONGEST} visible characters.");
        return Err(Fault::new(FaultKind::BadRequest, what).code("idempotency_key_invalid"));
    };
    let mark = mark(key, request, caller);
    match worker.shared.repeats.begin(books::now_ms(), mark.key, mark.request) {
        Repeat::First => {
            let first = First { worker: Arc::clone(worker), mark, served: None };
            record.first_under_its_key(Box::new(first));
            Ok(None)
        }
        Repeat::Running => {
            let what = "The call with this Idempotency-Key is still being answered.";
            let fault = Fault::new(FaultKind::Conflict, what).code("idempotent_call_in_progress");
            Err(fault.retry_after_ms(AGAIN_MS))
        }
        Repeat::Different => {
            let what = "This Idempotency-Key was used for another request; every request has one of its own.";
            Err(Fault::new(FaultKind::BadRequest, what).code("idempotency_key_reused"))
        }
        Repeat::Served(Served::Gone) => {
            let what = "The call with this Idempotency-Key was answered and charged; its answer is not kept.";
            Err(Fault::new(FaultKind::BadRequest, what).code("idempotent_call_answered"))
        }
        Repeat::Served(Served::Whole(answer)) => {
            let mut headers = answer.headers.clone();
            headers.insert(&IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
            Ok(Some(Reply { status: answer.status, headers, content: Content::Whole(answer.body.clone()) }))
        }
    }
}

/// What is remembered of a call under a key. The hashes are the same in every process, since the books outlive it.
fn mark(key: &str, request: &Request, caller: &Caller) -> Repeated {
    let client = caller.key.as_ref().map_or("", |key| &*key.name);
    let path = request.parts.uri.path_and_query().map_or("", |path| path.as_str());
    // No name holds a zero, and neither does a header or a path.
    let hash =
        |one: &str, other: &[u8]| Sha256::new().chain_update(one).chain_update([0]).chain_update(other).finalize();
    let half = |hash: &[u8]| hash.first_chunk().map_or(0, |half| u128::from_le_bytes(*half));
    Repeated { key: half(&hash(client, key.as_bytes())), request: half(&hash(path, &request.body)) as u64 }
}

impl First {
    /// Under which key, of which request.
    pub(crate) const fn mark(&self) -> Repeated {
        self.mark
    }

    /// The same if repeats are refused or answered from now on.
    pub(crate) fn charged(&self) -> Option<Repeated> {
        self.served.as_ref().map(|_| self.mark)
    }

    /// An answer is about to go out. Whether its client sees it is another matter.
    pub(crate) fn answered(&mut self, reply: &Reply) {
        let Content::Whole(body) = &reply.content else { return };
        if !reply.status.is_success() {
            return;
        }
        let answer = || Answer { status: reply.status, headers: reply.headers.clone(), body: body.clone() };
        let kept = body.len() <= LARGEST;
        let served = if kept { Served::Whole(Arc::new(answer())) } else { Served::Gone };
        self.served = Some((served, if kept { body.len() } else { 0 }));
    }

    /// The call has ended.
    pub(crate) fn ended(&mut self, receipt: &Receipt) {
        let well = receipt.end == EndReason::Done && (200..300).contains(&receipt.status);
        if well && !receipt.attempts.is_empty() {
            self.served.get_or_insert((Served::Gone, 0));
        }
    }
}
