//! Which of a provider's keys a call uses.
//!
//! Every key has its [`Health`] and a copy of its quota ([`Shadow`]). Keys of one account share the quota, so they share
//! the copy, and are never taken for more capacity than the account has. Of the keys that can be used, two are drawn by
//! chance and the better one is taken: that spreads calls nearly as evenly as asking all of them, and no key becomes the
//! favourite of everybody at once. Better is who has more of its quota left, fewer errors and fewer calls under way.
//!
//! Where a call belongs to a conversation, its key is drawn by the conversation's own number, always the same one, since
//! the provider's prompt cache is kept by account; another is taken only if it is twice as good.
//!
//! A key that was put aside for errors is tried with one call when its time has come. One that is suspect or dead is
//! probed from the background ([`Pool::probe`]), not with a client's call, unless there is no other. A key put aside is
//! still better than none: if nothing else is left, the one whose time comes first is used, since when all keys fail it
//! is not the keys that are at fault.
//!
//! **Promises.** A key whose quota is used up gets no call before its reset. Suspect and dead keys get no call but probes,
//! one at a time. As long as any primary key can be used, or will be when its pace allows, no standby is.

use crate::egress::health::{Fitness, Health, Role};
use crate::egress::shadow::{Charge, Levels, Sent, Shadow};
use crate::egress::throttle::Throttle;
use crate::time::Nanos;
use sluicegate_vocabulary::AttemptResult;
use std::sync::Arc;
use std::time::Duration;

/// One key of a provider, as far as calls for one model are concerned.
#[derive(Debug, Clone)]
pub struct Member {
    /// A number that stays the same as long as the key does, such as a hash of its name.
    pub id: u64,
    /// The key's health, shared by all models.
    pub health: Arc<Health>,
    /// The quota of its account for this model, shared by all keys of the account.
    pub quota: Arc<Shadow>,
    /// How many calls it bears at once, or is thought to.
    pub capacity: u32,
}

/// The keys of one provider for one model. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pool(Arc<[Member]>);

/// No key can be used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable {
    /// How long until one can be, if nobody else takes it; `None` if none comes back by itself within minutes.
    pub wait: Option<Duration>,
}

/// A wait that can still be called one: longer ones are those of suspect and dead keys.
const WORTH_WAITING: Duration = Duration::from_secs(120);
/// A key that someone's conversation is kept at may be so much worse than the best.
const STICKY: f64 = 0.5;

impl Pool {
    /// A pool of these keys.
    #[must_use]
    pub fn new(members: impl IntoIterator<Item = Member>) -> Self {
        Self(members.into_iter().collect())
    }

