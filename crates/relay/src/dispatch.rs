//! Stage seven: ask, and if need be ask again or ask another.
//!
//! Candidates are tried in order. One whose breaker is open, or that an operator holds, is passed over; the others are
//! asked as room is found for the call. What is done about a failure ([`decide`]) depends on what went wrong: the same
//! again after a while, another key of the same provider, another candidate, or nothing. Trying again happens only while
//! nothing has gone to the client, within the call's deadline, and as far as it has been earned: asking again by the
//! successes of the provider, asking anybody at all by those of all candidates.
//! What the caller did wrong is told at once, except that a request too long for one model may go to a longer one.

use crate::admit::patience;
use crate::attempt::{self, Answered, Brought, Failure};
use crate::books;
use crate::call::{Caller, Plan, Request};
use crate::egress::{Order, Seeker, by_room};
use crate::estimate::Likely;
use crate::hedge::{self, Beside, Raced, Second};
use crate::prepare::{Prepared, prepare};
use crate::providers::{Belongs, Standing, UnderWay, belongs, stored};
use crate::record::Record;
use crate::resume::GoingOn;
use crate::server::Worker;
use crate::snapshot::{Candidate, Snapshot};
use parking_lot::Mutex;
use sluicegate_flow::Nanos;
use sluicegate_flow::egress::{
    Decision, Failed, Isolated, Pass, Payers, Throttle, Tried, Wanted, decide, trial_patience,
};
use sluicegate_vocabulary::{AttemptRecord, AttemptResult, Endpoint, Fault, FaultKind};
use sluicegate_wire::estimate::tokens_in_bytes;
use std::borrow::Cow;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a call that says nothing of its patience may be tried for: as long as the SDKs wait.
const LONGEST: Duration = Duration::from_secs(600);
/// When to come back where a trial call is under way and decides.
const SOON: Duration = Duration::from_secs(1);

/// An answer, with what the client is told about where it came from.
pub(crate) struct Dispatched {
    pub(crate) answered: Box<Answered>,
    pub(crate) candidate: Arc<Candidate>,
    pub(crate) dropped: Vec<Cow<'static, str>>,
}

/// No answer.
pub(crate) struct Unanswered {
    /// The last candidate's failure, in words for the client.
    pub(crate) fault: Box<Fault>,
    /// No candidate could be asked or gave an answer, for reasons that need not hold at a lower tier.
    pub(crate) unavailable: bool,
}

impl From<Fault> for Unanswered {
    fn from(fault: Fault) -> Self {
        Self { fault: Box::new(fault), unavailable: false }
    }
}

/// What became of a candidate.
enum Next {
    /// The next candidate, please.
    Candidate,
    /// One with a larger context window, please.
    Longer,
    /// Nobody else.
    GiveUp,
}

/// A call on its way from candidate to candidate.
struct Trip<'a> {
    worker: &'a Arc<Worker>,
    request: &'a Request,
    caller: &'a Caller,
    plan: &'a Plan,
    snapshot: &'a Snapshot,
    /// What the answer is to go on with.
    going_on: Option<&'a GoingOn>,
    /// The last failure, in words for the client.
    last: Option<Box<Fault>>,
    unavailable: bool,
    /// What was told that the request is too long for its model, by one who said so in the caller's own format.
    too_long: Option<Dispatched>,
    /// The context window that was too small, in tokens.
    longer_than: Option<u64>,
}

/// Gets an answer from one of the plan's candidates, or the rest of one that was begun.
///
/// # Errors
/// The last candidate's failure, in words for the client, and whether a lower tier could help.
pub(crate) async fn dispatch(
    worker: &Arc<Worker>,
    request: &Request,
    caller: &Caller,
    plan: &Plan,
    snapshot: &Snapshot,
    going_on: Option<&GoingOn>,
    record: &mut Record,
) -> Result<Dispatched, Unanswered> {
    let mut trip = Trip {
        worker,
        request,
        caller,
        plan,
        snapshot,
        going_on,
        last: None,
        unavailable: false,
        too_long: None,
        longer_than: None,
    };
    let mut candidates = by_room(&worker.shared.room, plan);
    while let Some(candidate) = candidates.next() {
        if trip.is_too_short(candidate) {
            continue;
        }
        // Pinned where it is: it is large to move.
        let asked = pin!(trip.ask(candidate, candidates.clone(), record)).await;
        match asked {
            Ok(dispatched) => return Ok(dispatched),
            Err(Next::Candidate) => {}
            Err(Next::Longer) => trip.longer_than = candidate.context_window,
            Err(Next::GiveUp) => break,
        }
    }
    if let Some(too_long) = trip.too_long {
        // None of those who might have answered did, so it holds what the caller can do something about.
        record.should_retry(false);
        return Ok(too_long);
    }
    let fault = trip.last.unwrap_or_else(|| Box::new(nobody()));
    Err(Unanswered { fault, unavailable: trip.unavailable })
}

