//! Our copy of a provider's own count of what we may still send.
//!
//! A provider counts requests and tokens in buckets of its own and tells their level with each answer. The level is old
//! when it arrives: since that request was sent others were, and they are not in the number. So each request remembers
//! its place in the sequence of all that was sent, and what is told of the level then is corrected by what was sent
//! since, and by what was refilled, as far as the bucket was not full. An answer to an earlier request than the last one
//! heard of says nothing new and is left aside.
//!
//! We are seldom alone. Others with the same account, and other instances of this relay, take from the same bucket, and
//! whoever believes that all of what is left is his will meet refusals together with all the others. So only a share of
//! what is told counts as ours: cut by a fifth when a refusal comes although our copy had room, raised a little with each
//! success; and the less is ours, the more is kept back for what others take before we hear of it. Costs are estimates, so
//! an eighth is added to each.
//!
//! **Promises.** A provider that says nothing is not paced, at the cost of one atomic load. Once it has spoken, alone,
//! with costs that are not estimated too low, requests that are small beside its bucket, and more of them than fit, none
//! that this lets go is refused, in whatever order the answers come. (After a lull a few may be: the provider's bucket
//! was full for longer than ours, and what it could not take in shows only with the next answer.) After a refusal nothing
//! goes until the provider's own wait is over, or two seconds; then, from nothing, at a quarter of the pace until a request
//! gets through. Where the provider names no wait, single requests find out when it is over: one after a tenth of a
//! second, and after each of them that is refused too the next waits twice as long, up to two seconds. What is told with
//! refusals only is not followed: it would be for ever, since nobody would tell otherwise.

use crate::egress::pulse::Pulse;
use crate::egress::throttle::Throttle;
use crate::time::{Nanos, nanos};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What one request takes from each of a provider's counts. Which tokens count how is the provider's affair; what it does
/// not count is 0 or never told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Charge {
    /// Calls, usually 1.
    pub requests: u64,
    /// Tokens of both directions together.
    pub tokens: u64,
    /// Tokens sent to the model.
    pub input_tokens: u64,
    /// Tokens made by the model.
    pub output_tokens: u64,
}

/// One of a provider's counts, as it told it with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    /// How much there is in all, in a minute unless `reset` shows a longer time.
    pub limit: Option<u64>,
    /// How much of it is left.
    pub remaining: Option<u64>,
    /// How long until it is whole again.
    pub reset: Option<Duration>,
}

/// All of a provider's counts, as it told them with one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Levels {
    /// Calls.
    pub requests: Option<Told>,
    /// Tokens of both directions together.
    pub tokens: Option<Told>,
    /// Tokens sent to the model.
    pub input_tokens: Option<Told>,
    /// Tokens made by the model.
    pub output_tokens: Option<Told>,
}

const DIMENSIONS: usize = 4;

impl Charge {
    const fn each(self) -> [u64; DIMENSIONS] {
        [self.requests, self.tokens, self.input_tokens, self.output_tokens]
    }
}

impl Levels {
    const fn each(self) -> [Option<Told>; DIMENSIONS] {
        [self.requests, self.tokens, self.input_tokens, self.output_tokens]
    }

    const fn is_empty(&self) -> bool {
        self.requests.is_none() && self.tokens.is_none() && self.input_tokens.is_none() && self.output_tokens.is_none()
    }
}

/// A request's place in the sequence of all that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sent {
    number: u64,
    /// What had been refilled in all, less what had been sent, this request included.
    net: [f64; DIMENSIONS],
}

/// A quota for display.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShadowStatus {
    /// Part of what is told that counts as ours, 0 to 1.
    pub share: f64,
    /// For requests, tokens, input tokens and output tokens: what is left for us and what that can be at most, where told.
    pub levels: [Option<(f64, f64)>; DIMENSIONS],
    /// Nothing goes until then, after a refusal.
    pub held_until: Option<Nanos>,
}

