//! Copies of calls for the new side, whose answers nobody sees.
//!
//! A copy is made after its call is over, from what went to the client, on a thread of its own with connections of its own.
//! So no client waits for one, and none is ever in a call's way: when the lane is full, or the copies of the day have cost
//! what they may, or the provider has no room within its limits, the copy is left out and counted. What becomes of a copy
//! blames no provider: it is neither a failure nor a success to breakers.
//!
//! Calls that have effects are never copied: those marked by `X-Sluicegate-Effects`, and those whose provider would run
//! tools by itself.

use super::Lane;
use super::compare::{is_read, read};
use super::overheard::LARGEST;
use crate::attempt::{self, Brought};
use crate::budget::Share as Memory;
use crate::call::{Caller, PathTarget, Plan, Request};
use crate::egress::Seeker;
use crate::prepare::prepare;
use crate::providers::UnderWay;
use crate::server::Worker;
use crate::snapshot::Candidate;
use bytes::Bytes;
use http::request::Parts;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sluicegate_flow::egress::Wanted;
use sluicegate_migration::mirror::{Answer, Tally, compare, is_mirrored};
use sluicegate_vocabulary::{AttemptResult, CallId, Dialect, EndReason, Endpoint, Money, Receipt, Usage};
use sluicegate_wire::peek::Head;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// Copies that wait to be made, at most.
pub(super) const WAITING: usize = 64;
/// How long a copy may take.
const LONGEST: Duration = Duration::from_secs(120);
const DAY: u64 = 86_400;
/// What marks a call as having effects.
const EFFECTS: &str = "x-sluicegate-effects";
/// What providers run by themselves.
const RUN_THERE: [&[u8]; 6] = [
    b"\"mcp_servers\"",
    b"\"mcp\"",
    b"\"computer_",
    b"\"code_execution",
    b"\"codeExecution\"",
    b"\"code_interpreter\"",
];
/// What makes a response go on with something that only the old side has.
const KEPT_THERE: [&[u8]; 2] = [b"\"previous_response_id\"", b"\"conversation\""];

/// What copies of a migration have shown, and what they may cost.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    at_once: AtomicU32,
    shown: Mutex<Shown>,
}

/// What is kept of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Shown {
    pub(super) tally: Tally,
    /// Copies that were not made, for want of room or money.
    pub(super) left_out: u64,
    /// Which day since the Unix epoch, and what its copies have cost.
    day: u64,
    spent_nanos: i64,
}

impl Shown {
    /// What the copies of the day have cost.
    pub(super) const fn spent(&self) -> Money {
        Money::from_nanos(self.spent_nanos)
    }
}

/// What became of a copy, or why none was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its answer was like the client's.
    Alike,
    /// It differed.
    Differs,
    /// Too many wait to be made.
    Queue,
    /// As many as may be are being made.
    Concurrency,
    /// What copies may cost in a day is spent.
    Budget,
    /// There is a budget, and nobody knows what this one would cost.
    Unpriced,
    /// The provider has no room within its limits, or is isolated.
    NoRoom,
    /// It took too long.
    Late,
}

impl Fate {
    /// The word in metrics.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Alike => "alike",
            Self::Differs => "differs",
            Self::Queue => "left_out_queue",
            Self::Concurrency => "left_out_concurrency",
            Self::Budget => "left_out_budget",
            Self::Unpriced => "left_out_unpriced",
            Self::NoRoom => "left_out_no_room",
            Self::Late => "left_out_late",
        }
    }

    const fn is_left_out(self) -> bool {
        !matches!(self, Self::Alike | Self::Differs)
    }
}

impl Copies {
    pub(super) fn shown(&self) -> Shown {
        self.shown.lock().clone()
    }

    pub(super) fn recall(&self, shown: Shown) {
        *self.shown.lock() = shown;
    }

    /// Whether the copies of today may cost more.
    fn may_spend(&self, most: Option<f64>) -> bool {
        let mut shown = self.shown.lock();
        let today = today();
        if shown.day != today {
            (shown.day, shown.spent_nanos) = (today, 0);
        }
        most.is_none_or(|most| (shown.spent_nanos as f64) < most * 1e9)
    }
}

impl Lane {
    /// Counts what became of a copy.
    fn copy_ended(&self, fate: Fate) {
        if fate.is_left_out() {
            self.copied.shown.lock().left_out += 1;
        }
        self.metrics.copied(&self.name, fate.as_str());
    }
}

