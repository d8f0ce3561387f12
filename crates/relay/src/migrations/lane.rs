//! A migration as calls meet it.
//!
//! A call asks one thing: on which side am I? The answer is worked out from a few atomics of the [`Lane`], which outlives
//! configurations, and from the [`Mover`], which is a part of one. What a call has to say about its side is read from its
//! receipt and put into the lane's buffer; everything else happens on a thread that no call waits for.

use super::mirror::{Copied, Copies, Job};
use super::overheard::{Overheard, ToolCalls, offers};
use crate::call::{Caller, PathTarget, Request};
use crate::metrics::MigrationMetrics;
use crate::record::Record;
use crate::snapshot::{Candidate, Route, Target};
use parking_lot::Mutex;
use sluicegate_migration::{Observation, Seed, Share, StickyBy};
use sluicegate_vocabulary::{Arm, AttemptRecord, AttemptResult, EndReason, Endpoint, Moved, Receipt, UsageSource};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use tokio::sync::mpsc;

/// What calls have said and nobody has read yet, at most. The evidence is read fifty times a second.
const MOST_UNREAD: usize = 65_536;
/// The most bytes of requests and answers among it. Beyond them nothing is said of tool calls.
const MOST_WORDS: usize = 16 << 20;

/// What a migration is at the moment, and what calls say about it.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) name: Arc<str>,
    seed: AtomicU64,
    /// In millionths.
    share: AtomicU32,
    /// Whether it wants to know how calls went.
    watched: AtomicBool,
    /// Whether a guard wants to know how tools are called.
    wants_tools: AtomicBool,
    unread: Mutex<Unread>,
    /// Whether calls of the old side are copied.
    mirroring: AtomicBool,
    pub(super) copies: mpsc::Sender<Job>,
    pub(super) copied: Copies,
    pub(super) metrics: MigrationMetrics,
}

/// What calls have said since the last time.
#[derive(Debug, Default)]
struct Unread {
    said: Vec<(Arm, Observation, Option<ToolCalls>)>,
    /// Bytes of the tool calls among it.
    words: usize,
}

impl Lane {
    pub(super) fn new(name: &str, copies: mpsc::Sender<Job>, metrics: MigrationMetrics) -> Self {
        Self {
            name: name.into(),
            seed: AtomicU64::new(0),
            share: AtomicU32::new(0),
            watched: AtomicBool::new(false),
            wants_tools: AtomicBool::new(false),
            unread: Mutex::default(),
            mirroring: AtomicBool::new(false),
            copies,
            copied: Copies::default(),
            metrics,
        }
    }

    /// From now on calls are divided so.
    pub(super) fn publish(&self, seed: Seed, share: Share, watched: bool, tools: bool, mirroring: bool) {
        self.wants_tools.store(watched && tools, Ordering::Relaxed);
        self.mirroring.store(mirroring, Ordering::Relaxed);
        self.seed.store(seed.0, Ordering::Relaxed);
        self.watched.store(watched, Ordering::Relaxed);
        self.share.store(share.millionths(), Ordering::Release);
    }

    fn share(&self) -> Share {
        Share::try_from(self.share.load(Ordering::Acquire)).unwrap_or(Share::NONE)
    }

    pub(crate) fn seed(&self) -> Seed {
        Seed(self.seed.load(Ordering::Relaxed))
    }

    pub(super) fn wants_tools(&self) -> bool {
        self.wants_tools.load(Ordering::Relaxed)
    }

    fn say(&self, arm: Arm, seen: Observation, tools: Option<ToolCalls>) {
        let mut unread = self.unread.lock();
        if unread.said.len() >= MOST_UNREAD {
            return;
        }
        let tools = tools.filter(|tools| unread.words + tools.size() <= MOST_WORDS);
        unread.words += tools.as_ref().map_or(0, ToolCalls::size);
        unread.said.push((arm, seen, tools));
    }

