//! At what rate to send to a provider that tells no levels, only refusals.
//!
//! Two laws, since two things are refused. A quota that is not told is searched for as TCP searches for a link's
//! capacity: after a refusal the rate is cut to seven tenths of what was sent, then rises along a cubic curve, quickly
//! back to near the old rate, slowly around it, then faster and faster beyond. This is the law by which the AWS SDKs
//! adapt, with their constants. A rise that was too steep is answered with a gentler one: from what got through, a tenth
//! more each second.
//!
//! **One refusal alone says nothing of a rate.** A provider's clock and ours do not agree to the millisecond, and a quota
//! that is used to its edge is now and then overstepped by a single request. So a search begins with a second refusal
//! soon after the first, or with that of a request that was sent to find out.
//!
//! The rate that is built on is what was really sent, measured in half-second buckets and smoothed; it never rises above
//! twice that, so a time with little traffic earns no right to a flood.

use crate::time::{Nanos, nanos};
use std::time::Duration;

const SMOOTH: f64 = 0.8;
const BETA: f64 = 0.7;
const SCALE: f64 = 0.4;
const LEAST_RATE: f64 = 0.5;
const GROWTH: f64 = 1.1;
/// Seconds' worth that may go at once.
const BURST: f64 = 0.1;
const BUCKET: u64 = 500_000_000;
/// Refusals within this time of each other are of requests that were sent together.
const TOGETHER: Duration = Duration::from_secs(1);
/// A refusal this long after the one before is one alone.
const ALONE: Duration = Duration::from_secs(10);
/// Without a refusal for so long, the search is over.
const CALM: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Law {
    Cubic { peak: f64 },
    Gentle { from: f64 },
}

/// The sending rate of one account and model.
#[derive(Debug, Clone)]
pub(crate) struct Pulse {
    /// Requests a second, measured.
    measured: f64,
    count: f64,
    /// The half second under way.
    bucket: u64,
    law: Option<(Law, Nanos)>,
    /// When requests were refused last for want of a quota that is not told: the first of those sent together.
    refused_at: Option<Nanos>,
    tokens: f64,
    at: Nanos,
}

impl Pulse {
    pub(crate) fn new(now: Nanos) -> Self {
        Self { measured: 0.0, count: 0.0, bucket: now.0 / BUCKET, law: None, refused_at: None, tokens: 0.0, at: now }
    }

    /// How long until a request may go.
    pub(crate) fn wait(&mut self, now: Nanos) -> Duration {
        let Some(rate) = self.rate(now) else { return Duration::ZERO };
        self.tokens = (self.tokens + self.at.until(now).as_secs_f64() * rate).min((rate * BURST).max(1.0));
        self.at = self.at.max(now);
        let missing = 1.0 - self.tokens;
        if missing <= 0.0 {
            return Duration::ZERO;
        }
        let wait = Duration::try_from_secs_f64(missing / rate).unwrap_or(Duration::MAX);
        Duration::from_nanos(nanos(wait).saturating_add(1))
    }

    /// A request goes.
    pub(crate) fn sent(&mut self, now: Nanos) {
        self.tokens -= 1.0;
        self.count += 1.0;
        let bucket = now.0 / BUCKET;
        if bucket > self.bucket {
            let rate = self.count / ((bucket - self.bucket) as f64 * 0.5);
            self.measured = rate * SMOOTH + self.measured * (1.0 - SMOOTH);
            (self.count, self.bucket) = (0.0, bucket);
        }
    }

    /// A request was refused for want of a quota that is not told. `again`: it was sent to find out whether there is any
    /// after an earlier refusal.
    pub(crate) fn refused(&mut self, now: Nanos, again: bool) {
        let before = self.refused_at.map_or(Duration::MAX, |before| before.until(now));
        if before >= TOGETHER {
            self.refused_at = Some(now);
        }
        if !again && !(TOGETHER..ALONE).contains(&before) {
            return;
        }
        let rate = self.rate(now).map_or(self.measured, |rate| rate.min(self.measured));
        if rate > 0.0 {
            self.obey(Law::Cubic { peak: rate }, now);
        }
    }

    /// A request was refused because the rise was too steep.
    pub(crate) fn too_steep(&mut self, now: Nanos) {
        let rate = self.rate(now).map_or(self.measured, |rate| rate.min(self.measured));
        self.obey(Law::Gentle { from: (rate * BETA).max(LEAST_RATE) }, now);
    }

    fn obey(&mut self, law: Law, now: Nanos) {
        // Refusals of requests that were sent together are one.
        if self.law.is_none_or(|(_, since)| since.until(now) >= TOGETHER) {
            self.law = Some((law, now));
            (self.tokens, self.at) = (0.0, now);
        }
    }

    /// Requests a second that may go now; `None` for any number.
    pub(crate) fn rate(&self, now: Nanos) -> Option<f64> {
        let (law, since) = self.law.filter(|(_, since)| since.after(CALM) > now)?;
        let passed = since.until(now).as_secs_f64();
        let rate = match law {
            Law::Cubic { peak } => cubic(peak, passed),
            Law::Gentle { from } => from * GROWTH.powf(passed),
        };
        Some(rate.min(2.0 * self.measured).max(LEAST_RATE))
    }
}

/// The rate so many seconds after it was cut at `peak`.
fn cubic(peak: f64, seconds: f64) -> f64 {
    let back = (peak * (1.0 - BETA) / SCALE).cbrt();
    SCALE * (seconds - back).powi(3) + peak
}

#[cfg(test)]
#[path = "pulse_tests.rs"]
mod tests;