impl<'a> Trip<'a> {
    /// Asks one candidate as often as it is worth it. `rest` are those after it.
    async fn ask(
        &mut self,
        candidate: &'a Arc<Candidate>,
        rest: Order<'a>,
        record: &mut Record,
    ) -> Result<Dispatched, Next> {
        let Self { worker, request, caller, plan, snapshot, .. } = *self;
        let wanted = wanted(request, candidate);
        let mut tries = 0;
        let mut tried = Tried::default();
        let mut untouched = false;
        loop {
            if request.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Err(self.give_up(attempt::deadline_passed()));
            }
            let mut began = record.since_arrival();
            let now = record.at(began);
            let pass = self.admit(candidate, now)?;
            let now_s = record.arrived_ms() / 1000;
            let going_on = self.going_on;
            let prepare =
                |record: &Record| prepare(request, &plan.route, candidate, snapshot, going_on, record.id(), now_s);
            let prepared = prepare(record).map_err(|fault| self.unsayable(fault))?;
            let wanted = Wanted { tried, ..wanted };
            let seeker = Seeker { worker, request, caller, plan, candidate, wanted };
            let (pass, taken, mut prepared) = match seeker.take(now) {
                Ok(taken) => (pass, taken, prepared),
                Err(no_room) => {
                    // Nobody else's trial is kept waiting for room, and while it is waited for much may change. A body
                    // that was translated would be held beside the one that came, and counted by nobody.
                    drop((pass, prepared));
                    let taken =
                        Box::pin(seeker.wait(no_room, snapshot, self.others(candidate, rest.clone(), now), record))
                            .await;
                    let taken = taken.map_err(|fault| self.no_room(candidate, fault))?;
                    began = record.since_arrival();
                    let pass = self.admit(candidate, record.at(began))?;
                    (pass, taken, prepare(record).map_err(|fault| self.unsayable(fault))?)
                }
            };
            let dropped = std::mem::take(&mut prepared.dropped);
            record.asking(taken.held, taken.output);
            books::intend(candidate, record);
            let credential = candidate.credentials.get(taken.lease.index());
            let name = credential.map_or(&candidate.no_credential, |credential| &credential.name);
            let first = record.attempts().is_empty();
            let under_way = UnderWay::new(candidate, pass, taken.lease, record.at(began), first);
            let trial = under_way.is_trial();
            let mut guard =
                Trying { candidate, credential: name, record, started: began, ended: false, beside: Mutex::new(None) };
            tries += 1;
            let id = guard.record.id();
            let goes_on = || plan.route.falls_back_on(AttemptResult::Timeout);
            let new_side = plan.is_new_side(candidate);
            let hedge = match trial {
                true if new_side || goes_on() => {
                    self.instead_of_a_trial(candidate, rest.clone(), now, guard.record.arrived())
                }
                false if plan.route.hedge && first && !new_side && goes_on() => {
                    hedge::plan(&worker.shared.room, request, candidate, rest.clone(), now)
                }
                _ => None,
            };
            let outcome = match hedge {
                None => attempt::attempt(worker, request, candidate, credential, prepared, id, &under_way).await,
                Some((other, after)) => {
                    let own = attempt::attempt(worker, request, candidate, credential, prepared, id, &under_way);
                    let begin = || self.second(candidate, other, trial, &guard);
                    let raced = Box::pin(hedge::race(worker, request, id, own, after, begin)).await;
                    let beside = guard.beside.get_mut().take();
                    match raced {
                        Raced::Own(outcome, second) => {
                            if let (Some((second, failure)), Some(beside)) = (second, beside) {
                                second.lost(*beside, failure.as_ref(), guard.record);
                            }
                            outcome
                        }
                        Raced::Second(second, answered, failure) => {
                            let (result, status) = match &failure {
                                Some(failure) => (failure.result, failure.status),
                                // It was to show that its provider answers, and it has not.
                                None if trial => (AttemptResult::Timeout, 0),
                                None => (AttemptResult::Cancelled, 0),
                            };
                            let now = guard.end(result, status);
                            if result != AttemptResult::Cancelled {
                                under_way.failed(result, &failure.map(|it| it.told()).unwrap_or_default(), now);
                            }
                            return Ok(self.second_answered(second, beside, answered, record));
                        }
                    }
                }
            };
            let failure = match outcome {
                Ok(answered) => {
                    let result = answered.result();
                    let now = guard.end(result, answered.status.as_u16());
                    let too_long = answered.error == Some(FaultKind::ContextLength);
                    let longer = too_long && self.longer(candidate, rest.clone(), now);
                    let refused = new_side && answered.error.is_some();
                    let dispatched = self.answered(candidate, under_way, answered, now, dropped, record);
                    if longer {
                        record.unanswered();
                        self.too_long = Some(dispatched);
                        return Err(Next::Longer);
                    }
                    if refused {
                        // Whether it is the caller's mistake or the new side's shows when the old side is asked.
                        record.unanswered();
                        return Err(Next::Candidate);
                    }
                    return Ok(dispatched);
                }
                Err(failure) => failure,
            };
            let now = guard.end(failure.result, failure.status);
            record.unanswered();
            if failure.untouched && !untouched {
                // So ends in HTTP/2 what comes while a connection is closed in good order. It blames nobody and costs
                // nobody anything, if it does not go on.
                untouched = true;
                tries -= 1;
                under_way.ended(AttemptResult::Cancelled, now);
                continue;
            }
            let key = under_way.key();
            under_way.failed(failure.result, &failure.told(), now);
            if failure.fault.kind == FaultKind::ContextLength && self.longer(candidate, rest.clone(), now) {
                self.last = Some(failure.fault);
                return Err(Next::Longer);
            }
            if new_side && failure.result != AttemptResult::Cancelled {
                // The old side answers this very call. What it costs is bounded: one try for each call that is moved.
                self.last = Some(failure.fault);
                return Err(Next::Candidate);
            }
            tried.add(key);
            let failed = self.failed(candidate, &failure, tries, tried, trial, rest.clone(), record);
            self.unavailable = failed.result != AttemptResult::ClientError && failed.result != AttemptResult::Cancelled;
            self.last = Some(failure.fault);
            let payers = Payers { own: &candidate.standing.provider.budget, all: plan.route.failovers.as_deref() };
            match decide(&failed, payers, now, fastrand::f64()) {
                Decision::RetrySame { after } => {
                    // It is the same again: every key may be tried.
                    tried = Tried::default();
                    tokio::select! {
                        () = tokio::time::sleep(after) => {}
                        () = worker.stop.cancelled() => return Err(self.give_up(*attempt::stopping().fault)),
                    }
                }
                Decision::OtherCredential => {}
                Decision::OtherCandidate => return Err(Next::Candidate),
                Decision::GiveUp { should_retry } => {
                    // Several candidates have been asked, which is as good as several tries. Only a wait that is known
                    // and passed on keeps the client's own try from being a storm.
                    let waits = failed.throttle.is_some_and(Throttle::is_quota) && failed.retry_after.is_some();
                    record.should_retry(should_retry && (waits || record.attempts().len() == 1));
                    return Err(Next::GiveUp);
                }
            }
        }
    }

    /// There is something for the client.
    fn answered(
        &self,
        candidate: &Arc<Candidate>,
        mut under_way: UnderWay,
        answered: Box<Answered>,
        now: Nanos,
        dropped: Vec<Cow<'static, str>>,
        record: &mut Record,
    ) -> Dispatched {
        note_stored(self.request, candidate, &answered, under_way.key());
        record.teaches(self.plan.likely.lock().as_ref().map(Likely::learning));
        match answered.content {
            Brought::Whole(..) => under_way.answered(answered.result(), now),
            // Only a passthrough call ends so, and what it asks is the caller's choice: by its errors nobody else's
            // calls may come to lose a key or a provider.
            Brought::Stream(_) if answered.error.is_some() => drop(under_way),
            Brought::Stream(_) => {
                under_way.heard(now, tokens_in_bytes(self.request.head.input_bytes));
                record.answered(under_way);
            }
        }
        if let Some(failovers) = &self.plan.route.failovers
            && record.attempts().len() == 1
            && answered.error.is_none()
        {
            failovers.earn(now);
        }
        Dispatched { answered, candidate: Arc::clone(candidate), dropped }
    }

    /// Who is asked as well where a trial call is late. Nobody but calls can find out whether a provider is back, but none
    /// should wait for one that is silent as long as a healthy one may be.
    #[cold]
    fn instead_of_a_trial(
        &self,
        candidate: &Candidate,
        mut rest: Order<'a>,
        now: Nanos,
        arrived: Instant,
    ) -> Option<(&'a Arc<Candidate>, Duration)> {
        let well = |other: &&Arc<Candidate>| {
            !Arc::ptr_eq(&other.provider, &candidate.provider) && other.standing.is_well() && !self.is_too_short(other)
        };
        let other = rest.find(well).filter(|_| self.request.endpoint != Endpoint::Passthrough)?;
        let Standing { model, provider, .. } = &candidate.standing;
        let times = if self.request.stream { &model.first_tokens } else { &model.answers };
        // The other has as much time for his answer as this one for its.
        let most = (self.ends_by(arrived).saturating_duration_since(Instant::now()) / 2)
            .min(candidate.provider.timeouts.first_byte);
        let failed = provider.breaker.failed_probes();
        Some((other, trial_patience(times.usually_within(now, 0.95), failed, most)))
    }

    /// Until when the call may be tried.
    fn ends_by(&self, arrived: Instant) -> Instant {
        let longest = self.request.client_timeout.map_or(LONGEST, |timeout| timeout.min(LONGEST));
        self.request.deadline.unwrap_or(arrived + longest)
    }

    /// A second call, beside one that is late: what is done for it, and what is kept of it in the guard of the first.
    fn second(
        &self,
        late: &Candidate,
        other: &'a Arc<Candidate>,
        trial: bool,
        guard: &Trying<'_>,
    ) -> Option<(Second<'a>, Prepared)> {
        let Self { worker, request, caller, plan, snapshot, .. } = *self;
        let record = &*guard.record;
        let began = record.since_arrival();
        let now = record.at(began);
        let pass = other.standing.provider.breaker.admit(now).ok().filter(|pass| !pass.is_probe())?;
        let now_s = record.arrived_ms() / 1000;
        let mut prepared = prepare(request, &plan.route, other, snapshot, self.going_on, record.id(), now_s).ok()?;
        let hedges = &late.standing.provider.hedges;
        let is_paid = match &plan.route.failovers {
            Some(failovers) if trial => failovers.withdraw(now),
            _ => hedges.withdraw(),
        };
        if !is_paid {
            return None;
        }
        let seeker = Seeker { worker, request, caller, plan, candidate: other, wanted: wanted(request, other) };
        let Ok(taken) = seeker.take(now) else {
            if !trial {
                hedges.give_back();
            }
            return None;
        };
        let dropped = std::mem::take(&mut prepared.dropped);
        let (second, beside) = Second::new(other, pass, taken, dropped, began, record);
        *guard.beside.lock() = Some(Box::new(beside));
        Some((second, prepared))
    }

    /// The second call has something for the client.
    fn second_answered(
        &self,
        second: Second<'a>,
        beside: Option<Box<Beside>>,
        answered: Box<Answered>,
        record: &mut Record,
    ) -> Dispatched {
        let Second { candidate, under_way, dropped, .. } = second;
        record.unanswered();
        if let Some(beside) = beside {
            let told = beside.told(answered.result(), answered.status.as_u16(), record);
            record.asking(beside.held, beside.output);
            record.attempted(candidate, told);
        }
        let now = record.now();
        self.answered(candidate, under_way, answered, now, dropped, record)
    }

    /// Whether the candidate is asked at all.
    #[inline]
    fn admit(&mut self, candidate: &'a Arc<Candidate>, now: Nanos) -> Result<Pass, Next> {
        let provider = &candidate.standing.provider;
        if provider.is_held() {
            return Err(self.passed_over(candidate, held(candidate)));
        }
        match self.plan.route.breakers.admit(&provider.breaker, now) {
            Ok(pass) => Ok(pass),
            Err(isolated) => Err(self.passed_over(candidate, left_alone(candidate, isolated, now))),
        }
    }

    #[cold]
    fn passed_over(&mut self, candidate: &Arc<Candidate>, fault: Fault) -> Next {
        let new_side = self.plan.is_new_side(candidate);
        // What was really asked and failed tells more.
        self.last.get_or_insert_with(|| Box::new(fault));
        self.unavailable = true;
        let route = &self.plan.route;
        let goes_on = [AttemptResult::Connect, AttemptResult::ServerError, AttemptResult::Timeout];
        if new_side || goes_on.into_iter().any(|result| route.falls_back_on(result)) {
            Next::Candidate
        } else {
            Next::GiveUp
        }
    }

    /// Another candidate may be able to say what this one cannot.
    #[cold]
    fn unsayable(&mut self, fault: Fault) -> Next {
        self.last.get_or_insert_with(|| Box::new(fault));
        Next::Candidate
    }

    #[cold]
    fn no_room(&mut self, candidate: &Arc<Candidate>, fault: Fault) -> Next {
        let refused = fault.kind == FaultKind::UpstreamAuth;
        self.unavailable |= fault.kind != FaultKind::NeverFits;
        match &mut self.last {
            // It has said so itself, and that is what the client is told; but not before when it would be in vain.
            Some(last) if last.kind == FaultKind::UpstreamRateLimited => {
                last.retry_after_ms = last.retry_after_ms.max(fault.retry_after_ms);
            }
            last => *last = Some(Box::new(fault)),
        }
        // A provider without room is like one that says so itself.
        let result = if refused { AttemptResult::AuthError } else { AttemptResult::RateLimited };
        if self.plan.is_new_side(candidate) || self.plan.route.falls_back_on(result) {
            Next::Candidate
        } else {
            Next::GiveUp
        }
    }

    fn give_up(&mut self, fault: Fault) -> Next {
        self.last = Some(Box::new(fault));
        self.unavailable = false;
        Next::GiveUp
    }

    /// Whether a call that is too long for one candidate is too long for this one as well, as far as is known.
    fn is_too_short(&self, candidate: &Candidate) -> bool {
        self.longer_than.is_some_and(|window| candidate.context_window.is_none_or(|own| own <= window))
    }

    /// Whether the call would be sent to this candidate, were it its turn.
    fn may_answer(&self, other: &Candidate, now: Nanos) -> bool {
        !self.is_too_short(other) && other.standing.may_be_asked(now)
    }

    /// Whether somebody after this candidate can answer when it has no room.
    fn others(&self, candidate: &Arc<Candidate>, mut rest: Order<'a>, now: Nanos) -> bool {
        let goes_on = self.plan.is_new_side(candidate) || self.plan.route.falls_back_on(AttemptResult::RateLimited);
        goes_on && rest.any(|other| self.may_answer(other, now))
    }

    /// Whether somebody after this candidate has a larger context window.
    #[cold]
    fn longer(&self, candidate: &Candidate, mut rest: Order<'a>, now: Nanos) -> bool {
        let larger = |other: &Candidate| other.context_window > candidate.context_window;
        self.plan.route.fallback_on_length
            && candidate.context_window.is_some()
            && rest.any(|other| larger(other) && self.may_answer(other, now))
    }

    #[cold]
    #[expect(clippy::too_many_arguments, reason = "they are what a decision is made from")]
    fn failed(
        &self,
        candidate: &Candidate,
        failure: &Failure,
        tries: u32,
        tried: Tried,
        trial: bool,
        mut rest: Order<'a>,
        record: &Record,
    ) -> Failed {
        let Self { worker, request, caller, plan, snapshot, .. } = *self;
        let (now, room) = (record.now(), &worker.shared.room);
        let told = failure.told();
        let patience = patience(request, caller, snapshot, record.arrived());
        let deadline = self.ends_by(record.arrived());
        let standing = &candidate.standing;
        Failed {
            result: failure.result,
            throttle: told.throttle,
            retry_after: told.retry_after,
            should_retry: told.should_retry,
            tries,
            // Who is tried after a long illness gets one call at a time; a redirect leads to the same place each time.
            max_retries: if trial || (300..400).contains(&failure.status) { 0 } else { candidate.provider.max_retries },
            deadline: room.at(deadline),
            waits_until: room.at((record.arrived() + patience).min(deadline)),
            first_byte: standing.model.first_tokens.within(now, 0.5).unwrap_or_default(),
            other_credential: standing.pool.has_other(now, tried),
            other_candidate: plan.route.falls_back_on(failure.result) && rest.any(|other| self.may_answer(other, now)),
            bytes_sent: false,
            // What a passthrough call does is not known, so what may have been done is not done again.
            repeatable: request.endpoint != Endpoint::Passthrough || request.parts.method.is_idempotent(),
        }
    }
}