fn today() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / DAY
}

/// A call of which a copy will be made, while it is being answered.
#[derive(Debug)]
pub(crate) struct Copied {
    lane: Arc<Lane>,
    rule: sluicegate_config::Mirror,
    target: Arc<Candidate>,
    /// The name by which it was routed.
    route: Arc<str>,
    endpoint: Endpoint,
    dialect: Dialect,
    parts: Box<Parts>,
    path: PathTarget,
    body: Bytes,
    head: Head,
    stream: bool,
    caller: Caller,
}

/// The same, when it is over.
#[derive(Debug)]
pub(crate) struct Job {
    copied: Copied,
    id: CallId,
    old: Answer,
}

impl Copied {
    /// A copy of this call, if it is one of those of which there is to be one.
    pub(super) fn of(
        lane: &Arc<Lane>,
        rule: sluicegate_config::Mirror,
        target: &Arc<Candidate>,
        route: &Arc<str>,
        (request, caller, id): (&Request, &Caller, &CallId),
    ) -> Option<Self> {
        let names = |words: &[&[u8]]| words.iter().any(|word| memchr::memmem::find(&request.body, word).is_some());
        let is_wanted = is_read(request.endpoint)
            && request.body.len() <= LARGEST
            && is_mirrored(lane.seed(), id.as_str().as_bytes(), rule.share, false);
        if !is_wanted || matches!(request.target, PathTarget::Provider { .. }) {
            return None;
        }
        let effects =
            request.parts.headers.get(EFFECTS).is_some_and(|value| !matches!(value.as_bytes(), b"none" | b"false"))
                || names(&RUN_THERE);
        if effects || (request.endpoint == Endpoint::Responses && names(&KEPT_THERE)) {
            return None;
        }
        Some(Self {
            lane: Arc::clone(lane),
            rule,
            target: Arc::clone(target),
            route: Arc::clone(route),
            endpoint: request.endpoint,
            dialect: request.dialect,
            parts: request.parts.clone(),
            path: request.target.clone(),
            body: request.body.clone(),
            head: request.head.clone(),
            stream: request.stream,
            caller: caller.clone(),
        })
    }
}

impl Job {
    /// A call that is over, if it is one to measure by.
    pub(super) fn of(copied: Copied, receipt: &Receipt, answer: &[u8]) -> Option<Self> {
        // What did not go well is no measure, and neither is what another side answered.
        if receipt.end != EndReason::Done || receipt.attempts.len() != 1 {
            return None;
        }
        let began = receipt.attempts.first().map_or(Duration::ZERO, |first| first.started);
        let old = Answer {
            json: asks_for_json(&copied.body),
            first_token: receipt.times.first_token.map(|at| at.saturating_sub(began)),
            total: Some(receipt.times.total.saturating_sub(began)),
            cost: receipt.cost,
            ..read(copied.endpoint, receipt.status, answer)
        };
        Some(Self { copied, id: receipt.id.clone(), old })
    }

    /// Lets it be made, if there is room for one more to wait.
    pub(super) fn hand_over(self) {
        let lane = Arc::clone(&self.copied.lane);
        if lane.copies.try_send(self).is_err() {
            lane.copy_ended(Fate::Queue);
        }
    }
}

fn asks_for_json(body: &[u8]) -> bool {
    let words: [&[u8]; 3] = [b"\"json_object\"", b"\"json_schema\"", b"\"application/json\""];
    words.iter().any(|word| memchr::memmem::find(body, word).is_some())
}

/// Makes copies until nobody can ask for one any more. Belongs on a thread of its own.
pub(crate) async fn run(worker: Arc<Worker>, mut jobs: mpsc::Receiver<Job>) {
    loop {
        let job = tokio::select! {
            job = jobs.recv() => job,
            () = worker.closing.cancelled() => return,
        };
        let Some(job) = job else { return };
        let lane = Arc::clone(&job.copied.lane);
        let rule = job.copied.rule;
        // What nobody can price cannot be kept within a budget.
        let unpriced = rule.usd_per_day.is_some() && job.copied.target.tariff.is_none();
        let left_out = [
            (Fate::Concurrency, lane.copied.at_once.load(Ordering::Relaxed) >= rule.max_concurrency),
            (Fate::Unpriced, unpriced),
            (Fate::Budget, !lane.copied.may_spend(rule.usd_per_day)),
        ];
        if let Some((fate, _)) = left_out.into_iter().find(|(_, is_so)| *is_so) {
            lane.copy_ended(fate);
            continue;
        }
        lane.copied.at_once.fetch_add(1, Ordering::Relaxed);
        let worker = Arc::clone(&worker);
        tokio::spawn(async move {
            let made = tokio::time::timeout(LONGEST, Box::pin(copy(&worker, &job))).await;
            lane.copied.at_once.fetch_sub(1, Ordering::Relaxed);
            lane.copy_ended(match made {
                Ok(Some(new)) => compared(&lane, &job, &new),
                Ok(None) => Fate::NoRoom,
                Err(_) => Fate::Late,
            });
        });
    }
}

