//! Whether a key works.
//!
//! A key can be out of order in three ways, and each heals differently. Errors one after another say that something
//! between us and the provider is wrong for this key; it is put aside for a while that doubles, and any success brings
//! it back. A key that was refused (401, 403) is suspect: perhaps revoked, perhaps only not spread yet. It is not used
//! but probed, after a minute, ten minutes, and then each hour, since keys do come back. A key without money or quota is
//! dead until the operator or time mends it, and is probed each ten minutes. What a provider refuses as too much says
//! nothing about the key; that is a matter of its quota, and a probe that meets it is sent again after the same time.
//!
//! **Promises.** A key that works costs a call two atomic operations. Of a key that is out, at most one probe is under way
//! at a time. A result of a call that began before the key was found suspect or dead does not bring it back.

use crate::egress::throttle::Throttle;
use crate::time::{Nanos, nanos};
use parking_lot::Mutex;
use sluicegate_vocabulary::AttemptResult;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// What a key is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Role {
    /// It is used.
    #[default]
    Primary,
    /// It is used when no primary can be.
    Standby,
    /// It is not used; what is under way ends.
    Held,
}

impl Role {
    const ALL: [Self; 3] = [Self::Primary, Self::Standby, Self::Held];

    /// The word for display.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Standby => "standby",
            Self::Held => "held",
        }
    }
}

/// How a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthState {
    /// It works.
    Healthy,
    /// Put aside after errors one after another.
    Cooling {
        /// When it is tried again.
        until: Nanos,
        /// How often it failed again when tried.
        attempt: u32,
    },
    /// The provider refused it.
    Suspect {
        /// When it may be probed.
        until: Nanos,
        /// How often a probe was refused.
        attempt: u32,
    },
    /// Its money or a long quota is used up.
    Dead {
        /// When it may be probed.
        until: Nanos,
    },
}

impl HealthState {
    /// The word for display.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Cooling { .. } => "cooling",
            Self::Suspect { .. } => "suspect",
            Self::Dead { .. } => "dead",
        }
    }
}

/// A key for display.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HealthStatus {
    /// How it is.
    pub state: HealthState,
    /// What it is there for.
    pub role: Role,
    /// Part of its calls that failed lately, 0 to 1; the last ten or so weigh most, and half is forgotten in ten seconds.
    pub error_rate: f64,
    /// Errors one after another.
    pub consecutive: u32,
    /// Calls under way.
    pub in_flight: u32,
    /// Calls made with it, those under way included.
    pub calls: u64,
}

/// Errors one after another that put a key aside.
const PUT_ASIDE: u32 = 5;
const COOL_FIRST: Duration = Duration::from_secs(1);
const COOL_LONGEST: Duration = Duration::from_secs(60);
/// After these a suspect key is probed; the last again and again.
const PROBE_SUSPECT: [Duration; 3] = [Duration::from_secs(60), Duration::from_secs(600), Duration::from_secs(3600)];
const PROBE_DEAD: Duration = Duration::from_secs(600);
/// A probe that is not heard of for so long no longer keeps others from being sent.
const PROBE_LEASE: Duration = Duration::from_secs(60);
/// What the newest result weighs in the error rate.
const WEIGHT: f64 = 0.1;
/// Seconds in which half of the error rate is forgotten, so that a key that is chosen no more for its errors is again.
const HALF_LIFE: f64 = 10.0;
/// An error rate below this is none.
const NEGLIGIBLE: f64 = 0.01;

/// More are never under way at once.
const IN_FLIGHT_BITS: u32 = 24;

/// One key's health.
#[derive(Debug, Default)]
pub struct Health {
    /// There is something to look at in `book`.
    unwell: AtomicBool,
    /// It was refused something, which need not be the key's fault.
    doubted: AtomicBool,
    role: AtomicU8,
    /// Calls made, above [`IN_FLIGHT_BITS`] bits of those that are under way.
    calls: AtomicU64,
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    state: HealthState,
    /// As it was at `weighed`.
    error_rate: f64,
    weighed: Nanos,
    consecutive: u32,
    /// A probe is under way, until then at the latest.
    probing: Option<Nanos>,
}

