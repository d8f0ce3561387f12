//! Letting go evenly what a saturated window has to give.
//!
//! A window alone gives everything at once and then nothing until the first of it has left. Whoever has to wait anyway
//! is served better by a steady pace. The pace is the highest constant rate that can be kept from now on without ever
//! running into the window: for each number `h` of sub-buckets ahead, what is left now and what will have left the window
//! by then must last for `h` of them, and the tightest of these bounds decides. It is worked out anew whenever a
//! sub-bucket begins, and changes little while calls keep to it.
//!
//! Calls are held to the pace by a credit, in units of what the window counts. It grows at the pace, a call takes its
//! cost out of it and is let go while it is not negative, so a call dearer than a moment's pace goes first and keeps the
//! next ones waiting. The debt it leaves is part of the law: those units are charged to the window already but not yet
//! due by the pace, so they count as still left. What a call gives back is credited, since a pace that counted estimates
//! would leave unused what they were too high by. What it used on top is debited for one sub-bucket at most: the
//! window's law learns the rest when the next one begins.
//!
//! The window stays the guard. Pacing only ever refuses what the window would admit.

/// What calls have given back may go at once up to this many sub-buckets' worth. They give back long after they took,
/// when the pace has made up for it, and one sub-bucket's worth would not hold what one large call returns.
const RETURNED: f64 = 6.0;

/// A hair's breadth, in units: sums of fractions end beside zero.
const SLACK: f64 = 1e-6;

/// The pace of one window.
#[derive(Debug, Clone)]
pub(super) struct Pacer {
    /// Units in each sub-bucket.
    rate: f64,
    /// Units that may go at once; negative while what went ahead of the pace is not yet due.
    credit: f64,
    /// Up to when the credit has grown, in nanoseconds.
    at: u64,
    /// The sub-bucket for which the rate was worked out.
    part: Option<u64>,
}

impl Pacer {
    pub(super) const fn new() -> Self {
        Self { rate: 0.0, credit: 0.0, at: 0, part: None }
    }

    /// The units in each sub-bucket.
    pub(super) const fn rate(&self) -> f64 {
        self.rate
    }

    /// What may go at once, or what is not yet due.
    pub(super) const fn credit(&self) -> f64 {
        self.credit
    }

    /// Up to when the credit has grown.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    pub(super) fn is_of(&self, part: u64) -> bool {
        self.part == Some(part)
    }

    /// Whether the next call has to wait.
    #[inline]
    pub(super) fn is_in_debt(&self) -> bool {
        self.credit < -SLACK
    }

    /// From now on at this rate.
    pub(super) fn set(&mut self, part: u64, rate: f64) {
        self.rate = rate;
        self.part = Some(part);
    }

    /// The rate no longer holds; the debt does.
    pub(super) const fn forget_rate(&mut self) {
        self.part = None;
    }

    /// Nothing in use: nothing ahead of the pace.
    pub(super) const fn rest(&mut self) {
        self.credit = self.credit.max(0.0);
    }

    /// Lets the credit grow until `now`.
    #[inline]
    pub(super) fn grow(&mut self, now: u64, width: u64) {
        if now > self.at {
            let grown = self.credit + self.rate * (now - self.at) as f64 / width as f64;
            self.credit = grown.min(self.brim().max(self.credit));
            self.at = now;
        }
    }

    #[inline]
    pub(super) fn spend(&mut self, amount: u64) {
        self.credit -= amount as f64;
    }

    #[inline]
    pub(super) fn give_back(&mut self, amount: u64) {
        self.credit = (self.credit + amount as f64).min(self.credit.max(RETURNED * self.rate));
    }

    #[inline]
    pub(super) fn debit(&mut self, amount: u64) {
        let floor = -self.rate.max(1.0);
        self.credit = self.credit.min((self.credit - amount as f64).max(floor));
    }

    /// The most credit there can be: with the call that brings it below zero, one sub-bucket's worth, or one call.
    fn brim(&self) -> f64 {
        (self.rate - 1.0).max(0.0)
    }
}

/// How long a debt lasts at this rate, in nanoseconds; `None` if for ever.
pub(super) fn lasts(credit: f64, rate: f64, width: u64) -> Option<u64> {
    // Half of the slack, so that rounding does not make the answer too early.
    (rate > 0.0).then(|| (-(credit + SLACK / 2.0) / rate * width as f64).max(0.0).ceil() as u64)
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
