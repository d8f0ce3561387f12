//! What stands between the callers and the provider.
//!
//! A policy is told what happens and answers with what it does about it. It sees the time, the call and how attempts
//! end, and nothing else: not the provider's counters, not what is still to come.
//!
//! Besides Sluicegate itself (`relay`) there are the three that people have without it. They are built fairly: the
//! retries are those of the official SDKs, and the semaphore is sized for the provider's limit by whoever sets it.

use super::call::Call;
use super::draw::Draw;
use super::record::End;
use sluicegate_flow::Nanos;
use std::collections::VecDeque;
use std::time::Duration;

/// A call's number in the run: an index into its calls.
pub(crate) type Id = u32;

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Answered in full.
    Done,
    /// The provider refused it with a 429.
    Refused,
    /// The provider failed.
    Failed,
}

/// What a policy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Sends a call to the provider.
    Send(Id),
    /// Tells the client how its call ended.
    End(Id, End),
    /// Wants to be woken then, with this word.
    Wake(Nanos, u64),
}

/// What stands between the callers and the provider.
pub(crate) trait Policy {
    /// A call arrives.
    fn arrived(&mut self, now: Nanos, id: Id, calls: &[Call], acts: &mut Vec<Act>);

    /// The provider's first token for a call is here.
    fn began(&mut self, _now: Nanos, _id: Id, _calls: &[Call], _acts: &mut Vec<Act>) {}

    /// An attempt has ended.
    fn ended(&mut self, now: Nanos, id: Id, answer: Answer, calls: &[Call], acts: &mut Vec<Act>);

    /// The time it wanted to be woken at has come.
    fn woken(&mut self, _now: Nanos, _word: u64, _calls: &[Call], _acts: &mut Vec<Act>) {}

    /// How often each limit of its own made a call wait or go, by the limit's name.
    fn binding(&self) -> Vec<(String, u64)> {
        Vec::new()
    }
}

/// The end that an attempt's answer means for a call that is not tried again.
pub(crate) const fn passed_on(answer: Answer) -> End {
    match answer {
        Answer::Done => End::Answered,
        Answer::Refused => End::ProviderRefused,
        Answer::Failed => End::ProviderFailed,
    }
}

/// Nothing: every call goes, and every answer is what the client gets.
#[derive(Debug)]
pub(crate) struct NoControl;

impl Policy for NoControl {
    fn arrived(&mut self, _now: Nanos, id: Id, _calls: &[Call], acts: &mut Vec<Act>) {
        acts.push(Act::Send(id));
    }

    fn ended(&mut self, _now: Nanos, id: Id, answer: Answer, _calls: &[Call], acts: &mut Vec<Act>) {
        acts.push(Act::End(id, passed_on(answer)));
    }
}

/// How a client tries again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// How often after the first attempt.
    pub retries: u32,
    /// The pause before the first retry; it doubles with each.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// A pause is shortened by up to this share, so that clients come apart.
    pub jitter: f64,
}

/// What the official SDKs do.
impl Default for Retry {
    fn default() -> Self {
        Self { retries: 2, first: Duration::from_millis(500), longest: Duration::from_secs(8), jitter: 0.25 }
    }
}

/// Clients that try again by themselves.
#[derive(Debug)]
pub(crate) struct Retrying {
    retry: Retry,
    /// Attempts that have failed, by call.
    failed: Vec<u32>,
    draw: Draw,
}

impl Retrying {
    pub(crate) fn new(retry: Retry, seed: u64) -> Self {
        Self { retry, failed: Vec::new(), draw: Draw::new(seed, 5) }
    }
}

impl Policy for Retrying {
    fn arrived(&mut self, _now: Nanos, id: Id, calls: &[Call], acts: &mut Vec<Act>) {
        self.failed.resize(calls.len(), 0);
        acts.push(Act::Send(id));
    }

    fn ended(&mut self, now: Nanos, id: Id, answer: Answer, _calls: &[Call], acts: &mut Vec<Act>) {
        let Some(failed) = self.failed.get_mut(id as usize) else { return };
        if answer == Answer::Done || *failed >= self.retry.retries {
            acts.push(Act::End(id, passed_on(answer)));
            return;
        }
        let pause = self.retry.first.saturating_mul(1 << (*failed).min(20)).min(self.retry.longest);
        *failed += 1;
        let shortened = pause.mul_f64(1.0 - self.retry.jitter * self.draw.unit());
        acts.push(Act::Wake(now.after(shortened), u64::from(id)));
    }

    fn woken(&mut self, _now: Nanos, word: u64, _calls: &[Call], acts: &mut Vec<Act>) {
        acts.extend(Id::try_from(word).ok().map(Act::Send));
    }
}

/// A fixed number of calls at once, the others in one line with a time limit.
#[derive(Debug)]
pub(crate) struct Semaphore {
    permits: u32,
    timeout: Duration,
    in_flight: u32,
    line: VecDeque<Id>,
    /// Who is in the line still, by call.
    waiting: Vec<bool>,
}

impl Semaphore {
    pub(crate) const fn new(permits: u32, timeout: Duration) -> Self {
        Self { permits, timeout, in_flight: 0, line: VecDeque::new(), waiting: Vec::new() }
    }

    /// Takes a call out of the line; `false` if it is not there any more.
    fn leave(&mut self, id: Id) -> bool {
        self.waiting.get_mut(id as usize).is_some_and(std::mem::take)
    }
}

impl Policy for Semaphore {
    fn arrived(&mut self, now: Nanos, id: Id, calls: &[Call], acts: &mut Vec<Act>) {
        if self.in_flight < self.permits {
            self.in_flight += 1;
            acts.push(Act::Send(id));
            return;
        }
        self.waiting.resize(calls.len(), false);
        if let Some(waiting) = self.waiting.get_mut(id as usize) {
            *waiting = true;
        }
        self.line.push_back(id);
        acts.push(Act::Wake(now.after(self.timeout), u64::from(id)));
    }

    fn ended(&mut self, _now: Nanos, id: Id, answer: Answer, _calls: &[Call], acts: &mut Vec<Act>) {
        self.in_flight -= 1;
        acts.push(Act::End(id, passed_on(answer)));
        while let Some(next) = self.line.pop_front() {
            if self.leave(next) {
                self.in_flight += 1;
                acts.push(Act::Send(next));
                return;
            }
        }
    }

    fn woken(&mut self, _now: Nanos, word: u64, _calls: &[Call], acts: &mut Vec<Act>) {
        let waited = Id::try_from(word).ok().filter(|id| self.leave(*id));
        acts.extend(waited.map(|id| Act::End(id, End::Late)));
    }
}
