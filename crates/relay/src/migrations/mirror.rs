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
use crate::attempt::{self, Answered};
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
/// The largest request, and the largest answer, that is copied, in bytes.
const LARGEST: usize = 256 << 10;
/// How long a copy may take.
const LONGEST: Duration = Duration::from_secs(120);
const DAY: u64 = 86_400;
/// What marks a call as having effects.
const EFFECTS: &str = "x-sluicegate-effects";
/// What providers run by themselves.
const RUN_THERE: [&[u8]; 4] = [b"\"mcp_servers\"", b"\"mcp\"", b"\"computer_", b"\"code_execution"];

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

impl Copies {
    pub(super) fn shown(&self) -> Shown {
        self.shown.lock().clone()
    }

    pub(super) fn recall(&self, shown: Shown) {
        *self.shown.lock() = shown;
    }

    fn left_out(&self) {
        self.shown.lock().left_out += 1;
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

fn today() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / DAY
}

/// A call of which a copy will be made, while it is being answered.
#[derive(Debug)]
pub(crate) struct Copied {
    lane: Arc<Lane>,
    rule: sluicegate_config::Mirror,
    target: Arc<Candidate>,
    endpoint: Endpoint,
    dialect: Dialect,
    parts: Box<Parts>,
    body: Bytes,
    head: Head,
    stream: bool,
    caller: Caller,
    /// What went to the client.
    answer: Vec<u8>,
    whole: bool,
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
        request: &Request,
        caller: &Caller,
        id: &CallId,
    ) -> Option<Self> {
        let is_small = request.body.len() <= LARGEST;
        let effects =
            request.parts.headers.get(EFFECTS).is_some_and(|value| !matches!(value.as_bytes(), b"none" | b"false"))
                || RUN_THERE.iter().any(|word| memchr::memmem::find(&request.body, word).is_some());
        let wanted = is_read(request.endpoint)
            && matches!(request.target, PathTarget::None)
            && is_mirrored(lane.seed(), id.as_str().as_bytes(), rule.share, effects);
        (wanted && is_small).then(|| Self {
            lane: Arc::clone(lane),
            rule,
            target: Arc::clone(target),
            endpoint: request.endpoint,
            dialect: request.dialect,
            parts: request.parts.clone(),
            body: request.body.clone(),
            head: request.head.clone(),
            stream: request.stream,
            caller: caller.clone(),
            answer: Vec::new(),
            whole: true,
        })
    }

    /// A piece of the answer is on its way to the client.
    pub(crate) fn sent(&mut self, piece: &[u8]) {
        self.whole &= self.answer.len() + piece.len() <= LARGEST;
        if self.whole {
            self.answer.extend_from_slice(piece);
        }
    }

    /// The call is over.
    pub(crate) fn over(self: Box<Self>, receipt: &Receipt) {
        // What did not go well is no measure, and neither is what another side answered.
        if receipt.end != EndReason::Done || !self.whole || receipt.attempts.len() != 1 {
            return;
        }
        let began = receipt.attempts.first().map_or(Duration::ZERO, |first| first.started);
        let mut old = read(self.endpoint, receipt.status, &self.answer);
        old.json = asks_for_json(&self.body);
        old.first_token = receipt.times.first_token.map(|at| at.saturating_sub(began));
        old.total = Some(receipt.times.total.saturating_sub(began));
        old.cost = receipt.cost;
        let lane = Arc::clone(&self.lane);
        let job = Job { copied: *self, id: receipt.id.clone(), old };
        if lane.copies.try_send(job).is_err() {
            lane.copied.left_out();
        }
    }
}