    /// What calls have said since the last time.
    pub(super) fn take(&self) -> Vec<(Arm, Observation)> {
        let said = std::mem::take(&mut *self.unread.lock()).said;
        let judged = |(arm, seen, tools): (Arm, Observation, Option<ToolCalls>)| {
            (arm, Observation { tool_calls_valid: tools.and_then(|tools| tools.are_valid()), ..seen })
        };
        said.into_iter().map(judged).collect()
    }
}

/// A migration as one configuration has it.
#[derive(Debug)]
pub(crate) struct Mover {
    pub(crate) lane: Arc<Lane>,
    pub(crate) sticky_by: StickyBy,
    /// The old side: by these a receipt tells who answered.
    pub(crate) from: Vec<Arc<Candidate>>,
    /// The new side.
    pub(crate) to: Vec<Target>,
    /// Of which calls the new side gets a copy.
    pub(crate) mirror: Option<sluicegate_config::Mirror>,
}

impl Mover {
    /// Whether a candidate is the new side's.
    pub(crate) fn is_new(&self, candidate: &Arc<Candidate>) -> bool {
        self.to.iter().any(|target| Arc::ptr_eq(&target.candidate, candidate))
    }

    /// Whether a try was made at this side.
    fn made_at(&self, arm: Arm, attempt: &AttemptRecord) -> bool {
        // Both sides may be the same model of one provider, with other keys.
        let is_it = |candidate: &Candidate| {
            let keys = &candidate.credentials;
            *candidate.provider.name == *attempt.provider
                && *candidate.model == *attempt.model
                && (keys.is_empty() || keys.iter().any(|key| *key.name == *attempt.credential))
        };
        match arm {
            Arm::Old => self.from.iter().any(|candidate| is_it(candidate)),
            Arm::New => self.to.iter().any(|target| is_it(&target.candidate)),
        }
    }

    /// Reads a receipt for what it says about its side, and what else was heard of the call.
    pub(crate) fn read(&self, receipt: &Receipt, tools: Option<ToolCalls>) {
        if !self.lane.watched.load(Ordering::Relaxed) {
            return;
        }
        if let Some(moved) = &receipt.moved
            && let Some(seen) = self.observation(moved.arm, receipt)
        {
            self.lane.say(moved.arm, seen, tools.filter(|_| !seen.failed));
        }
    }

    /// What a call says about the side that it was given: how that side's first try went. What was mended afterwards, by
    /// another try or by the other side, counts for neither, so that both are measured by the same measure. A call that
    /// its side could not even be asked for (no room, isolated) and another answered is a failure of that side; one that the client broke off
    /// or that was his own mistake says nothing.
    fn observation(&self, arm: Arm, receipt: &Receipt) -> Option<Observation> {
        if receipt.degraded_from.is_some() {
            return None;
        }
        let first = receipt.attempts.first()?;
        if !self.made_at(arm, first) {
            return (receipt.end == EndReason::Done).then(Observation::failure);
        }
        match first.result {
            AttemptResult::Ok => success(receipt, first),
            AttemptResult::Cancelled => None,
            AttemptResult::ClientError => {
                // Only who accepts what the other refuses shows whose mistake it was.
                let mended = receipt.attempts.len() > 1 && receipt.end == EndReason::Done;
                (arm == Arm::New && mended && receipt.fault.is_none()).then(Observation::failure)
            }
            _ => {
                let broke_off = receipt.end == EndReason::Truncated && receipt.attempts.len() == 1;
                Some(Observation { truncated: broke_off.then_some(true), ..Observation::failure() })
            }
        }
    }
}

fn success(receipt: &Receipt, first: &AttemptRecord) -> Option<Observation> {
    if receipt.end != EndReason::Done {
        return None;
    }
    let writes = receipt.endpoint.is_some_and(|endpoint| endpoint.format().is_some());
    let told = writes && receipt.usage.source != UsageSource::None;
    let since = |moment: std::time::Duration| moment.saturating_sub(first.started);
    Some(Observation {
        failed: false,
        empty: told.then_some(receipt.usage.output == 0),
        truncated: writes.then_some(false),
        tool_calls_valid: None,
        first_token: receipt.times.first_token.map(since),
        total: Some(since(receipt.times.total)),
        cost: receipt.cost,
    })
}