/// Added to each cost, since it is an estimate.
const MARGIN: f64 = 1.12;
/// The share after a refusal that our copy did not foresee.
const CUT: f64 = 0.8;
/// What a success adds to the share.
const RISE: f64 = 0.004;
/// The least share that is left.
const LEAST_SHARE: f64 = 0.01;
/// Between two cuts, so that refusals of requests sent together cut once.
const BETWEEN_CUTS: Duration = Duration::from_secs(1);
/// The longest time for which nothing goes after a refusal.
const LONGEST_HOLD: Duration = Duration::from_secs(2);
/// The time for which nothing goes after a refusal that names no wait. A provider's clock and ours do not agree to the
/// millisecond, so a limit that is used to its edge is now and then overstepped by one request, and that is over at once.
const FIRST_HOLD: Duration = Duration::from_millis(100);
/// So many times a request's cost is kept back when none of the quota is ours, less the more is: what others take before
/// we hear of it comes in lumps of the same size.
const KEPT_BACK: f64 = 4.0;
/// The part of the usual refill after a refusal, until a request gets through.
const TRICKLE: f64 = 0.25;
/// The part of the provider's wait that is added to it at most, so that not all come back together; and the longest wait
/// that is believed. A quota that is used up for a day costs one refusal each time that is over, and a wait that was told
/// by mistake does not put a key out of use for a day.
const EXTRA: f64 = 0.2;
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// The length of a limit whose length is not told.
const MINUTE: f64 = 60.0;

/// What one account has left of a provider's quota for one model, as far as we know.
#[derive(Debug)]
pub struct Shadow {
    /// Nothing was ever told or refused.
    silent: AtomicBool,
    /// Until when the provider's own wait lasts; 0 for never.
    exhausted: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    buckets: [Option<Bucket>; DIMENSIONS],
    sent: Sent,
    /// The number of the request that was heard of last.
    heard: u64,
    share: f64,
    cut_at: Option<Nanos>,
    held_until: Nanos,
    /// Requests up to this number were sent before the last refusal. Until one sent later gets through, all trickles.
    trickles_past: Option<u64>,
    /// Between single requests that find out when a wait is over that was not named; 0 where none has to.
    between_trials: Duration,
    /// The rate at which to send, once a refusal came that no level explains.
    pulse: Option<Pulse>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Our share of what was left at `at`, less what was sent since; negative in debt.
    level: f64,
    at: Nanos,
    /// The most that was ever told to be left, of the whole.
    cap: f64,
    /// The most that can be left, of the whole: the limit. A bucket may hold less than its limit, so beyond `cap` this is
    /// counted on only for a request that needs more than was ever seen.
    ceiling: f64,
    /// Refill of the whole, a second.
    rate: f64,
}

impl Shadow {
    /// A quota of which nothing is known. `share` is the part of it that counts as ours: 1, or 1/N if N instances of the
    /// relay each keep a copy of their own.
    #[must_use]
    pub fn new(share: f64) -> Self {
        let state = State {
            buckets: [None; DIMENSIONS],
            sent: Sent::default(),
            heard: 0,
            share: share.clamp(LEAST_SHARE, 1.0),
            cut_at: None,
            held_until: Nanos::ZERO,
            trickles_past: None,
            between_trials: Duration::ZERO,
            pulse: None,
        };
        Self { silent: AtomicBool::new(true), exhausted: AtomicU64::new(0), state: Mutex::new(state) }
    }

    /// Takes what a request needs from every count, or nothing from any. Ask last, after everything else that may refuse.
    ///
    /// # Errors
    /// How long to wait if nobody else takes any. A request larger than a count ever is goes when that is full.
    #[inline]
    pub fn acquire(&self, now: Nanos, charge: Charge) -> Result<Sent, Duration> {
        self.acquire_with(now, || charge)
    }

    /// The same where it costs something to say what a request needs: that is asked only if anything is known.
    ///
    /// # Errors
    /// As [`Shadow::acquire`].
    #[inline]
    pub fn acquire_with(&self, now: Nanos, charge: impl Fn() -> Charge) -> Result<Sent, Duration> {
        if self.silent.load(Ordering::Relaxed) {
            return Ok(Sent::default());
        }
        self.state.lock().acquire(now, charge())
    }

