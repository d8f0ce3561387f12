//! Room at a provider, taken for each try and held until it has ended.
//!
//! What a provider allows (requests and tokens in a time, calls at once) is taken only when a call is about to be sent
//! there, so that no permit is held by a call that waits for something else. Which of the provider's keys it is taken
//! for is chosen by their health and by what is left of their quotas; that choice comes last, since what it takes from a
//! quota cannot be given back.
//!
//! A call that finds no room waits rather than meet the provider's refusal: at the limit that is short where all keys
//! meet that one, in the same order as for its own limits; or else at the [turnstile](crate::providers) of the keys,
//! for whichever has room first. Whoever is next there and finds that all keys meet one limit goes over to that limit,
//! so that the others follow it to where the order and the waits of all are known. Where the route has several targets,
//! one with room is asked before one without.

use crate::admit::{SHARE_FOR_PRIMARY, in_line, lower_tier, pace, patience};
use crate::call::{Caller, Plan, Request};
use crate::estimate;
use crate::providers::Call;
use crate::record::Record;
use crate::room::{Admitted, Held, Late, Room, Want, fault};
use crate::server::Worker;
use crate::snapshot::{Candidate, Limits, Snapshot, weights};
use sluicegate_flow::egress::{Charge, Lease, Unavailable, Wanted, Why};
use sluicegate_flow::{Ask, Debit, LimitSet, Nanos, Reason, Refusal, Scope};
use sluicegate_vocabulary::{Fault, FaultKind, Mode};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// A plan's candidates in the order in which they are asked: those that others wait for come after the rest of their
/// equals, and those that are to be spared come last of all.
#[derive(Clone)]
pub(crate) struct Order<'a> {
    equals: &'a [Arc<Candidate>],
    fallbacks: &'a [Arc<Candidate>],
    /// The equals that others wait for, one bit each.
    full: u64,
    /// The candidates that are spared, one bit each.
    spared: u64,
    next: usize,
}

/// Equals with room, then the others, then those that are spared.
const ROUNDS: usize = 3;

/// The order of a plan's candidates.
pub(crate) fn by_room<'a>(room: &Room, plan: &'a Plan) -> Order<'a> {
    if let [_] = plan.candidates.as_slice() {
        return Order { equals: &plan.candidates, fallbacks: &[], full: 0, spared: 0, next: 0 };
    }
    // Of the route's targets the plan has those that the caller may use.
    let is_target =
        |candidate: &Arc<Candidate>| plan.route.targets.iter().any(|target| Arc::ptr_eq(&target.candidate, candidate));
    let targets = plan.candidates.iter().take_while(|candidate| is_target(candidate)).count();
    let (equals, fallbacks) = plan.candidates.split_at(targets);
    let is_full = |candidate: &Candidate| {
        candidate.standing.model.turnstile.waiting() > 0 || Limits::is_contended(&room.table, candidate, room.now())
    };
    let full: u64 = equals
        .iter()
        .enumerate()
        .filter(|(_, candidate)| targets > 1 && is_full(candidate))
        .fold(0, |full, (index, _)| full | 1 << index.min(63));
    // A new side gets what it was given, or nobody could tell how good it is; what it fails the old one answers.
    let spared = if plan.mover.is_none() { spared(&plan.candidates, room.now()) } else { 0 };
    Order { equals, fallbacks, full, spared, next: 0 }
}

/// Those that have just come back, or fail too many calls, and do not get this one while another can answer. Drawn once
/// for a call: drawn at each try, one that is asked often would be spared in the end.
fn spared(candidates: &[Arc<Candidate>], now: Nanos) -> u64 {
    let is_spared = |candidate: &Candidate| {
        let share = candidate.standing.provider.breaker.share(now);
        share < 1.0 && fastrand::f64() > share
    };
    let bits = |spared, (index, candidate): (usize, &Arc<Candidate>)| {
        if is_spared(candidate) { spared | 1 << index.min(63) } else { spared }
    };
    let spared = candidates.iter().enumerate().fold(0_u64, bits);
    let is_left = |(index, candidate): (usize, &Arc<Candidate>)| {
        spared >> index.min(63) & 1 == 0 && candidate.standing.may_be_asked(now)
    };
    if spared != 0 && candidates.iter().enumerate().any(is_left) { spared } else { 0 }
}