/// Gives a call its side, where its model is being moved: on the new side, the one of its targets that the call's owner
/// keeps is asked first, and the old ones after it. `may_have` says of a candidate whether the caller may have it.
/// Returns the mover of a call on the new side.
#[inline]
pub(crate) fn assign(
    route: &Route,
    candidates: &mut Vec<Arc<Candidate>>,
    may_have: impl Fn(&Candidate) -> bool,
    request: &Request,
    caller: &Caller,
    record: &mut Record,
) -> Option<Arc<Mover>> {
    let mover = route.mover.as_ref()?;
    place((route, mover), candidates, &may_have, request, caller, record)
}

#[cold]
fn place(
    (route, mover): (&Route, &Arc<Mover>),
    candidates: &mut Vec<Arc<Candidate>>,
    may_have: &dyn Fn(&Candidate) -> bool,
    request: &Request,
    caller: &Caller,
    record: &mut Record,
) -> Option<Arc<Mover>> {
    let share = mover.lane.share();
    let mirror = mover.mirror.filter(|_| mover.lane.mirroring.load(Ordering::Relaxed));
    if (share == Share::NONE && mirror.is_none()) || matches!(request.target, PathTarget::Provider { .. }) {
        return None;
    }
    // Whoever may not have the new side, or insists on somebody, is no part of it.
    let to = || mover.to.iter().filter(|target| target.weight > 0);
    if candidates.is_empty() || !to().all(|target| may_have(&target.candidate)) {
        return None;
    }
    let unit = unit(&mover.sticky_by, request, caller, record).into_owned();
    let seed = mover.lane.seed();
    let arm = seed.arm(unit.as_bytes(), share);
    let copied = mirror.filter(|_| arm == Arm::Old).and_then(|rule| {
        Copied::of(&mover.lane, rule, &to().next()?.candidate, &route.name, (request, caller, record.id()))
    });
    let offers = offers(&mover.lane, request.endpoint, &request.body);
    if let Some(overheard) = Overheard::new(copied, offers) {
        record.overheard(overheard);
    }
    if share == Share::NONE {
        return None;
    }
    let weights: Vec<u32> = to().map(|target| target.weight).collect();
    let target = seed.target(unit.as_bytes(), &weights).filter(|_| arm == Arm::New);
    record.moved(Moved { migration: Arc::clone(&mover.lane.name), arm }, mover);
    candidates.insert(0, Arc::clone(&to().nth(target?)?.candidate));
    Some(Arc::clone(mover))
}

/// What keeps its side. A call without it (no key, no such header) goes by itself.
fn unit<'a>(sticky: &StickyBy, request: &'a Request, caller: &'a Caller, record: &'a Record) -> Cow<'a, str> {
    let own = match sticky {
        StickyBy::Call => None,
        StickyBy::Key => caller.key.as_ref().map(|key| Cow::Borrowed(&*key.name)),
        StickyBy::User => user(request),
        StickyBy::Header(name) => {
            request.parts.headers.get(name).and_then(|value| value.to_str().ok()).map(Cow::Borrowed)
        }
    };
    own.filter(|own| !own.is_empty()).unwrap_or_else(|| Cow::Owned(record.id().as_str().to_owned()))
}

/// The end user, as the body names him: `user`, `safety_identifier` or Anthropic's `metadata.user_id`.
fn user(request: &Request) -> Option<Cow<'_, str>> {
    #[derive(serde::Deserialize)]
    struct Body<'a> {
        #[serde(borrow, default)]
        user: Option<Cow<'a, str>>,
        #[serde(borrow, default)]
        safety_identifier: Option<Cow<'a, str>>,
        #[serde(borrow, default)]
        metadata: Option<Metadata<'a>>,
    }
    #[derive(serde::Deserialize)]
    struct Metadata<'a> {
        #[serde(borrow, default)]
        user_id: Option<Cow<'a, str>>,
    }
    if request.endpoint == Endpoint::Passthrough {
        return None;
    }
    let body: Body<'_> = serde_json::from_slice(&request.body).ok()?;
    body.safety_identifier.or(body.user).or_else(|| body.metadata?.user_id)
}
