//! One experiment: this traffic, this provider, this in between.
//!
//! Everything that happens is one of four events: a call arrives, the provider begins or ends an answer, or somebody
//! wanted to be woken. What the policy does about it is carried out at the same moment, before time moves on. The way
//! through the network takes no time; it would add the same to every call and tell nothing about the control.
//!
//! **Promises.** The same experiment under the same seed gives the same run. Every call that arrives has exactly one
//! end. The run goes on until nothing is planned any more; a call that has no end then was forgotten by its policy, and is
//! reported as such.

use super::call::Call;
use super::events::Events;
use super::policy::{Act, Answer, Id, NoControl, Policy, Retry, Retrying, Semaphore};
use super::provider::{AtWork, Provider, Verdict};
use super::record::{End, Record, Run};
use super::relay::{Relay, Relaying};
use super::traffic::{Offered, Source};
use sluicegate_flow::Nanos;
use std::time::Duration;

/// The most calls a run holds.
pub const MOST_CALLS: usize = 5_000_000;

/// What stands between the callers and the provider.
#[derive(Debug, Clone, PartialEq)]
pub enum Control {
    /// Nothing.
    None,
    /// Clients try again by themselves.
    Retry(Retry),
    /// A fixed number of calls at once, first come, first served; who waits longer than `timeout` is refused.
    Semaphore {
        /// How many.
        permits: u32,
        /// How long a call may wait.
        timeout: Duration,
    },
    /// Sluicegate.
    Relay(Box<Relay>),
}

/// Traffic, a provider, and what stands between.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// What is offered.
    pub offered: Offered,
    /// To whom.
    pub provider: Provider,
    /// Through what.
    pub control: Control,
    /// What everything is drawn from.
    pub seed: u64,
}

impl Experiment {
    /// Lets it happen.
    #[must_use]
    pub fn run(&self) -> Run {
        let policy: Box<dyn Policy> = match &self.control {
            Control::None => Box::new(NoControl),
            Control::Retry(retry) => Box::new(Retrying::new(*retry, self.seed)),
            Control::Semaphore { permits, timeout } => Box::new(Semaphore::new(*permits, *timeout)),
            Control::Relay(relay) => Box::new(Relaying::new(relay, self.seed)),
        };
        Lab::new(self, policy).run()
    }
}

/// What happens.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// Of an open stream's next call.
    Arrival(Id),
    /// Of a client of a closed loop who comes again.
    Return(Id),
    Began(Id),
    Ended(Id, Answer),
    Woken(u64),
}

/// How far a call has come.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    sent: Option<Nanos>,
    attempts: u32,
    end: Option<(Nanos, End)>,
}

struct Lab<'a> {
    length: Duration,
    events: Events<Event>,
    source: Source<'a>,
    provider: AtWork<'a>,
    policy: Box<dyn Policy>,
    calls: Vec<Call>,
    progress: Vec<Progress>,
    sends: Vec<(Nanos, Id)>,
    cut: bool,
}

impl<'a> Lab<'a> {
    fn new(experiment: &'a Experiment, policy: Box<dyn Policy>) -> Self {
        Self {
            length: experiment.offered.length(),
            events: Events::new(),
            source: experiment.offered.start(experiment.seed),
            provider: AtWork::new(&experiment.provider, experiment.seed),
            policy,
            calls: Vec::new(),
            progress: Vec::new(),
            sends: Vec::new(),
            cut: false,
        }
    }

    fn run(mut self) -> Run {
        if let Some(first) = self.source.next() {
            self.expect(first, Event::Arrival);
        }
        let mut acts = Vec::new();
        while let Some((now, event)) = self.events.next() {
            match event {
                Event::Arrival(id) => {
                    if let Some(next) = self.source.next() {
                        self.expect(next, Event::Arrival);
                    }
                    self.policy.arrived(now, id, &self.calls, &mut acts);
                }
                Event::Return(id) => self.policy.arrived(now, id, &self.calls, &mut acts),
                Event::Began(id) => self.policy.began(now, id, &self.calls, &mut acts),
                Event::Ended(id, answer) => {
                    if answer != Answer::Refused {
                        self.provider.done();
                    }
                    self.policy.ended(now, id, answer, &self.calls, &mut acts);
                }
                Event::Woken(word) => self.policy.woken(now, word, &self.calls, &mut acts),
            }
            for act in acts.drain(..) {
                match act {
                    Act::Send(id) => self.send(now, id),
                    Act::End(id, end) => self.end(now, id, end),
                    Act::Wake(at, word) => self.events.plan(at, Event::Woken(word)),
                }
            }
        }
        self.done()
    }

    /// A call will come.
    fn expect(&mut self, call: Call, event: fn(Id) -> Event) {
        if self.calls.len() >= MOST_CALLS {
            self.cut = true;
            return;
        }
        let id = self.calls.len() as Id;
        self.calls.push(call);
        self.progress.push(Progress::default());
        self.events.plan(call.at, event(id));
    }

    fn send(&mut self, now: Nanos, id: Id) {
        let index = id as usize;
        let (Some(call), Some(progress)) = (self.calls.get(index), self.progress.get_mut(index)) else { return };
        progress.sent = Some(now);
        progress.attempts += 1;
        self.sends.push((now, id));
        match self.provider.offer(now, call) {
            Verdict::Refused => self.events.plan(now, Event::Ended(id, Answer::Refused)),
            Verdict::Accepted { first_token, done, fails } => {
                if !fails {
                    self.events.plan(first_token, Event::Began(id));
                }
                let answer = if fails { Answer::Failed } else { Answer::Done };
                self.events.plan(done, Event::Ended(id, answer));
            }
        }
    }

    fn end(&mut self, now: Nanos, id: Id, end: End) {
        let Some(progress) = self.progress.get_mut(id as usize) else { return };
        if progress.end.is_some() {
            return;
        }
        progress.end = Some((now, end));
        let client = self.calls.get(id as usize).and_then(|call| call.client);
        if let Some(next) = client.and_then(|client| self.source.after(now, client)) {
            self.expect(next, Event::Return);
        }
    }

    fn done(self) -> Run {
        let now = self.events.now();
        let records = self.calls.iter().zip(&self.progress).map(|(call, progress)| {
            let (ended, end) = progress.end.unwrap_or((now, End::Stuck));
            Record { call: *call, sent: progress.sent, attempts: progress.attempts, ended, end }
        });
        let mut records: Vec<Record> = records.collect();
        let mut sends = self.sends;
        // Clients of a closed loop are numbered when their call is known, not when it comes.
        if !records.is_sorted_by_key(|record| record.call.at) {
            let mut order: Vec<Id> = (0..records.len() as Id).collect();
            order.sort_by_key(|id| records.get(*id as usize).map(|record| record.call.at));
            let mut place = vec![0; order.len()];
            for (to, from) in order.iter().enumerate() {
                if let Some(place) = place.get_mut(*from as usize) {
                    *place = to as Id;
                }
            }
            for (_, id) in &mut sends {
                *id = place.get(*id as usize).copied().unwrap_or_default();
            }
            records.sort_by_key(|record| record.call.at);
        }
        let mut binding = self.policy.binding();
        binding.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
        Run { records, sends, binding, length: self.length, cut: self.cut }
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
