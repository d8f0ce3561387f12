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
//! A key that was put aside for errors is tried with one call when its time has come: before others if it is a primary,
//! but not with a call that only another key has the means for, and a standby not while a primary can be used. One that
//! is suspect or dead is probed from the background ([`Pool::probe`]), not with a client's call, unless there is no
//! other. A key put aside is still better than none: if nothing else is left, the one whose time comes first is used,
//! since when all keys fail it is not the keys that are at fault.
//!
//! **Promises.** A key whose quota is used up gets no call before its reset, or for five minutes. Suspect and dead keys
//! get no call but probes, one at a time. As long as any primary key can be used, or will be when its pace allows, no
//! standby is, but by calls that only it has the means for.

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
    /// Its weight among the keys that could be used: with twice the share it is drawn twice as often.
    pub share: u32,
}

/// The keys of one provider for one model. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pool(Arc<[Member]>);

/// No key can be used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable {
    /// How long until one can be, if nobody else takes it; `None` if none comes back by itself within minutes.
    pub wait: Option<Duration>,
    /// What is in the way.
    pub why: Why,
}

/// What keeps the keys of a pool from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The quota of those that work is used up for now.
    Quota,
    /// Of some that work the caller himself could not reserve what they need.
    Reserved,
    /// The provider refuses them, for their own sake or their bill's.
    Refused,
    /// There is none: they are held, or were tried already.
    Nobody,
}

/// Keys that a call is not to use again, by their places in the pool. Those beyond the 64th are never excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tried(u64);

impl Tried {
    /// Excludes one more.
    pub const fn add(&mut self, index: usize) {
        if index < 64 {
            self.0 |= 1 << index;
        }
    }

    const fn has(self, index: usize) -> bool {
        index < 64 && self.0 & (1 << index) != 0
    }
}

/// A call that needs a key.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// By this number calls that belong together are kept at one key.
    pub conversation: Option<u64>,
    /// The number of the one key that has what the call needs, as long as it can be used.
    pub owner: Option<u64>,
    /// Keys it is not to use.
    pub tried: Tried,
    /// 64 bits by chance.
    pub draw: u64,
}

