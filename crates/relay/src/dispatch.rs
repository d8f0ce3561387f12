//! Stage seven: ask, and if need be ask again or ask another.
//!
//! Candidates are tried in order, each with its configured number of tries. Trying again happens only while nothing
//! has gone to the client, only for failures that another try or another provider can mend, and only within the
//! call's deadline. What the caller did wrong is told at once.

use crate::attempt::{self, Answered, Failure, Tried};
use crate::call::{Caller, Plan, Request};
use crate::egress;
use crate::prepare::prepare;
use crate::record::Record;
use crate::server::Worker;
use crate::snapshot::{Candidate, Snapshot};
use sluicegate_vocabulary::{AttemptRecord, AttemptResult, Endpoint, Fault, FaultKind};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);
/// A provider that asks for more patience than this is left for the next candidate, or for the client to wait out.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(5);

/// An answer, with what the client is told about where it came from.
pub(crate) struct Dispatched {
    pub(crate) answered: Answered,
    pub(crate) candidate: Arc<Candidate>,
    pub(crate) attempts: usize,
    pub(crate) dropped: Vec<Cow<'static, str>>,
}

/// No answer.
pub(crate) struct Unanswered {
    /// The last candidate's failure, in words for the client.
    pub(crate) fault: Fault,
    /// Nobody was asked, because no candidate had room.
    pub(crate) full: bool,
}

impl From<Fault> for Unanswered {
    fn from(fault: Fault) -> Self {
        Self { fault, full: false }
    }
}

/// Gets an answer from one of the plan's candidates.
///
/// # Errors
/// The last candidate's failure, in words for the client, and whether it was for want of room.
pub(crate) async fn dispatch(
    worker: &Arc<Worker>,
    request: &Request,
    caller: &Caller,
    plan: &Plan,
    snapshot: &Snapshot,
    record: &mut Record,
) -> Result<Dispatched, Unanswered> {
    let mut last: Option<Fault> = None;
    let mut full = false;
    for candidate in egress::by_room(&worker.shared.room, plan) {
        let mut tries = 0;
        loop {
            if request.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Err(attempt::deadline_passed().into());
            }
            let now_s = record.arrived_ms() / 1000;
            let prepared = match prepare(request, &plan.route, candidate, snapshot, record.id(), now_s) {
                Ok(prepared) => prepared,
                // Another candidate may be able to say what this one cannot.
                Err(fault) => {
                    last.get_or_insert(fault);
                    break;
                }
            };
            let dropped = prepared.dropped.clone();
            let taken = match egress::take(worker, request, caller, plan, candidate, snapshot, record).await {
                Ok(taken) => taken,
                Err(fault) => {
                    // A provider without room is like one that says so itself.
                    full = fault.kind != FaultKind::NeverFits && record.attempts().is_empty();
                    last = Some(fault);
                    if !plan.route.falls_back_on(AttemptResult::RateLimited) {
                        return Err(Unanswered { fault: last.unwrap_or_else(nobody), full });
                    }
                    break;
                }
            };
            record.asking(taken.held, taken.output);
            let guard = Trying::new(candidate, record);
            let tried =
                attempt::attempt(worker, request, candidate, taken.credential, prepared, guard.record.id()).await;
            let Tried { credential, outcome } = tried;
            match outcome {
                Ok(answered) => {
                    guard.end(credential, answered.result(), answered.status());
                    let attempts = record.attempts().len();
                    return Ok(Dispatched { answered, candidate: Arc::clone(candidate), attempts, dropped });
                }
                Err(failure) => {
                    guard.end(credential, failure.result, failure.status);
                    record.unanswered();
                    let again = wait(&failure, tries, candidate, request);
                    let stop = !plan.route.falls_back_on(failure.result);
                    last = Some(failure.fault);
                    match again {
                        Some(pause) => tokio::select! {
                            () = tokio::time::sleep(pause) => {}
                            () = worker.stop.cancelled() => return Err(attempt::stopping().fault.into()),
                        },
                        None if stop => return Err(last.unwrap_or_else(nobody).into()),
                        None => break,
                    }
                    tries += 1;
                }
            }
        }
    }
    Err(Unanswered { fault: last.unwrap_or_else(nobody), full: full && record.attempts().is_empty() })
}

fn nobody() -> Fault {
    Fault::new(FaultKind::Internal, "The route has no candidate; its operator should check the configuration.")
}

/// How long to wait before trying the same candidate again; `None` when that would not help.
fn wait(failure: &Failure, tries: u32, candidate: &Candidate, request: &Request) -> Option<Duration> {
    let may_help = matches!(
        failure.result,
        AttemptResult::Connect
            | AttemptResult::RateLimited
            | AttemptResult::Overloaded
            | AttemptResult::ServerError
            | AttemptResult::Broken
    );
    // What a passthrough call does is not known, so what may have been done is not done again.
    let may_repeat = request.endpoint != Endpoint::Passthrough || request.parts.method.is_idempotent();
    let redirected = (300..400).contains(&failure.status);
    if !may_help || !may_repeat || redirected || tries >= candidate.provider.max_retries {
        return None;
    }
    let backoff =
        FIRST_BACKOFF.saturating_mul(1 << tries.min(8)).min(LONGEST_BACKOFF).mul_f64(0.5 + fastrand::f64() / 2.0);
    let asked = failure.fault.retry_after_ms.map_or(Duration::ZERO, Duration::from_millis);
    let pause = backoff.max(asked);
    let in_time = request.deadline.is_none_or(|deadline| Instant::now() + pause < deadline);
    (asked <= LONGEST_RETRY_AFTER && in_time).then_some(pause)
}

/// A try under way. If the call is dropped in the middle of it, the try is recorded as cancelled, which blames nobody.
struct Trying<'a> {
    candidate: &'a Arc<Candidate>,
    record: &'a mut Record,
    started: Duration,
    ended: bool,
}

impl<'a> Trying<'a> {
    fn new(candidate: &'a Arc<Candidate>, record: &'a mut Record) -> Self {
        let started = record.since_arrival();
        Self { candidate, record, started, ended: false }
    }

    fn end(mut self, credential: Option<Arc<str>>, result: AttemptResult, status: u16) {
        self.write(credential, result, status);
    }

    fn write(&mut self, credential: Option<Arc<str>>, result: AttemptResult, status: u16) {
        self.ended = true;
        let attempt = AttemptRecord {
            provider: Arc::clone(&self.candidate.provider.name),
            credential: credential.unwrap_or_else(|| Arc::clone(&self.candidate.no_credential)),
            model: Arc::clone(&self.candidate.model),
            result,
            status,
            started: self.started,
            took: self.record.since_arrival().saturating_sub(self.started),
        };
        self.record.attempted(self.candidate, attempt);
    }
}

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.write(None, AttemptResult::Cancelled, 0);
        }
    }
}