impl Order<'_> {
    /// In which of the rounds a candidate has its turn.
    fn round(&self, index: usize) -> usize {
        let bit = index.min(63);
        if self.spared >> bit & 1 == 1 {
            2
        } else {
            usize::from(index >= self.equals.len() || self.full >> bit & 1 == 1)
        }
    }
}

impl<'a> Iterator for Order<'a> {
    type Item = &'a Arc<Candidate>;

    fn next(&mut self) -> Option<Self::Item> {
        let count = self.equals.len() + self.fallbacks.len();
        while self.next < ROUNDS * count {
            let (round, index) = (self.next / count, self.next % count);
            self.next += 1;
            if self.round(index) == round {
                return self.equals.get(index).or_else(|| self.fallbacks.get(index - self.equals.len()));
            }
        }
        None
    }
}

/// The longest wait for room that is borne although somebody else could answer.
const SOON: Duration = Duration::from_secs(5);

/// How soon a call looks for a key again that found no place to wait at the limits of any.
const AGAIN: Duration = Duration::from_millis(100);

/// A call that looks for room at a provider.
#[derive(Clone, Copy)]
pub(crate) struct Seeker<'a> {
    pub(crate) worker: &'a Worker,
    pub(crate) request: &'a Request,
    pub(crate) caller: &'a Caller,
    pub(crate) plan: &'a Plan,
    pub(crate) candidate: &'a Candidate,
    pub(crate) wanted: Wanted,
}

/// Room for one try.
#[derive(Debug)]
pub(crate) struct Taken {
    /// The key it is for.
    pub(crate) lease: Lease,
    /// What is held for it; `None` where nothing limits it.
    pub(crate) held: Option<Held>,
    /// The part of its tokens that is output, where a limit counts tokens.
    pub(crate) output: Option<u64>,
}

/// No room, at present.
#[derive(Debug)]
pub(crate) struct NoRoom {
    why: Unavailable,
    /// What is short, key by key, of limits of ours.
    short: Vec<Short>,
    /// A limit into which the call never fits.
    too_small: Option<Refusal>,
}

#[derive(Debug)]
struct Short {
    key: usize,
    set: LimitSet,
    ask: Ask,
    output: Option<u64>,
    /// `None` where others wait already.
    refusal: Option<Refusal>,
}

impl Short {
    /// Whether it is the key's own limit that is short, so that another key helps.
    fn is_keys_own(&self) -> bool {
        match &self.refusal {
            Some(refusal) => refusal.scope() == Scope::Credential,
            None => !self.set.limits().iter().any(|it| it.waiting() > 0 && it.label().scope != Scope::Credential),
        }
    }
}