/// A wait that can still be called one.
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
    /// How long to wait. A key that the provider refuses is not waited for.
    pub fn choose(
        &self,
        now: Nanos,
        charge: Charge,
        conversation: Option<u64>,
        draw: u64,
    ) -> Result<Lease, Unavailable> {
        let wanted = Wanted { conversation, draw, ..Wanted::default() };
        self.choose_with(now, wanted, || charge, |_| Some(())).map(|(lease, ())| lease)
    }

    /// The same where a key needs more than its quota: `reserve` takes that for the key at a place, or says that it
    /// cannot, and then another key is looked for. What it took for a key whose quota turns out to be used up is dropped.
    /// `charge` is asked only where a quota is known.
    ///
    /// # Errors
    /// How long to wait for a quota, and what is in the way.
    #[inline]
    pub fn choose_with<R>(
        &self,
        now: Nanos,
        wanted: Wanted,
        charge: impl Fn() -> Charge,
        mut reserve: impl FnMut(usize) -> Option<R>,
    ) -> Result<(Lease, R), Unavailable> {
        // One key, well and with room: the usual case.
        if let [only] = &*self.0
            && only.health.role() != Role::Held
            && !wanted.tried.has(0)
            && only.is_fit(now)
        {
            let reserved = reserve(0).ok_or(Unavailable { wait: None, why: Why::Reserved })?;
            let lease = self.lease_at(0, now, &charge);
            return lease.map(|lease| (lease, reserved)).map_err(Unavailable::for_quota);
        }
        self.choose_among(now, wanted, &charge, &mut reserve)
    }

    fn choose_among<R>(
        &self,
        now: Nanos,
        wanted: Wanted,
        charge: &impl Fn() -> Charge,
        reserve: &mut impl FnMut(usize) -> Option<R>,
    ) -> Result<(Lease, R), Unavailable> {
        for role in [Role::Primary, Role::Standby] {
            let due = |member: &Member, fitness| {
                let suits = wanted.owner.is_none_or(|owner| owner == member.id);
                fitness == Fitness::Retry && suits && member.health.role() == role
            };
            if let Some(found) = self.probe_of(now, wanted.tried, due, reserve) {
                return Ok(found.charged(now, charge()));
            }
            let fit = |&index: &usize| {
                let is_there = |member: &Member| {
                    let own = Some(member.id) == wanted.owner && member.health.role() != Role::Held;
                    (own || member.health.role() == role) && member.is_fit(now)
                };
                !wanted.tried.has(index) && self.0.get(index).is_some_and(is_there)
            };
            let mut wait: Option<Duration> = None;
            let mut short = false;
            for index in self.in_order(now, fit, wanted) {
                let Some(reserved) = reserve(index) else {
                    short = true;
                    continue;
                };
                match self.lease_at(index, now, charge) {
                    Ok(lease) => return Ok((lease, reserved)),
                    Err(longer) => wait = Some(wait.map_or(longer, |wait| wait.min(longer))),
                }
            }
            if short || wait.is_some() {
                return Err(Unavailable { wait, why: if short { Why::Reserved } else { Why::Quota } });
            }
        }
        let due = |_: &Member, fitness| matches!(fitness, Fitness::Retry | Fitness::Probe);
        if let Some(found) = self.probe_of(now, wanted.tried, due, reserve) {
            return Ok(found.charged(now, charge()));
        }
        self.last_resort(now, wanted.tried, charge, reserve)
    }

    /// The keys that `fit`, the one to be tried first at the head.
    fn in_order(&self, now: Nanos, fit: impl Fn(&usize) -> bool, wanted: Wanted) -> impl Iterator<Item = usize> {
        let score = |index: usize| self.0.get(index).map_or(0.0, |member| member.score(now));
        let share = |index: usize| self.0.get(index).map_or(1, |member| u64::from(member.share.max(1)));
        // One of those that fit and are not `other`, by their shares.
        let drawn = |draw: u64, other: Option<usize>| {
            let all = || (0..self.0.len()).filter(&fit).filter(move |index| Some(*index) != other);
            let mut left = draw % all().map(share).sum::<u64>().max(1);
            all().find(|&index| {
                let here = left < share(index);
                left = left.saturating_sub(share(index));
                here
            })
        };
        let first = drawn(wanted.draw >> 32, None);
        let second = drawn(wanted.draw & 0xFFFF_FFFF, first);
        let better = first.into_iter().chain(second).reduce(|a, b| if score(b) > score(a) { b } else { a });
        let kept = wanted.conversation.and_then(|number| {
            let own = (0..self.0.len()).filter(&fit).max_by_key(|&index| self.kinship(index, number))?;
            let best = (0..self.0.len()).filter(&fit).map(score).fold(0.0, f64::max);
            (score(own) > STICKY * best).then_some(own)
        });
        let is_owner = |index: &usize| self.0.get(*index).is_some_and(|member| Some(member.id) == wanted.owner);
        let owner = wanted.owner.and_then(|_| (0..self.0.len()).filter(&fit).find(is_owner));
        let head = owner.or(kept).or(better);
        head.into_iter().chain((0..self.0.len()).filter(move |index| Some(*index) != head && fit(index)))
    }

    /// How near a key and a conversation are: the nearest key stays the same when others come and go.
    fn kinship(&self, index: usize, conversation: u64) -> u64 {
        mixed(self.0.get(index).map_or(0, |member| member.id) ^ mixed(conversation))
    }

    /// Takes from the quota of the key at a place, whatever its health. For a call that has waited for that key.
    ///
    /// # Errors
    /// How long its quota will not do.
    #[inline]
    pub fn lease_at(&self, index: usize, now: Nanos, charge: impl Fn() -> Charge) -> Result<Lease, Duration> {
        let member = self.0.get(index).ok_or(Duration::MAX)?;
        let sent = member.quota.acquire_with(now, charge)?;
        Ok(self.lease_of(index, member, sent, false))
    }

    /// The key at a place, for a call that has taken from its quota already.
    #[must_use]
    pub fn lease_with(&self, index: usize, sent: Sent) -> Option<Lease> {
        self.0.get(index).map(|member| self.lease_of(index, member, sent, false))
    }

    #[inline]
    fn lease_of(&self, index: usize, member: &Member, sent: Sent, probe: bool) -> Lease {
        member.health.begin();
        Lease { pool: self.clone(), index, sent, probe }
    }

    fn probe_of<R>(
        &self,
        now: Nanos,
        tried: Tried,
        which: impl Fn(&Member, Fitness) -> bool,
        reserve: &mut impl FnMut(usize) -> Option<R>,
    ) -> Option<(Lease, R)> {
        self.0.iter().enumerate().find_map(|(index, member)| {
            let due = member.health.role() != Role::Held
                && !tried.has(index)
                && which(member, member.health.fitness(now))
                && member.quota.exhausted_until(now).is_none();
            let reserved = if due { reserve(index)? } else { return None };
            let taken = member.health.take_probe(now);
            taken.then(|| (self.lease_of(index, member, Sent::default(), true), reserved))
        })
    }

    /// A key that is put aside, if there is nothing else; or how long until there is.
    fn last_resort<R>(
        &self,
        now: Nanos,
        tried: Tried,
        charge: &impl Fn() -> Charge,
        reserve: &mut impl FnMut(usize) -> Option<R>,
    ) -> Result<(Lease, R), Unavailable> {
        let mut soonest: Option<Nanos> = None;
        let mut aside: Option<(Nanos, usize)> = None;
        let mut why = Why::Nobody;
        for (index, member) in self.0.iter().enumerate() {
            if member.health.role() == Role::Held || tried.has(index) {
                continue;
            }
            let exhausted = member.quota.exhausted_until(now);
            let back = match member.health.fitness(now) {
                Fitness::Fit | Fitness::Retry => exhausted.unwrap_or(now),
                Fitness::Aside(until) => {
                    if exhausted.is_none() && aside.is_none_or(|(sooner, _)| until < sooner) {
                        aside = Some((until, index));
                    }
                    exhausted.map_or(until, |exhausted| exhausted.max(until))
                }
                // These come back when a probe has shown that they do, and no call waits for that.
                Fitness::Probe | Fitness::Out(_) => {
                    why = if why == Why::Nobody { Why::Refused } else { why };
                    continue;
                }
            };
            why = Why::Quota;
            soonest = Some(soonest.map_or(back, |soonest| soonest.min(back)));
        }
        if let Some((_, index)) = aside {
            let reserved = reserve(index).ok_or(Unavailable { wait: None, why: Why::Reserved })?;
            let lease = self.lease_at(index, now, charge);
            return lease.map(|lease| (lease, reserved)).map_err(Unavailable::for_quota);
        }
        Err(Unavailable { wait: soonest.map(|at| now.until(at)).filter(|wait| *wait <= WORTH_WAITING), why })
    }

    /// What is left of the quota of the key that has most left, 0 to 1; 0 if none can be used.
    #[must_use]
    pub fn headroom(&self, now: Nanos) -> f64 {
        let usable = |member: &&Member| {
            member.health.role() != Role::Held
                && !matches!(member.health.fitness(now), Fitness::Aside(_) | Fitness::Out(_))
                && member.quota.exhausted_until(now).is_none()
        };
        self.0.iter().filter(usable).map(|member| member.quota.headroom(now)).fold(0.0, f64::max)
    }

    /// Whether a call that failed with some keys has another to try.
    #[must_use]
    pub fn has_other(&self, now: Nanos, tried: Tried) -> bool {
        let usable = |(index, member): (usize, &Member)| {
            !tried.has(index) && member.health.role() != Role::Held && member.is_fit(now)
        };
        self.0.iter().enumerate().any(usable)
    }

    /// A suspect or dead key that is due to be probed, with a request of ours that costs nobody anything.
    #[must_use]
    pub fn probe(&self, now: Nanos) -> Option<Lease> {
        let due = |_: &Member, fitness| fitness == Fitness::Probe;
        self.probe_of(now, Tried::default(), due, &mut |_| Some(())).map(|(lease, ())| lease)
    }
}