/// What a call wants of a candidate's keys. What it belongs to only matters where there are several.
fn wanted(request: &Request, candidate: &Candidate) -> Wanted {
    if candidate.standing.pool.members().len() == 1 {
        return Wanted::default();
    }
    let Belongs { conversation, after } = belongs(request);
    let owner = after.and_then(|response| candidate.standing.provider.stored.key_of(response));
    Wanted { conversation, owner, draw: fastrand::u64(..), ..Wanted::default() }
}

/// Remembers whose a stored response is, where it makes a difference.
fn note_stored(request: &Request, candidate: &Candidate, answered: &Answered, key: usize) {
    let members = candidate.standing.pool.members();
    if members.len() > 1
        && let Some(response) = stored(request.endpoint, answered.begin())
        && let Some(member) = members.get(key)
    {
        candidate.standing.provider.stored.put(response, member.id);
    }
}

fn nobody() -> Fault {
    Fault::new(FaultKind::Internal, "The route has no candidate; its operator should check the configuration.")
}

fn held(candidate: &Candidate) -> Fault {
    let message = format!("The provider {} is held by its operator and gets no calls.", candidate.provider.name);
    Fault::new(FaultKind::Overloaded, message).code("provider_held").refused_by("provider:held")
}

/// What is said of a provider that is left alone because it failed.
fn left_alone(candidate: &Candidate, isolated: Isolated, now: Nanos) -> Fault {
    let wait = isolated.until.map_or(SOON, |until| now.until(until));
    let message = format!(
        "The provider {} has failed too often and is left alone; it is tried again in {:.1} s.",
        candidate.provider.name,
        wait.as_secs_f64()
    );
    let fault = Fault::new(FaultKind::Overloaded, message).code("provider_isolated").refused_by("provider:breaker");
    fault.retry_after_ms(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1))
}