fn asks_for_json(body: &[u8]) -> bool {
    memchr::memmem::find(body, b"\"json_object\"").is_some() || memchr::memmem::find(body, b"\"json_schema\"").is_some()
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
        let priced = rule.usd_per_day.is_none() || job.copied.target.tariff.is_some();
        let is_room = lane.copied.at_once.load(Ordering::Relaxed) < rule.max_concurrency;
        if !is_room || !priced || !lane.copied.may_spend(rule.usd_per_day) {
            lane.copied.left_out();
            continue;
        }
        lane.copied.at_once.fetch_add(1, Ordering::Relaxed);
        let worker = Arc::clone(&worker);
        tokio::spawn(async move {
            let made = tokio::time::timeout(LONGEST, Box::pin(copy(&worker, &job))).await;
            lane.copied.at_once.fetch_sub(1, Ordering::Relaxed);
            match made {
                Ok(Some(new)) => compared(&lane, &job, &new),
                Ok(None) | Err(_) => lane.copied.left_out(),
            }
        });
    }
}

fn compared(lane: &Lane, job: &Job, new: &Answer) {
    let seen = compare(&job.old, new);
    let mut shown = lane.copied.shown.lock();
    let keep_text = job.copied.rule.keep_text;
    shown.tally.add(job.id.as_str(), (&job.old, new), &seen, keep_text, fastrand::f64());
    let cost = new.cost.map_or(0, Money::nanos);
    shown.spent_nanos = shown.spent_nanos.saturating_add(cost);
}

/// The new side's answer to a call; `None` where it has no room for it now.
async fn copy(worker: &Arc<Worker>, job: &Job) -> Option<Answer> {
    let Copied { target, endpoint, dialect, parts, body, head, stream, caller, .. } = &job.copied;
    let snapshot = worker.shared.snapshot.load_full();
    let route = snapshot
        .names
        .aliases
        .values()
        .find(|route| route.mover.as_ref().is_some_and(|mover| Arc::ptr_eq(&mover.lane, &job.copied.lane)))?;
    let request = Request {
        endpoint: *endpoint,
        dialect: *dialect,
        deadline: None,
        client_timeout: None,
        parts: parts.clone(),
        target: PathTarget::None,
        body: body.clone(),
        share: Memory::new(&worker.shared.bodies),
        head: head.clone(),
        stream: *stream,
    };
    let plan = Plan { route: Arc::clone(route), candidates: vec![Arc::clone(target)], mover: None };
    let room = &worker.shared.room;
    let now = room.now();
    let pass = target.standing.provider.breaker.admit(now).ok().filter(|pass| !pass.is_probe())?;
    if target.standing.provider.is_held() {
        return None;
    }
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let prepared = prepare(&request, route, target, &snapshot, None, &job.id, now_s).ok()?;
    let wanted = Wanted { draw: fastrand::u64(..), ..Wanted::default() };
    let taken = Seeker { worker, request: &request, caller, plan: &plan, candidate: target, wanted }.take(now).ok()?;
    let credential = target.provider.credentials().get(taken.lease.index());
    let under_way = UnderWay::new(target, pass, taken.lease, now, false);
    let began = Instant::now();
    let outcome = attempt::attempt(worker, &request, target, credential, prepared, &job.id, &under_way).await;
    let first = began.elapsed();
    under_way.ended(AttemptResult::Cancelled, room.now());
    let (status, answer, usage, first) = match outcome {
        Ok(Answered::Whole { status, body, usage, .. }) => (status.as_u16(), body.to_vec(), usage, first),
        Ok(Answered::Stream { status, mut streaming, .. }) => {
            let mut answer = Vec::new();
            while let Some(Ok(piece)) = poll_fn(|cx| streaming.poll_next(cx, &mut None)).await {
                if answer.len() + piece.len() > LARGEST {
                    break;
                }
                answer.extend_from_slice(&piece);
            }
            (status.as_u16(), answer, streaming.used(), first)
        }
        Err(failure) => (failure.status, Vec::new(), None, first),
    };
    if let Some(held) = taken.held {
        held.settle(room.now(), usage.as_ref().map_or(0, Usage::total));
    }
    let mut new = read(*endpoint, status, &answer);
    new.first_token = (status == 200).then_some(first);
    new.total = (status == 200).then(|| began.elapsed());
    new.cost = usage.as_ref().and_then(|usage| Some(target.tariff.as_ref()?.bill(usage).charge.total));
    Some(new)
}