impl Default for Book {
    fn default() -> Self {
        Self { state: HealthState::Healthy, error_rate: 0.0, weighed: Nanos::ZERO, consecutive: 0, probing: None }
    }
}

/// Whether a key may be used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fitness {
    Fit,
    /// Put aside, and due to be tried.
    Retry,
    /// Put aside until then. Better than no key at all.
    Aside(Nanos),
    /// Suspect or dead, and due to be probed.
    Probe,
    /// Suspect or dead until then.
    Out(Nanos),
}

impl Health {
    /// A key of which nothing bad is known.
    #[must_use]
    pub fn new(role: Role) -> Self {
        Self { role: AtomicU8::new(role as u8), ..Self::default() }
    }

    /// What it is there for.
    #[must_use]
    #[inline]
    pub fn role(&self) -> Role {
        Role::ALL.get(usize::from(self.role.load(Ordering::Relaxed))).copied().unwrap_or_default()
    }

    /// Promotes, retires or holds it.
    pub fn set_role(&self, role: Role) {
        self.role.store(role as u8, Ordering::Relaxed);
    }

    /// The operator says that it works again.
    pub fn revive(&self) {
        let mut book = self.book.lock();
        *book = Book::default();
        self.unwell.store(false, Ordering::Relaxed);
    }

    /// The key for display.
    #[must_use]
    pub fn status(&self, now: Nanos) -> HealthStatus {
        let book = self.book.lock();
        HealthStatus {
            state: book.state,
            role: self.role(),
            error_rate: book.error_rate_at(now),
            consecutive: book.consecutive,
            in_flight: self.in_flight(),
            calls: self.calls.load(Ordering::Relaxed) >> IN_FLIGHT_BITS,
        }
    }

    /// Calls under way.
    #[must_use]
    #[inline]
    pub fn in_flight(&self) -> u32 {
        (self.calls.load(Ordering::Relaxed) & ((1 << IN_FLIGHT_BITS) - 1)) as u32
    }