    /// Whether nothing was ever told or refused.
    #[must_use]
    #[inline]
    pub fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    /// Hears what an answer tells of the levels, whether the answer is a success or not.
    #[inline]
    pub fn observe(&self, now: Nanos, sent: &Sent, told: &Levels) {
        if told.is_empty() {
            return;
        }
        self.silent.store(false, Ordering::Relaxed);
        self.state.lock().observe(now, sent, told);
    }

    /// A request was answered with success. Returns whether that ends a wait: who waits may ask again at once.
    #[inline]
    pub fn succeeded(&self, sent: &Sent) -> bool {
        if self.silent.load(Ordering::Relaxed) {
            return false;
        }
        let mut state = self.state.lock();
        state.share = (state.share + RISE).min(1.0);
        state.passed(sent)
    }

    /// A request was taken on: its answer has begun, or it was refused for another reason than its being too much.
    /// Returns whether that ends a wait.
    #[inline]
    pub fn got_through(&self, sent: &Sent) -> bool {
        !self.silent.load(Ordering::Relaxed) && self.state.lock().passed(sent)
    }

    /// A request was refused as too much, with these levels. Not every refusal is a matter of quotas; the others change
    /// nothing here. Tell this instead of [`Shadow::observe`]. `draw` is a number between 0 and 1 by chance, by which the
    /// provider's wait is made a little longer.
    pub fn refused(&self, now: Nanos, sent: &Sent, throttle: Throttle, told: &Levels, draw: f64) {
        let mut state = self.state.lock();
        let told = &state.followed(told);
        let (dimensions, reset) = match throttle {
            Throttle::QuotaRequests { reset } => (&[0][..], reset),
            Throttle::QuotaTokens { reset } => (&[1, 2, 3][..], reset),
            Throttle::Slope => (&[][..], None),
            Throttle::Concurrency { .. } | Throttle::Billing | Throttle::Overloaded => {
                if !told.is_empty() {
                    state.observe(now, sent, told);
                }
                return;
            }
        };
        self.silent.store(false, Ordering::Relaxed);
        if throttle == Throttle::Slope {
            state.observe(now, sent, told);
            state.pulse.get_or_insert_with(|| Pulse::new(now)).too_steep(now);
        } else {
            state.refused(now, sent, dimensions, reset, told);
            let wait = reset.unwrap_or_default().min(LONGEST_WAIT);
            let until = now.after(wait).after(wait.mul_f64(EXTRA * draw.clamp(0.0, 1.0)));
            self.exhausted.fetch_max(until.max(state.held_until).0, Ordering::Relaxed);
        }
    }

    /// Until when the provider said that there is nothing for us, if that is still to come. Who has another quota to use
    /// uses that one; who has none may ask [`Shadow::acquire`], which trusts the provider's wait for two seconds only.
    #[must_use]
    #[inline]
    pub fn exhausted_until(&self, now: Nanos) -> Option<Nanos> {
        let until = Nanos(self.exhausted.load(Ordering::Relaxed));
        (until > now).then_some(until)
    }

    /// What is left for us of the count of which least is left, as a part of what it can be: 0 to 1. 1 if nothing is
    /// known.
    #[must_use]
    pub fn headroom(&self, now: Nanos) -> f64 {
        if self.silent.load(Ordering::Relaxed) { 1.0 } else { self.state.lock().headroom(now) }
    }

    /// The quota for display.
    #[must_use]
    pub fn status(&self, now: Nanos) -> ShadowStatus {
        let state = self.state.lock();
        ShadowStatus {
            share: state.share,
            levels: state.buckets.map(|bucket| bucket.map(|bucket| bucket.shown(now, state.part()))),
            held_until: (state.held_until > now).then_some(state.held_until),
        }
    }
}

/// How much of a bucket is ours.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// Of what it holds.
    level: f64,
    /// Of what is refilled.
    refill: f64,
}