    /// The keys, in order.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.0
    }

    /// Chooses a key for a call and takes from its quota. Ask last, after everything else that may refuse.
    ///
    /// `conversation` is a number by which calls that belong together are kept at one key; `draw` is 64 bits by chance.
    ///
    /// # Errors
    /// How long to wait. A key that is out for a day is not waited for.
    pub fn choose(
        &self,
        now: Nanos,
        charge: Charge,
        conversation: Option<u64>,
        draw: u64,
    ) -> Result<Lease, Unavailable> {
        // One key, well and with room: the usual case.
        if let [only] = &*self.0
            && only.health.role() != Role::Held
            && only.is_fit(now)
        {
            return self.lease(0, now, charge).map_err(|wait| Unavailable { wait: Some(wait) });
        }
        self.choose_among(now, charge, conversation, draw)
    }

    fn choose_among(
        &self,
        now: Nanos,
        charge: Charge,
        conversation: Option<u64>,
        draw: u64,
    ) -> Result<Lease, Unavailable> {
        if let Some(lease) = self.probe_of(now, |fitness| fitness == Fitness::Retry) {
            return Ok(lease.charged(now, charge));
        }
        for role in [Role::Primary, Role::Standby] {
            let fit = |&index: &usize| self.0.get(index).is_some_and(|it| it.health.role() == role && it.is_fit(now));
            let mut wait: Option<Duration> = None;
            for index in self.in_order(now, fit, conversation, draw) {
                match self.lease(index, now, charge) {
                    Ok(lease) => return Ok(lease),
                    Err(longer) => wait = Some(wait.map_or(longer, |wait| wait.min(longer))),
                }
            }
            if wait.is_some() {
                return Err(Unavailable { wait });
            }
        }
        if let Some(lease) = self.probe_of(now, |fitness| fitness == Fitness::Probe) {
            return Ok(lease.charged(now, charge));
        }
        self.last_resort(now, charge)
    }

    /// The keys that `fit`, the one to be tried first at the head.
    fn in_order(
        &self,
        now: Nanos,
        fit: impl Fn(&usize) -> bool,
        conversation: Option<u64>,
        draw: u64,
    ) -> impl Iterator<Item = usize> {
        let count = (0..self.0.len()).filter(&fit).count().max(1) as u64;
        let score = |index: usize| self.0.get(index).map_or(0.0, |member| member.score(now));
        let nth = |n: u64| (0..self.0.len()).filter(&fit).nth(n as usize);
        let (first, second) = ((draw >> 32) % count, (draw & 0xFFFF_FFFF) % count);
        let second = if first == second { (second + 1) % count } else { second };
        let drawn = [nth(first), nth(second)];
        let better = drawn.into_iter().flatten().reduce(|a, b| if score(b) > score(a) { b } else { a });
        let kept = conversation.and_then(|number| {
            let own = (0..self.0.len()).filter(&fit).max_by_key(|&index| self.kinship(index, number))?;
            let best = (0..self.0.len()).filter(&fit).map(score).fold(0.0, f64::max);
            (score(own) > STICKY * best).then_some(own)
        });
        let head = kept.or(better);
        head.into_iter().chain((0..self.0.len()).filter(move |index| Some(*index) != head && fit(index)))
    }

    /// How near a key and a conversation are: the nearest key stays the same when others come and go.
    fn kinship(&self, index: usize, conversation: u64) -> u64 {
        mixed(self.0.get(index).map_or(0, |member| member.id) ^ mixed(conversation))
    }

    fn lease(&self, index: usize, now: Nanos, charge: Charge) -> Result<Lease, Duration> {
        let member = self.0.get(index).ok_or(Duration::MAX)?;
        let sent = member.quota.acquire(now, charge)?;
        Ok(Lease::new(index, member, sent, false))
    }

    fn probe_of(&self, now: Nanos, which: impl Fn(Fitness) -> bool) -> Option<Lease> {
        let due = |member: &Member| {
            member.health.role() != Role::Held
                && which(member.health.fitness(now))
                && member.quota.exhausted_until(now).is_none()
                && member.health.take_probe(now)
        };
        let (index, member) = self.0.iter().enumerate().find(|(_, member)| due(member))?;
        Some(Lease::new(index, member, Sent::default(), true))
    }

    /// A key that is put aside, if there is nothing else; or how long until there is.
    fn last_resort(&self, now: Nanos, charge: Charge) -> Result<Lease, Unavailable> {
        let mut soonest: Option<Nanos> = None;
        let mut aside: Option<(Nanos, usize)> = None;
        for (index, member) in self.0.iter().enumerate().filter(|(_, member)| member.health.role() != Role::Held) {
            let exhausted = member.quota.exhausted_until(now);
            let back = match member.health.fitness(now) {
                Fitness::Fit | Fitness::Retry | Fitness::Probe => exhausted.unwrap_or(now),
                Fitness::Aside(until) => {
                    if exhausted.is_none() && aside.is_none_or(|(sooner, _)| until < sooner) {
                        aside = Some((until, index));
                    }
                    exhausted.map_or(until, |exhausted| exhausted.max(until))
                }
                Fitness::Out(until) => until,
            };
            soonest = Some(soonest.map_or(back, |soonest| soonest.min(back)));
        }
        if let Some((_, index)) = aside {
            return self.lease(index, now, charge).map_err(|wait| Unavailable { wait: Some(wait) });
        }
        Err(Unavailable { wait: soonest.map(|at| now.until(at)).filter(|wait| *wait <= WORTH_WAITING) })
    }

    /// A suspect or dead key that is due to be probed, with a request of ours that costs nobody anything.
    #[must_use]
    pub fn probe(&self, now: Nanos) -> Option<Lease> {
        self.probe_of(now, |fitness| fitness == Fitness::Probe)
    }
}

impl Member {
    #[inline]
    fn is_fit(&self, now: Nanos) -> bool {
        self.health.fitness(now) == Fitness::Fit && self.quota.exhausted_until(now).is_none()
    }

    /// How good a choice this key is; more is better.
    fn score(&self, now: Nanos) -> f64 {
        let good = 1.0 - self.health.error_rate(now);
        let load = f64::from(self.health.in_flight()) / f64::from(self.capacity.max(1));
        self.quota.headroom(now) * good * good / (1.0 + load)
    }
}

/// Spreads a number over 64 bits (the finalizer of splitmix64).
const fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

/// A key in use by one call. Say how it went with [`Lease::record`]; dropped, nothing is learned from it.
#[derive(Debug)]
#[must_use = "a lease that is not recorded teaches nothing"]
pub struct Lease {
    index: usize,
    health: Arc<Health>,
    quota: Arc<Shadow>,
    sent: Sent,
    probe: bool,
}

impl Lease {
    fn new(index: usize, member: &Member, sent: Sent, probe: bool) -> Self {
        member.health.begin();
        Self { index, health: Arc::clone(&member.health), quota: Arc::clone(&member.quota), sent, probe }
    }

    /// A probe is sent whatever the pace; its cost is counted if it can be.
    fn charged(mut self, now: Nanos, charge: Charge) -> Self {
        self.sent = self.quota.acquire(now, charge).unwrap_or_default();
        self
    }

    /// Which of the pool's keys it is.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }

    /// Whether this call decides if the key is used again.
    #[must_use]
    pub const fn is_probe(&self) -> bool {
        self.probe
    }

    /// Hears the levels that an answer's headers tell, as soon as they are here. Not for refusals.
    #[inline]
    pub fn observe(&self, now: Nanos, told: &Levels) {
        self.quota.observe(now, &self.sent, told);
    }

    /// Hears how the call went; of a refusal, what there was too much of and the levels it told. `draw` is a number
    /// between 0 and 1 by chance.
    pub fn record(self, result: AttemptResult, refused: Option<(Throttle, Levels)>, now: Nanos, draw: f64) {
        match &refused {
            Some((throttle, told)) => self.quota.refused(now, &self.sent, *throttle, told, draw),
            None if result == AttemptResult::Ok => self.quota.succeeded(),
            None => {}
        }
        self.health.record(result, refused.map(|(throttle, _)| throttle), self.probe, now, draw);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.health.end();
        if self.probe {
            self.health.give_back_probe();
        }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
