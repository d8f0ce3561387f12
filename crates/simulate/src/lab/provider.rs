//! What calls go to: a provider with limits of its own, which it enforces.
//!
//! It counts by an exact log of what it admitted, not by the counters that are under test, so that it can catch them
//! letting one call too many through. And it is as unforgiving as real ones: what exceeds a limit is refused with a
//! 429 at once, and where [`Provider::failures_count`] is set, the refused attempt is charged like an admitted one.

use super::call::Call;
use super::draw::Draw;
use sluicegate_flow::Nanos;
use std::collections::VecDeque;
use std::time::Duration;

/// A provider as it is set up.
#[derive(Debug, Clone, PartialEq)]
pub struct Provider {
    /// Its limits on rates. None: it admits everything.
    pub ceilings: Vec<Ceiling>,
    /// Calls it works on at once; one more is refused.
    pub concurrency: Option<u32>,
    /// Attempts that are refused count against limits on requests, too.
    pub failures_count: bool,
    /// From the start of work to the first token.
    pub first_token: Duration,
    /// Pace of the tokens after it.
    pub tokens_per_second: f64,
    /// Share of calls (0 to 1) that fail with a server error after the time to the first token.
    pub error_rate: f64,
}

impl Default for Provider {
    fn default() -> Self {
        Self {
            ceilings: Vec::new(),
            concurrency: None,
            failures_count: false,
            first_token: Duration::from_millis(400),
            tokens_per_second: 80.0,
            error_rate: 0.0,
        }
    }
}

impl Provider {
    /// How long a call of this many tokens of output takes.
    #[must_use]
    pub fn service(&self, tokens_out: f64) -> Duration {
        let writing = if self.tokens_per_second > 0.0 { tokens_out / self.tokens_per_second } else { 0.0 };
        self.first_token + Duration::from_secs_f64(writing.clamp(0.0, 86_400.0))
    }
}

/// What a ceiling counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Calls.
    Requests,
    /// Tokens of input and output together, as they turn out, charged at admission.
    Tokens,
}

/// A limit on a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceiling {
    /// Of what.
    pub counted: Counted,
    /// How much.
    pub amount: u64,
    /// In what time.
    pub window: Duration,
    /// How it is meant.
    pub form: Form,
}

/// How a ceiling is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Never more in any stretch of the window's length.
    Window,
    /// A bucket of this capacity that refills at the rate.
    Bucket {
        /// What a full bucket holds.
        capacity: u64,
    },
}

/// What the provider says to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It works on the call until then.
    Accepted {
        /// When the first token leaves, or the error.
        first_token: Nanos,
        /// When it is done.
        done: Nanos,
        /// It will have failed with a server error.
        fails: bool,
    },
    /// 429.
    Refused,
}

/// A provider at work.
pub(crate) struct AtWork<'a> {
    provider: &'a Provider,
    meters: Vec<Meter>,
    in_flight: u32,
    draw: Draw,
}

impl<'a> AtWork<'a> {
    pub(crate) fn new(provider: &'a Provider, seed: u64) -> Self {
        let meters = provider.ceilings.iter().map(|ceiling| Meter::new(*ceiling)).collect();
        Self { provider, meters, in_flight: 0, draw: Draw::new(seed, 4) }
    }

    /// An attempt arrives.
    pub(crate) fn offer(&mut self, now: Nanos, call: &Call) -> Verdict {
        let room = self.provider.concurrency.is_none_or(|most| self.in_flight < most);
        let mut fits = room;
        for meter in &mut self.meters {
            fits &= meter.fits(now, call);
        }
        if !fits {
            if self.provider.failures_count {
                let counted = self.meters.iter_mut().filter(|meter| meter.ceiling.counted == Counted::Requests);
                counted.for_each(|meter| meter.charge(now, 1));
            }
            return Verdict::Refused;
        }
        for meter in &mut self.meters {
            meter.charge(now, meter.amount(call));
        }
        self.in_flight += 1;
        let fails = self.provider.error_rate > 0.0 && self.draw.unit() < self.provider.error_rate;
        let first_token = now.after(self.provider.first_token);
        let service = call.service.unwrap_or_else(|| self.provider.service(f64::from(call.tokens_out)));
        let done = if fails { first_token } else { now.after(service) };
        Verdict::Accepted { first_token: first_token.min(done), done, fails }
    }

    /// It is done with a call it had accepted.
    pub(crate) const fn done(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }
}

/// Counts for one ceiling.
#[derive(Debug)]
struct Meter {
    ceiling: Ceiling,
    /// A window's admissions that still count, oldest first, and their sum.
    log: VecDeque<(Nanos, u64)>,
    sum: u64,
    /// A bucket's content at `as_of`.
    level: f64,
    as_of: Nanos,
}

impl Meter {
    fn new(ceiling: Ceiling) -> Self {
        let level = match ceiling.form {
            Form::Bucket { capacity } => capacity as f64,
            Form::Window => 0.0,
        };
        Self { ceiling, log: VecDeque::new(), sum: 0, level, as_of: Nanos::ZERO }
    }

    const fn amount(&self, call: &Call) -> u64 {
        match self.ceiling.counted {
            Counted::Requests => 1,
            Counted::Tokens => call.used(),
        }
    }

    fn fits(&mut self, now: Nanos, call: &Call) -> bool {
        let amount = self.amount(call);
        match self.ceiling.form {
            Form::Window => {
                while let Some((at, gone)) = self.log.front().copied() {
                    if at.after(self.ceiling.window) > now {
                        break;
                    }
                    self.sum -= gone;
                    self.log.pop_front();
                }
                self.sum + amount <= self.ceiling.amount
            }
            Form::Bucket { capacity } => {
                let rate = self.ceiling.amount as f64 / self.ceiling.window.as_secs_f64().max(1e-9);
                let gained = self.as_of.until(now).as_secs_f64() * rate;
                self.level = (self.level + gained).min(capacity as f64);
                self.as_of = now;
                // A hair less will do: the level is a sum of many roundings.
                self.level + 1e-6 >= amount as f64
            }
        }
    }

    fn charge(&mut self, now: Nanos, amount: u64) {
        match self.ceiling.form {
            Form::Window => {
                self.log.push_back((now, amount));
                self.sum += amount;
            }
            Form::Bucket { .. } => self.level -= amount as f64,
        }
    }
}

#[cfg(test)]
#[path = "provider_tests.rs"]
mod tests;