fn compared(lane: &Lane, job: &Job, new: &Answer) -> Fate {
    let seen = compare(&job.old, new);
    let mut shown = lane.copied.shown.lock();
    let keep_text = job.copied.rule.keep_text;
    shown.tally.add(job.id.as_str(), (&job.old, new), &seen, keep_text, fastrand::f64());
    let cost = new.cost.map_or(0, Money::nanos);
    shown.spent_nanos = shown.spent_nanos.saturating_add(cost);
    if seen.differences.is_empty() { Fate::Alike } else { Fate::Differs }
}

/// The new side's answer to a call; `None` where it has no room for it now.
async fn copy(worker: &Arc<Worker>, job: &Job) -> Option<Answer> {
    let Copied { target, endpoint, dialect, parts, path, body, head, stream, caller, .. } = &job.copied;
    let snapshot = worker.shared.snapshot.load_full();
    let is_its = |mover: &Arc<super::Mover>| Arc::ptr_eq(&mover.lane, &job.copied.lane);
    let route =
        snapshot.names.resolve(&job.copied.route).ok().filter(|route| route.mover.as_ref().is_some_and(is_its))?;
    let request = Request {
        endpoint: *endpoint,
        dialect: *dialect,
        deadline: None,
        client_timeout: None,
        parts: parts.clone(),
        target: path.clone(),
        body: body.clone(),
        share: Memory::new(&worker.shared.bodies),
        head: head.clone(),
        stream: *stream,
    };
    let plan = Plan::new(Arc::clone(&route), vec![Arc::clone(target)], None);
    let room = &worker.shared.room;
    let now = room.now();
    let pass = target.standing.provider.breaker.admit(now).ok().filter(|pass| !pass.is_probe())?;
    if target.standing.provider.is_held() {
        return None;
    }
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let prepared = prepare(&request, &route, target, &snapshot, None, &job.id, now_s).ok()?;
    let wanted = Wanted { draw: fastrand::u64(..), ..Wanted::default() };
    let taken = Seeker { worker, request: &request, caller, plan: &plan, candidate: target, wanted }.take(now).ok()?;
    let credential = target.credentials.get(taken.lease.index());
    let under_way = UnderWay::new(target, pass, taken.lease, now, false);
    let began = Instant::now();
    let outcome = attempt::attempt(worker, &request, target, credential, prepared, &job.id, &under_way).await;
    let first = began.elapsed();
    under_way.ended(AttemptResult::Cancelled, room.now());
    let (status, answered) = match outcome {
        Ok(answered) => (answered.status.as_u16(), Some(answered.content)),
        Err(failure) => (failure.status, None),
    };
    let (answer, usage) = match answered {
        Some(Brought::Whole(body, usage)) => (body.to_vec(), usage),
        Some(Brought::Stream(mut streaming)) => {
            let mut answer = Vec::new();
            while let Some(Ok(piece)) = poll_fn(|cx| streaming.poll_next(cx, &mut None)).await {
                if answer.len() + piece.len() > LARGEST {
                    break;
                }
                answer.extend_from_slice(&piece);
            }
            (answer, streaming.used())
        }
        None => (Vec::new(), None),
    };
    if let Some(mut held) = taken.held {
        held.settle(room.now(), usage.as_ref().map_or(0, Usage::total));
    }
    let mut new = read(*endpoint, status, &answer);
    new.first_token = (status == 200).then_some(first);
    new.total = (status == 200).then(|| began.elapsed());
    new.cost = usage.as_ref().and_then(|usage| Some(target.tariff.as_ref()?.bill(usage).charge.total));
    Some(new)
}