impl Seeker<'_> {
    /// Takes room with the best key that has some, at once.
    ///
    /// # Errors
    /// What is in the way.
    #[inline]
    pub(crate) fn take(&self, now: Nanos) -> Result<Taken, NoRoom> {
        if self.candidate.standing.model.turnstile.waiting() > 0 {
            return Err(NoRoom::behind_others());
        }
        self.look(now)
    }

    fn look(&self, now: Nanos) -> Result<Taken, NoRoom> {
        let mut short = Vec::new();
        let mut too_small = None;
        let room = &self.worker.shared.room;
        let reserve = |key: usize| {
            let Some(set) = Limits::egress(&room.table, self.candidate, key, now) else { return Some((None, None)) };
            let (cost, output) = estimate::cost(self.worker, self.request, self.caller, self.plan, &set);
            let ask = Ask { cost, class: self.caller.priority, pace: pace(self.caller.mode) };
            match room.try_take(now, &set, ask) {
                Ok(held) => return Some((Some(held), output)),
                // Another key may be allowed more.
                Err(Some(refusal)) if refusal.reason == Reason::NeverFits => _ = too_small.get_or_insert(refusal),
                Err(refusal) => short.push(Short { key, set, ask, output, refusal }),
            }
            None
        };
        match self.candidate.standing.pool.choose_with(now, self.wanted, || self.charge(), reserve) {
            Ok((lease, (held, output))) => Ok(Taken { lease, held, output }),
            Err(why) => Err(NoRoom { why, short, too_small }),
        }
    }

    /// What the call takes from the provider's own counts.
    fn charge(&self) -> Charge {
        let (input, output) = estimate::tokens(self.worker, self.request, self.caller, self.plan);
        // Some providers count what is allowed, not what comes.
        let output = self.request.head.max_output.unwrap_or(output);
        Charge { requests: 1, tokens: input.saturating_add(output), input_tokens: input, output_tokens: output }
    }

    /// Waits for room, if the caller waits at all; where `others` could answer, not for long.
    ///
    /// # Errors
    /// What has no room in time, in words for the client.
    pub(crate) async fn wait(
        &self,
        no_room: NoRoom,
        snapshot: &Snapshot,
        others: bool,
        record: &mut Record,
    ) -> Result<Taken, Fault> {
        if let Some(fault) = self.hopeless(&no_room) {
            return Err(fault);
        }
        let patience = patience(self.request, self.caller, snapshot, record.arrived());
        let has_lower = lower_tier(&self.plan.route, self.caller, snapshot).is_some();
        let patience = if has_lower { patience.mul_f64(SHARE_FOR_PRIMARY) } else { patience };
        let began = Instant::now();
        let until = record.arrived() + patience;
        let until = if others { until.min(began + SOON) } else { until };
        let waiting = Waiting { arrived: record.arrived(), until };
        let taken = tokio::select! {
            biased;
            taken = self.until_taken(no_room, waiting, snapshot) => taken,
            () = self.worker.stop.cancelled() => Err(*crate::attempt::stopping().fault),
        };
        let waited = began.elapsed();
        // Who was told at once has not waited.
        if waited >= Duration::from_millis(1) {
            record.queued(waited);
        }
        taken
    }

    /// Waits where the wait is: at a limit that all keys meet, or at the keys.
    async fn until_taken(&self, no_room: NoRoom, waiting: Waiting, snapshot: &Snapshot) -> Result<Taken, Fault> {
        let NoRoom { why, mut short, .. } = no_room;
        let mut limit = self.one_limit(&why, &mut short);
        loop {
            if let Some(short) = limit.take() {
                let admitted = self.at_limit(&short, waiting).await.map_err(|late| late.at_provider())?;
                if let Some(taken) = self.lease(&short, admitted) {
                    return Ok(taken);
                }
            }
            match self.at_turnstile(waiting, snapshot).await {
                Ok(Found::Room(taken)) => return Ok(taken),
                Ok(Found::OneLimit(short)) => limit = Some(short),
                Err(fault) => {
                    // The others could not be helped by any wait.
                    if matches!(fault.kind, FaultKind::Timeout | FaultKind::Overloaded) {
                        self.worker.shared.room.aside.shed(self.caller.priority);
                    }
                    return Err(fault);
                }
            }
        }
    }

    /// The limit that is short, if all keys meet it.
    fn one_limit(&self, why: &Unavailable, short: &mut Vec<Short>) -> Option<Short> {
        let keys = self.candidate.standing.pool.members().len();
        let at_one = why.why == Why::Reserved && (keys == 1 || !short.iter().any(Short::is_keys_own));
        (at_one && !short.is_empty()).then(|| short.swap_remove(0))
    }

    /// The key at whose limits the call was let go, if its quota has room.
    fn lease(&self, short: &Short, admitted: Admitted) -> Option<Taken> {
        let Admitted { held, sent, .. } = admitted;
        let pool = &self.candidate.standing.pool;
        let now = self.worker.shared.room.now();
        let lease = match sent {
            Some(sent) => pool.lease_with(short.key, sent),
            None => pool.lease_at(short.key, now, || self.charge()).ok(),
        };
        lease.map(|lease| Taken { lease, held: Some(held), output: short.output })
    }

    /// What no waiting helps against, or waiting that is not wanted.
    fn hopeless(&self, no_room: &NoRoom) -> Option<Fault> {
        let NoRoom { why, short, too_small } = no_room;
        let name = &self.candidate.provider.name;
        match why.why {
            Why::Refused => {
                let message = format!(
                    "The provider {name} refuses the relay's keys or their bill; only its operator can mend that."
                );
                return Some(Fault::new(FaultKind::UpstreamAuth, message));
            }
            Why::Nobody => {
                let message = format!("No key of the provider {name} can be used for this call at present.");
                return Some(Fault::new(FaultKind::Overloaded, message).refused_by("provider:keys"));
            }
            Why::Reserved if short.is_empty() => return too_small.as_ref().map(fault),
            Why::Reserved | Why::Quota => {}
        }
        if self.caller.mode != Mode::Strict {
            return None;
        }
        let Some(Short { set, ask, refusal, .. }) = short.first() else {
            return Some(self.spent(why.wait, FaultKind::Overloaded));
        };
        let refusal = refusal.clone().or_else(|| in_line(set, self.worker.shared.room.now(), *ask));
        Some(match refusal {
            Some(refusal) if refusal.never_fits() => fault(&refusal),
            refusal => full(self.candidate, refusal.as_ref()),
        })
    }

    /// What is said where the provider's own quota has nothing left for the call.
    fn spent(&self, wait: Option<Duration>, kind: FaultKind) -> Fault {
        let name = &self.candidate.provider.name;
        let message = format!("What the provider {name} allows the relay is used up at present.");
        let fault = Fault::new(kind, message).refused_by("provider:quota");
        let fault = if kind == FaultKind::Timeout { fault.code("deadline_exceeded") } else { fault };
        let ms = wait.map_or(1000, |wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1));
        fault.retry_after_ms(ms.saturating_add((ms as f64 * 0.1 * fastrand::f64()) as u64))
    }

    /// Waits in the queues of one key's limits.
    async fn at_limit(&self, short: &Short, waiting: Waiting) -> Result<Admitted, Late> {
        let Short { set, ask, key, .. } = short;
        let quota = self.candidate.standing.pool.members().get(*key).map(|member| Arc::clone(&member.quota));
        let cost = estimate::to_wait(self.worker, self.request, self.caller, self.plan, ask.cost);
        let want = Want {
            set,
            ask: Ask { cost, ..*ask },
            debit: quota.map(|quota| Debit { quota, charge: self.charge() }),
            flow: self.caller.live.number,
            bytes: self.request.body.len() as u64,
            arrived: waiting.arrived,
            until: waiting.until,
        };
        self.worker.shared.room.wait(&want).await
    }

    /// Waits for whichever key has room first, or until all meet one limit.
    async fn at_turnstile(&self, waiting: Waiting, snapshot: &Snapshot) -> Result<Found, Fault> {
        let room = &self.worker.shared.room;
        let turnstile = &self.candidate.standing.model.turnstile;
        let left = |now: Instant| waiting.until.saturating_duration_since(now);
        let call = Call { class: self.caller.priority, flow: self.caller.live.number, cost: self.charge().tokens };
        let full = || self.spent(None, FaultKind::Overloaded).code("queue_full");
        let bytes = self.request.body.len() as u64;
        let since = room.now();
        let mut counted = Some(room.step_aside(since, call.class, call.flow, bytes).ok_or_else(full)?);
        let place = turnstile.enter(since, weights(&snapshot.priorities), call);
        if let Some(expected) = place.expected(since).filter(|expected| *expected > left(Instant::now())) {
            return Err(self.spent(Some(expected), FaultKind::Timeout));
        }
        let mut wait = None;
        loop {
            counted.get_or_insert_with(|| room.step_back(since, call.class, call.flow, bytes));
            let mut short = Vec::new();
            if place.is_next() {
                match self.look(room.now()) {
                    Ok(taken) => {
                        place.goes(room.now());
                        return Ok(Found::Room(taken));
                    }
                    Err(no_room) => {
                        if matches!(no_room.why.why, Why::Refused | Why::Nobody)
                            || (no_room.short.is_empty() && no_room.too_small.is_some())
                        {
                            return Err(self.hopeless(&no_room).unwrap_or_else(lost));
                        }
                        wait = no_room.why.wait;
                        short = no_room.short;
                        if let Some(limit) = self.one_limit(&no_room.why, &mut short) {
                            return Ok(Found::OneLimit(limit));
                        }
                        let in_vain = wait.is_none_or(|wait| wait > left(Instant::now()));
                        if short.is_empty() && in_vain {
                            return Err(self.spent(wait, FaultKind::Timeout));
                        }
                    }
                }
            }
            let quota = wait.unwrap_or(Duration::MAX).min(left(Instant::now()));
            let mut waits: Vec<Option<AtKey<'_>>> = Vec::with_capacity(short.len());
            if !short.is_empty() {
                // While it waits there it is counted there, and must find the place that it had here.
                counted = None;
            }
            for short in &short {
                waits.push(Some(Box::pin(self.at_limit(short, waiting))));
            }
            tokio::select! {
                biased;
                () = place.called() => {}
                taken = first(waits) => {
                    let Some((admitted, index)) = taken else {
                        if left(Instant::now()).is_zero() {
                            return Err(self.spent(wait, FaultKind::Timeout));
                        }
                        // Others were quicker to take the place.
                        tokio::time::sleep(quota.min(AGAIN)).await;
                        continue;
                    };
                    let Some(short) = short.get(index) else { continue };
                    if let Some(taken) = self.lease(short, admitted) {
                        place.goes(room.now());
                        return Ok(Found::Room(taken));
                    }
                }
                () = tokio::time::sleep(quota) => {
                    if left(Instant::now()).is_zero() {
                        return Err(self.spent(wait, FaultKind::Timeout));
                    }
                }
            }
        }
    }
}

