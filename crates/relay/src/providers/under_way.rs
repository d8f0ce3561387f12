//! One call at a provider, from its sending to its end, and what is learned from it.
//!
//! What a call says of its provider it says at most twice: when the first event of its answer has come, which is what a
//! trial call is judged by and what speed is learned from; and when it is over. A stream that breaks off is the
//! provider's failure however well it began. A client that goes away says nothing: dropped without a word, a call gives
//! back what it held and teaches nothing.

use super::standing::Standing;
use crate::snapshot::{Candidate, Limits};
use sluicegate_flow::Nanos;
use sluicegate_flow::egress::{Lease, Levels, Pass, Throttle};
use sluicegate_vocabulary::AttemptResult;
use std::sync::Arc;
use std::time::Duration;

/// A call that a provider has.
#[derive(Debug)]
pub(crate) struct UnderWay {
    candidate: Arc<Candidate>,
    pass: Pass,
    lease: Lease,
    sent: Nanos,
    /// Nothing was tried before it.
    first: bool,
}

/// What a provider said beside its no.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Told {
    pub(crate) throttle: Option<Throttle>,
    pub(crate) levels: Levels,
    pub(crate) retry_after: Option<Duration>,
    /// `x-should-retry`.
    pub(crate) should_retry: Option<bool>,
    /// The key is known, or may be, and is not allowed this.
    pub(crate) forbidden: bool,
}

impl UnderWay {
    pub(crate) fn new(candidate: &Arc<Candidate>, pass: Pass, lease: Lease, sent: Nanos, first: bool) -> Self {
        Self { candidate: Arc::clone(candidate), pass, lease, sent, first }
    }

    fn standing(&self) -> &Standing {
        &self.candidate.standing
    }

    /// Whether it decides if its provider is back.
    pub(crate) const fn is_trial(&self) -> bool {
        self.pass.is_probe()
    }

    /// Which of the pool's keys it uses.
    pub(crate) const fn key(&self) -> usize {
        self.lease.index()
    }

    /// The headers of an answer that is no refusal tell what is left.
    pub(crate) fn observe(&self, now: Nanos, levels: &Levels) {
        self.lease.observe(now, levels);
    }

    /// The first event of a stream is here; the rest is still to come. `input` is the estimated number of tokens sent.
    pub(crate) fn heard(&mut self, now: Nanos, input: u64) {
        let took = self.sent.until(now);
        let standing = &self.candidate.standing;
        standing.model.first_tokens.record(now, took);
        if let Some(adaptive) = standing.adaptive(now) {
            adaptive.sample(now, took, input);
        }
        if self.pass.is_probe()
            && let Some(changed) = standing.provider.breaker.heard(&mut self.pass, now)
        {
            standing.provider.changed(changed);
        }
        if self.lease.heard(now, fastrand::f64) {
            opened(&self.candidate, self.lease.index(), now);
        }
    }

    /// It is over: answered, whole or to the end of its stream, or broken off.
    pub(crate) fn ended(self, result: AttemptResult, now: Nanos) {
        if result == AttemptResult::Ok && self.first {
            self.standing().provider.budget.earn();
        }
        if result == AttemptResult::Overloaded {
            self.too_many(result, None, now);
        }
        self.tell(result, None, now);
    }

    /// It was answered whole.
    pub(crate) fn answered(self, result: AttemptResult, now: Nanos) {
        if result == AttemptResult::Ok {
            self.standing().model.answers.record(now, self.sent.until(now));
            if let Some(adaptive) = self.standing().adaptive(now) {
                adaptive.answered(now);
            }
        }
        self.ended(result, now);
    }

    /// It failed before there was anything for the client.
    pub(crate) fn failed(self, result: AttemptResult, told: &Told, now: Nanos) {
        self.too_many(result, told.throttle, now);
        self.tell(result, Some(told), now);
    }

    /// Tells the limit on calls at once of a call that did not go well, if it may be that there were too many. What a
    /// provider says of one account is held to by all of them together, since the limit is the model's.
    fn too_many(&self, result: AttemptResult, throttle: Option<Throttle>, now: Nanos) {
        let standing = self.standing();
        let adaptive = standing.adaptive(now);
        match (throttle, result) {
            (Some(Throttle::Concurrency { limit }), _) => {
                let learned = || {
                    let keys = standing.pool.members().iter().map(|key| key.health.in_flight()).sum();
                    standing.learns.then(|| standing.model.learn_concurrency(&standing.provider.room, keys, now))
                };
                if let Some(adaptive) = adaptive.or_else(learned) {
                    adaptive.refused(now, limit.map(|limit| limit.saturating_mul(standing.accounts)));
                }
            }
            (Some(Throttle::Overloaded), _) | (None, AttemptResult::Overloaded) => {
                adaptive.inspect(|adaptive| adaptive.refused(now, None));
            }
            (None, AttemptResult::Timeout) => _ = adaptive.inspect(|adaptive| adaptive.timed_out(now)),
            _ => {}
        }
    }

    fn tell(self, result: AttemptResult, told: Option<&Told>, now: Nanos) {
        let Self { candidate, pass, lease, .. } = self;
        let provider = &candidate.standing.provider;
        let draw = fastrand::f64();
        if let Some(changed) = provider.breaker.record(pass, result, now, told.and_then(|told| told.retry_after), draw)
        {
            provider.changed(changed);
        }
        if told.is_some_and(|told| told.forbidden) {
            return lease.forbidden(now, draw);
        }
        let refused = told.and_then(|told| Some((told.throttle?, &told.levels)));
        let key = lease.index();
        if lease.record(result, refused, now, draw) {
            opened(&candidate, key, now);
        }
    }
}

/// The provider takes calls by this key again: those who wait ask at once.
#[cold]
fn opened(candidate: &Candidate, key: usize, now: Nanos) {
    let room = &candidate.standing.provider.room;
    if let Some(limits) = Limits::egress(&room.table, candidate, key, now) {
        room.opened(&limits);
    }
    candidate.standing.model.turnstile.call_next();
}