impl State {
    fn part(&self) -> Part {
        let trickle = if self.trickles_past.is_some() { TRICKLE } else { 1.0 };
        Part { level: self.share, refill: self.share * trickle }
    }

    fn acquire(&mut self, now: Nanos, charge: Charge) -> Result<Sent, Duration> {
        let costs = charge.each().map(|cost| cost as f64 * MARGIN);
        self.refill(now);
        let part = self.part();
        let waits = self.buckets.iter().zip(costs);
        let waits = waits.filter_map(|(bucket, cost)| Some(bucket.as_ref()?.wait(cost, part)));
        let by_rate = self.pulse.as_mut().map_or(Duration::ZERO, |pulse| pulse.wait(now));
        let wait = waits.fold(now.until(self.held_until).max(by_rate), Duration::max);
        if !wait.is_zero() {
            return Err(wait);
        }
        for ((bucket, net), cost) in self.buckets.iter_mut().zip(&mut self.sent.net).zip(costs) {
            *net -= cost;
            if let Some(bucket) = bucket {
                let usable = bucket.usable(cost, part);
                *net += usable - bucket.level;
                bucket.level = usable - cost;
            }
        }
        if let Some(pulse) = &mut self.pulse {
            pulse.sent(now);
        }
        if !self.between_trials.is_zero() {
            self.held_until = now.after(self.between_trials);
        }
        self.sent.number += 1;
        Ok(self.sent)
    }

    fn refill(&mut self, now: Nanos) {
        let part = self.part();
        for (bucket, net) in self.buckets.iter_mut().zip(&mut self.sent.net) {
            let Some(bucket) = bucket else { continue };
            let level = bucket.level_at(now, part);
            *net += level - bucket.level;
            bucket.level = level;
            bucket.at = bucket.at.max(now);
        }
    }

    fn observe(&mut self, now: Nanos, sent: &Sent, told: &Levels) {
        if sent.number <= self.heard && self.heard > 0 {
            return;
        }
        self.heard = sent.number;
        self.refill(now);
        self.passed(sent);
        let net_since = self.sent.net.iter().zip(sent.net).map(|(now, then)| now - then);
        for ((bucket, told), net_since) in self.buckets.iter_mut().zip(told.each()).zip(net_since) {
            let Some((told, remaining)) = told.and_then(|told| Some((told, told.remaining? as f64))) else { continue };
            let Some(rate) = told.rate().or(bucket.map(|bucket| bucket.rate)) else { continue };
            let cap = bucket.map_or(remaining, |bucket| bucket.cap.max(remaining));
            let ceiling = told.limit.map_or(cap, |limit| (limit as f64).max(cap));
            let level = (self.share * remaining + net_since).min(self.share * cap);
            *bucket = Some(Bucket { level, at: now.max(self.held_until), cap, ceiling, rate });
        }
    }

    /// A request has got through. Returns whether a wait is over with it.
    fn passed(&mut self, sent: &Sent) -> bool {
        self.trickles_past = self.trickles_past.filter(|last| sent.number <= *last);
        let over = self.trickles_past.is_none() && !self.between_trials.is_zero();
        if over {
            self.between_trials = Duration::ZERO;
            self.held_until = Nanos::ZERO;
        }
        over
    }

    /// Of what a refusal tells, the levels that answers to other requests tell too. What only refusals tell is never told
    /// again once they end, so whoever followed it would keep to it for ever.
    fn followed(&self, told: &Levels) -> Levels {
        let [requests, tokens, input, output] = self.buckets.map(|bucket| bucket.is_some());
        Levels {
            requests: told.requests.filter(|_| requests),
            tokens: told.tokens.filter(|_| tokens),
            input_tokens: told.input_tokens.filter(|_| input),
            output_tokens: told.output_tokens.filter(|_| output),
        }
    }