    #[inline]
    pub(crate) fn begin(&self) {
        self.calls.fetch_add((1 << IN_FLIGHT_BITS) | 1, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn end(&self) {
        self.calls.fetch_sub(1, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn fitness(&self, now: Nanos) -> Fitness {
        if self.unwell.load(Ordering::Relaxed) { self.book.lock().fitness(now) } else { Fitness::Fit }
    }

    #[inline]
    pub(crate) fn error_rate(&self, now: Nanos) -> f64 {
        if self.unwell.load(Ordering::Relaxed) { self.book.lock().error_rate_at(now) } else { 0.0 }
    }

    /// Whether it is suspect or dead and due to be probed.
    #[must_use]
    pub fn wants_probe(&self, now: Nanos) -> bool {
        self.fitness(now) == Fitness::Probe
    }

    /// It was refused what it may not do, or it may do nothing any more. It stays in use until somebody has asked.
    pub(crate) fn doubt(&self) {
        self.doubted.store(true, Ordering::Relaxed);
    }

    /// Whether it should be asked if the key is still taken. Says so once for each doubt.
    #[must_use]
    pub fn take_doubt(&self) -> bool {
        self.doubted.load(Ordering::Relaxed) && self.doubted.swap(false, Ordering::Relaxed)
    }

    /// Takes the one place for a probe, if the key is due to be tried.
    pub(crate) fn take_probe(&self, now: Nanos) -> bool {
        let mut book = self.book.lock();
        let due = matches!(book.fitness(now), Fitness::Retry | Fitness::Probe);
        if due {
            book.probing = Some(now.after(PROBE_LEASE));
        }
        due
    }

    /// Gives the place for a probe back.
    pub(crate) fn give_back_probe(&self) {
        self.book.lock().probing = None;
    }

    /// Hears how a call with this key went. `probe` is whether it was one; `draw` a number between 0 and 1 by chance.
    pub(crate) fn record(&self, result: AttemptResult, throttle: Option<Throttle>, probe: bool, now: Nanos, draw: f64) {
        if result == AttemptResult::Ok && !self.unwell.load(Ordering::Relaxed) {
            return;
        }
        let spent = throttle == Some(Throttle::Billing);
        let mut book = self.book.lock();
        match result {
            _ if spent => book.dead(probe, now),
            AttemptResult::Ok => book.good(probe, now),
            AttemptResult::AuthError => book.refused(probe, now),
            AttemptResult::Connect | AttemptResult::ServerError | AttemptResult::Timeout | AttemptResult::Broken => {
                book.bad(probe, now, draw);
            }
            AttemptResult::RateLimited | AttemptResult::Overloaded if probe => book.undecided(now),
            AttemptResult::RateLimited
            | AttemptResult::Overloaded
            | AttemptResult::ClientError
            | AttemptResult::Cancelled => {}
        }
        let unwell = book.state != HealthState::Healthy || book.consecutive > 0 || book.error_rate > 0.0;
        self.unwell.store(unwell, Ordering::Relaxed);
    }
}

impl Book {
    fn fitness(&self, now: Nanos) -> Fitness {
        let probing = self.probing.filter(|until| *until > now);
        let (until, cooling) = match self.state {
            HealthState::Healthy => return Fitness::Fit,
            HealthState::Cooling { until, .. } => (until, true),
            HealthState::Suspect { until, .. } | HealthState::Dead { until } => (until, false),
        };
        let until = probing.map_or(until, |probing| probing.max(until));
        match (cooling, until <= now) {
            (true, true) => Fitness::Retry,
            (true, false) => Fitness::Aside(until),
            (false, true) => Fitness::Probe,
            (false, false) => Fitness::Out(until),
        }
    }

    fn error_rate_at(&self, now: Nanos) -> f64 {
        let rate = self.error_rate * 0.5_f64.powf(self.weighed.until(now).as_secs_f64() / HALF_LIFE);
        if rate < NEGLIGIBLE { 0.0 } else { rate }
    }

    fn weigh(&mut self, error: f64, now: Nanos) {
        let rate = self.error_rate_at(now);
        self.error_rate = rate + (error - rate) * WEIGHT;
        self.weighed = self.weighed.max(now);
        self.error_rate = self.error_rate_at(now);
    }

    fn good(&mut self, probe: bool, now: Nanos) {
        self.weigh(0.0, now);
        match self.state {
            HealthState::Suspect { .. } | HealthState::Dead { .. } if !probe => {}
            _ => {
                self.state = HealthState::Healthy;
                self.consecutive = 0;
            }
        }
    }

    fn bad(&mut self, probe: bool, now: Nanos, draw: f64) {
        self.weigh(1.0, now);
        self.consecutive = self.consecutive.saturating_add(1);
        let attempt = match self.state {
            HealthState::Healthy if self.consecutive >= PUT_ASIDE => 0,
            HealthState::Cooling { attempt, .. } if probe => attempt.saturating_add(1),
            _ if probe => return self.undecided(now),
            _ => return,
        };
        let longest = COOL_FIRST.saturating_mul(1 << attempt.min(16)).min(COOL_LONGEST);
        let until = now.after(longest.mul_f64(0.5 + 0.5 * draw.clamp(0.0, 1.0)));
        self.state = HealthState::Cooling { until, attempt };
    }

    /// A probe has shown nothing new about the key: look again later.
    fn undecided(&mut self, now: Nanos) {
        match self.state {
            HealthState::Suspect { attempt, .. } => self.suspect(attempt, now),
            HealthState::Dead { .. } => self.dead(true, now),
            HealthState::Healthy | HealthState::Cooling { .. } => {}
        }
    }

    fn refused(&mut self, probe: bool, now: Nanos) {
        match self.state {
            HealthState::Suspect { attempt, .. } if probe => self.suspect(attempt.saturating_add(1), now),
            HealthState::Suspect { .. } => {}
            HealthState::Dead { .. } if !probe => {}
            _ => self.suspect(0, now),
        }
    }

    fn suspect(&mut self, attempt: u32, now: Nanos) {
        let wait = PROBE_SUSPECT.get(attempt as usize).or(PROBE_SUSPECT.last()).copied().unwrap_or_default();
        self.state = HealthState::Suspect { until: Nanos(now.0.saturating_add(nanos(wait))), attempt };
    }

    fn dead(&mut self, probe: bool, now: Nanos) {
        if probe || !matches!(self.state, HealthState::Dead { .. }) {
            self.state = HealthState::Dead { until: now.after(PROBE_DEAD) };
        }
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