impl Unavailable {
    const fn for_quota(wait: Duration) -> Self {
        Self { wait: Some(wait), why: Why::Quota }
    }
}

/// What was found for a probe.
trait Charged {
    /// A probe is sent whatever the pace; its cost is counted if it can be.
    fn charged(self, now: Nanos, charge: Charge) -> Self;
}

impl<R> Charged for (Lease, R) {
    fn charged(mut self, now: Nanos, charge: Charge) -> Self {
        if let Some(member) = self.0.member() {
            self.0.sent = member.quota.acquire(now, charge).unwrap_or_default();
        }
        self
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
    pool: Pool,
    index: usize,
    sent: Sent,
    probe: bool,
}

impl Lease {
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

    fn member(&self) -> Option<&Member> {
        self.pool.0.get(self.index)
    }

    /// Hears the levels that an answer's headers tell, as soon as they are here. Not for refusals.
    #[inline]
    pub fn observe(&self, now: Nanos, told: &Levels) {
        if let Some(member) = self.member() {
            member.quota.observe(now, &self.sent, told);
        }
    }

    /// The first event of the answer has come: the quota had room for the call, and where it decides, the key works.
    /// Returns whether that ends a wait of the quota's.
    pub fn heard(&mut self, now: Nanos, draw: impl FnOnce() -> f64) -> bool {
        let over = self.member().is_some_and(|member| member.quota.got_through(&self.sent));
        if let Some(member) = self.pool.0.get(self.index).filter(|_| self.probe) {
            member.health.record(AttemptResult::Ok, None, true, now, draw());
            member.health.give_back_probe();
            self.probe = false;
        }
        over
    }

    /// Hears that the call was refused for what it asked, or else for its key. That is told apart by asking for something
    /// that every key may have; only a call that was to decide about its key has decided.
    pub fn forbidden(self, now: Nanos, draw: f64) {
        match self.member() {
            Some(_) if self.probe => _ = self.record(AttemptResult::AuthError, None, now, draw),
            Some(member) => member.health.doubt(),
            None => {}
        }
    }

    /// Hears how the call went; of a refusal, what there was too much of and the levels it told. `draw` is a number
    /// between 0 and 1 by chance. Returns whether that ends a wait of the quota's.
    pub fn record(self, result: AttemptResult, refused: Option<(Throttle, &Levels)>, now: Nanos, draw: f64) -> bool {
        let Some(Member { health, quota, .. }) = self.member() else { return false };
        let over = match refused {
            Some((throttle, told)) => {
                quota.refused(now, &self.sent, throttle, told, draw);
                false
            }
            None if result == AttemptResult::Ok => quota.succeeded(&self.sent),
            None if result == AttemptResult::ClientError => quota.got_through(&self.sent),
            None => false,
        };
        health.record(result, refused.map(|(throttle, _)| throttle), self.probe, now, draw);
        over
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(member) = self.member() {
            member.health.end();
            if self.probe {
                member.health.give_back_probe();
            }
        }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
