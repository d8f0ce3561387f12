//! A second call where the first is late with its first token.
//!
//! Off unless a model's entry asks for it, and then for few: streamed calls without tools, one in fifty at most, when the
//! other target usually answers within the time that has passed already. The two run beside each other inside the call's
//! own future; whichever has an event for the client first goes on, and the other is dropped, which ends it at its
//! provider. Both are in the receipt, also when the client leaves before either has answered.
//!
//! The same is done for a trial call, which is to show that its provider is back: one that stays silent is not waited for
//! as long as a healthy one may be, but another is asked, and the silence counts against the provider.

use crate::attempt::{self, Answered, Failure};
use crate::call::Request;
use crate::egress::{Order, Taken};
use crate::prepare::Prepared;
use crate::providers::{Standing, UnderWay};
use crate::record::Record;
use crate::room::{Held, Room};
use crate::server::Worker;
use crate::snapshot::{Candidate, Limits};
use memchr::memmem;
use sluicegate_flow::Nanos;
use sluicegate_flow::egress::{Hedging, Pass};
use sluicegate_upstream::Credential;
use sluicegate_vocabulary::{AttemptRecord, AttemptResult, CallId};
use std::borrow::Cow;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// How a try ended.
type Outcome = Result<Box<Answered>, Failure>;

/// What came of two: the second's answer, with the failure of the first if it had failed by then; or the first's outcome,
/// with the failure of the second if it had.
type Won = Result<(Box<Answered>, Option<Failure>), (Outcome, Option<Failure>)>;

/// A second call, ready to be sent or under way.
pub(crate) struct Second<'a> {
    pub(crate) candidate: &'a Arc<Candidate>,
    credential: Option<&'a Arc<Credential>>,
    pub(crate) under_way: UnderWay,
    pub(crate) dropped: Vec<Cow<'static, str>>,
}

/// What is told of a second call and what is held for it. Kept by the guard of the first, so that it is told and settled
/// too when the client leaves while both are under way.
pub(crate) struct Beside {
    candidate: Arc<Candidate>,
    credential: Arc<str>,
    began: Duration,
    pub(crate) held: Option<Held>,
    pub(crate) output: Option<u64>,
}

/// What came of a call and of the second one.
pub(crate) enum Raced<'a> {
    /// The call itself was first, or both failed. The second comes with its failure, if it was not given up.
    Own(Outcome, Option<(Second<'a>, Option<Failure>)>),
    /// The second had an answer first; the call itself was given up, or failed so.
    Second(Second<'a>, Box<Answered>, Option<Failure>),
}

/// Who is asked second, and after how long; `None` for nobody.
pub(crate) fn plan<'a>(
    room: &Room,
    request: &Request,
    candidate: &Candidate,
    mut rest: Order<'a>,
    now: Nanos,
) -> Option<(&'a Arc<Candidate>, Duration)> {
    candidate.standing.provider.hedges.earn();
    let elsewhere = |other: &&Arc<Candidate>| !Arc::ptr_eq(&other.provider, &candidate.provider);
    let other = rest.find(elsewhere)?;
    let Standing { model, .. } = &candidate.standing;
    let waits = |candidate: &Candidate| {
        candidate.standing.model.turnstile.waiting() > 0 || Limits::is_contended(&room.table, candidate, now)
    };
    let hedging = Hedging {
        own: &model.first_tokens,
        other: &other.standing.model.first_tokens,
        other_headroom: other.standing.headroom(now),
        other_closed: other.standing.is_well(),
        may_be_doubled: request.stream && memmem::find(&request.body, b"\"tools\"").is_none(),
        queued: waits(candidate) || waits(other),
    };
    Some((other, hedging.delay(now)?))
}

impl<'a> Second<'a> {
    pub(crate) fn new(
        candidate: &'a Arc<Candidate>,
        pass: Pass,
        taken: Taken,
        dropped: Vec<Cow<'static, str>>,
        began: Duration,
        record: &Record,
    ) -> (Self, Beside) {
        let Taken { lease, held, output } = taken;
        let credential = candidate.credentials.get(lease.index());
        let name = credential.map_or(&candidate.no_credential, |credential| &credential.name);
        let beside = Beside { candidate: Arc::clone(candidate), credential: Arc::clone(name), began, held, output };
        let under_way = UnderWay::new(candidate, pass, lease, record.at(began), false);
        (Self { candidate, credential, under_way, dropped }, beside)
    }

    async fn run(&self, worker: &Worker, request: &Request, prepared: Prepared, id: &CallId) -> Outcome {
        let Self { candidate, credential, under_way, .. } = self;
        attempt::attempt(worker, request, candidate, *credential, prepared, id, under_way).await
    }

    /// It was not needed, or failed.
    pub(crate) fn lost(self, beside: Beside, failure: Option<&Failure>, record: &mut Record) {
        let (result, status) =
            failure.map_or((AttemptResult::Cancelled, 0), |failure| (failure.result, failure.status));
        beside.end(result, status, record);
        if let Some(failure) = failure {
            self.under_way.failed(failure.result, &failure.told(), record.now());
        }
    }
}

impl Beside {
    /// How it is told in the receipt.
    pub(crate) fn told(&self, result: AttemptResult, status: u16, record: &Record) -> AttemptRecord {
        AttemptRecord {
            provider: Arc::clone(&self.candidate.provider.name),
            credential: Arc::clone(&self.credential),
            model: Arc::clone(&self.candidate.model),
            result,
            status,
            started: self.began,
            took: record.since_arrival().saturating_sub(self.began),
        }
    }

    /// It is over without an answer. Its provider has been asked all the same, and its limits are charged a request.
    pub(crate) fn end(self, result: AttemptResult, status: u16, record: &mut Record) {
        let told = self.told(result, status, record);
        record.attempted(&self.candidate, told);
        if let Some(mut held) = self.held {
            held.settle(record.now(), 0);
        }
    }
}

/// Waits for a call, and from a time on for a second one too, which `begin` makes ready if it can be made.
pub(crate) async fn race<'a>(
    worker: &Worker,
    request: &Request,
    id: &CallId,
    own: impl Future<Output = Outcome>,
    after: Duration,
    begin: impl FnOnce() -> Option<(Second<'a>, Prepared)>,
) -> Raced<'a> {
    let mut own = pin!(own);
    tokio::select! {
        biased;
        outcome = &mut own => return Raced::Own(outcome, None),
        () = tokio::time::sleep(after) => {}
    }
    let Some((second, prepared)) = begin() else { return Raced::Own(own.await, None) };
    let won: Won = {
        let mut other = Box::pin(second.run(worker, request, prepared, id));
        tokio::select! {
            biased;
            outcome = &mut own => match outcome {
                Ok(answered) => Err((Ok(answered), None)),
                Err(failure) => match other.await {
                    Ok(answered) => Ok((answered, Some(failure))),
                    Err(late) => Err((Err(failure), Some(late))),
                },
            },
            outcome = &mut other => match outcome {
                Ok(answered) => Ok((answered, None)),
                Err(late) => Err((own.await, Some(late))),
            },
        }
    };
    match won {
        Ok((answered, failure)) => Raced::Second(second, answered, failure),
        Err((outcome, late)) => Raced::Own(outcome, Some((second, late))),
    }
}