impl NoRoom {
    /// Others wait for a key of this pool.
    fn behind_others() -> Self {
        let why = Unavailable { wait: None, why: Why::Quota };
        Self { why, short: Vec::new(), too_small: None }
    }
}

/// What a wait at the keys comes to.
enum Found {
    Room(Taken),
    /// All keys meet this limit, which is where the call has to wait.
    OneLimit(Short),
}

/// From when until when a call waits.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    arrived: Instant,
    until: Instant,
}

/// A wait for room at one key's limits.
type AtKey<'a> = Pin<Box<dyn Future<Output = Result<Admitted, Late>> + Send + 'a>>;

/// The first of several waits that ends with room, and which one it was; `None` once all have ended without. Where there
/// is nothing to wait for it does not end.
async fn first(mut waits: Vec<Option<AtKey<'_>>>) -> Option<(Admitted, usize)> {
    if waits.is_empty() {
        return std::future::pending().await;
    }
    std::future::poll_fn(|cx| {
        for (index, slot) in waits.iter_mut().enumerate() {
            let Some(wait) = slot else { continue };
            match wait.as_mut().poll(cx) {
                Poll::Ready(Ok(admitted)) => return Poll::Ready(Some((admitted, index))),
                Poll::Ready(Err(_)) => *slot = None,
                Poll::Pending => {}
            }
        }
        if waits.iter().all(Option::is_none) { Poll::Ready(None) } else { Poll::Pending }
    })
    .await
}

fn lost() -> Fault {
    Fault::new(FaultKind::Internal, "The relay lost a waiting call; this is a defect of the relay.")
}

/// What a strict caller is told where a provider has no room.
fn full(candidate: &Candidate, refusal: Option<&Refusal>) -> Fault {
    let what = refusal.map_or_else(|| "Others wait for it.".to_owned(), ToString::to_string);
    let message = format!("The provider {} has no room at present. {what}", candidate.provider.name);
    let fault = Fault::new(FaultKind::Overloaded, message);
    let fault = fault.refused_by(refusal.map_or_else(|| "provider".to_owned(), Refusal::refused_by));
    fault.retry_after_ms(refusal.and_then(Refusal::retry_after_ms).unwrap_or(1000))
}