/// A try under way. If the call is dropped in the middle of it, the try is recorded as cancelled, which blames nobody.
struct Trying<'a> {
    candidate: &'a Arc<Candidate>,
    credential: &'a Arc<str>,
    record: &'a mut Record,
    started: Duration,
    ended: bool,
    /// A second call that is under way beside it. A lock because futures go from thread to thread; nobody waits for it.
    beside: Mutex<Option<Box<Beside>>>,
}

impl Trying<'_> {
    /// It is over. Says when.
    fn end(mut self, result: AttemptResult, status: u16) -> Nanos {
        self.write(result, status)
    }

    fn write(&mut self, result: AttemptResult, status: u16) -> Nanos {
        self.ended = true;
        let now = self.record.since_arrival();
        let attempt = AttemptRecord {
            provider: Arc::clone(&self.candidate.provider.name),
            credential: Arc::clone(self.credential),
            model: Arc::clone(&self.candidate.model),
            result,
            status,
            started: self.started,
            took: now.saturating_sub(self.started),
        };
        self.record.attempted(self.candidate, attempt);
        self.record.at(now)
    }
}

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.write(AttemptResult::Cancelled, 0);
        if let Some(beside) = self.beside.get_mut().take() {
            beside.end(AttemptResult::Cancelled, 0, self.record);
        }
    }
}