    fn refused(&mut self, now: Nanos, sent: &Sent, dimensions: &[usize], reset: Option<Duration>, told: &Levels) {
        let known = |state: &Self| dimensions.iter().filter_map(|&at| *state.buckets.get(at)?).collect::<Vec<_>>();
        let foreseen = known(self).iter().any(|bucket| bucket.level_at(now, self.part()) <= 0.0);
        let cut_lately = self.cut_at.is_some_and(|at| at.after(BETWEEN_CUTS) > now);
        if !foreseen && !cut_lately {
            self.share = (self.share * CUT).max(LEAST_SHARE);
            self.cut_at = Some(now);
        }
        let was_trial = self.trickles_past.is_some_and(|last| sent.number > last);
        let between = if was_trial { self.between_trials * 2 } else { self.between_trials };
        self.observe(now, sent, told);
        if known(self).is_empty() {
            self.pulse.get_or_insert_with(|| Pulse::new(now)).refused(now, was_trial);
        }
        self.heard = self.heard.max(sent.number);
        self.between_trials = if reset.is_some() { Duration::ZERO } else { between.clamp(FIRST_HOLD, LONGEST_HOLD) };
        let hold = reset.map_or(self.between_trials, |reset| reset.min(LONGEST_HOLD));
        self.held_until = self.held_until.max(now.after(hold));
        self.trickles_past = Some(self.sent.number);
        for &at in dimensions {
            if let Some(Some(bucket)) = self.buckets.get_mut(at) {
                bucket.level = bucket.level.min(0.0);
                bucket.at = self.held_until;
            }
        }
    }

    fn headroom(&self, now: Nanos) -> f64 {
        if self.held_until > now {
            return 0.0;
        }
        let part = |bucket: &Bucket| {
            let (left, top) = bucket.shown(now, self.part());
            left / top.max(1.0)
        };
        self.buckets.iter().flatten().map(part).fold(1.0, f64::min).max(0.0)
    }
}

impl Told {
    /// Refill of the whole, a second. A minute's limit that refills all the time is whole again within a minute; one that
    /// takes longer is a longer one's.
    fn rate(&self) -> Option<f64> {
        let limit = self.limit.filter(|&limit| limit > 0)? as f64;
        let seconds = self.reset.map_or(0.0, |reset| reset.as_secs_f64());
        let used = limit - self.remaining.map_or(limit, |left| left as f64);
        if seconds > MINUTE && used > 0.0 { Some((used / seconds).min(limit / MINUTE)) } else { Some(limit / MINUTE) }
    }
}

impl Bucket {
    fn level_at(&self, now: Nanos, part: Part) -> f64 {
        let refilled = self.at.until(now).as_secs_f64() * part.refill * self.rate;
        // What is above the top, after a cut of the share, neither grows nor is taken away.
        (self.level + refilled).min((part.level * self.ceiling).max(self.level))
    }

    /// What of the level a request of that cost may count on.
    fn usable(&self, cost: f64, part: Part) -> f64 {
        let top = part.level * self.cap;
        if cost <= top { self.level.min(top) } else { self.level }
    }

    /// How long until a request of that cost may go.
    fn wait(&self, cost: f64, part: Part) -> Duration {
        let top = part.level * self.cap;
        let needed = if cost <= top {
            (cost * (1.0 + KEPT_BACK * (1.0 - part.level))).min(top)
        } else {
            cost.min(part.level * self.ceiling)
        };
        let missing = needed - self.usable(cost, part);
        if cost <= 0.0 || missing <= 0.0 {
            return Duration::ZERO;
        }
        // A nanosecond more, so that rounding does not bring the caller back too early.
        let wait = Duration::try_from_secs_f64(missing / (part.refill * self.rate)).unwrap_or(Duration::MAX);
        Duration::from_nanos(nanos(wait).saturating_add(1))
    }

    /// What is left for us, and what that can be at most.
    fn shown(&self, now: Nanos, part: Part) -> (f64, f64) {
        let top = part.level * self.cap;
        (self.level_at(now, part).min(top), top)
    }
}

#[cfg(test)]
#[path = "shadow_tests.rs"]
mod tests;
