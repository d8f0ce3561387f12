//! The part of a breaker that every call passes: one word.
//!
//! A call that finds the gate closed (in the sense of an electric circuit: current flows) reads one number and goes on.
//! Whether it is open or half open, until when, how many probes are out, and which period of its life this is, stands
//! in that same number, so that every change is one compare-and-swap and no two callers can both take the last probe.
//!
//! **Promises.** Never are more probes out than allowed. A probe given back makes room for exactly one other. What began
//! in one period of the gate's life has no effect in a later one.

use crate::atom::Word;
use crate::time::Nanos;

/// Times are kept in units of 2^24 ns, 17 ms, which lets 36 bits last for 36 years.
const UNIT_BITS: u32 = 24;
const UNTIL_BITS: u32 = 36;
const LATEST: u64 = (1 << UNTIL_BITS) - 1;
const PERIOD_MASK: u64 = (1 << 15) - 1;
/// The most probes that can be out.
pub(crate) const MOST_PROBES: u32 = (1 << 10) - 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Closed,
    Open,
    HalfOpen,
}

/// The word, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) phase: Phase,
    /// Open only because of its success rate, not because it is dead.
    pub(crate) on_rate: bool,
    probes: u32,
    period: u16,
    /// Open: until when. Half open: when the probes that are out no longer hold their places.
    until: u64,
}

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Go, in this period.
    Go(u16),
    /// Go as a probe, in this period; `first` if this probe opened the gate half.
    Probe { period: u16, first: bool },
    /// Stay away: until then, or, where probes are out, until they have been heard of.
    No { until: Option<Nanos>, on_rate: bool },
}

/// One gate.
#[derive(Debug)]
pub(crate) struct Gate<W>(W);

impl<W: Word> Gate<W> {
    pub(crate) fn new() -> Self {
        Self(W::new(View { phase: Phase::Closed, on_rate: false, probes: 0, period: 0, until: 0 }.packed()))
    }

    #[inline]
    pub(crate) fn view(&self) -> View {
        View::unpacked(self.0.get())
    }

    /// Asks to pass. At most `probes` are out at once; a probe that has not been heard of when `lease_end` has come no
    /// longer counts.
    #[inline]
    pub(crate) fn ask(&self, now: Nanos, probes: u32, lease_end: Nanos) -> Answer {
        let seen = self.view();
        if seen.phase == Phase::Closed {
            return Answer::Go(seen.period);
        }
        self.ask_for_probe(seen, now, probes, lease_end)
    }

    #[cold]
    fn ask_for_probe(&self, mut seen: View, now: Nanos, probes: u32, lease_end: Nanos) -> Answer {
        let most = probes.clamp(1, MOST_PROBES);
        let until = units_up(lease_end);
        loop {
            let due = seen.until <= now.0 >> UNIT_BITS;
            let wanted = match seen.phase {
                Phase::Closed => return Answer::Go(seen.period),
                Phase::HalfOpen if seen.probes < most => View { probes: seen.probes + 1, until, ..seen },
                Phase::Open | Phase::HalfOpen if due => {
                    View { phase: Phase::HalfOpen, probes: 1, until, ..seen.next_period() }
                }
                Phase::Open => return Answer::No { until: Some(seen.until()), on_rate: seen.on_rate },
                Phase::HalfOpen => return Answer::No { until: None, on_rate: seen.on_rate },
            };
            match self.0.replace(seen.packed(), wanted.packed()) {
                Ok(_) => return Answer::Probe { period: wanted.period, first: seen.phase == Phase::Open },
                Err(newer) => seen = View::unpacked(newer),
            }
        }
    }

    /// A probe of that period is over without a result.
    pub(crate) fn give_back(&self, period: u16) {
        self.change(|seen| {
            let counts = seen.phase == Phase::HalfOpen && seen.period == period;
            counts.then(|| View { probes: seen.probes.saturating_sub(1), ..seen })
        });
    }

    /// Opens it, whatever it was.
    pub(crate) fn open(&self, until: Nanos, on_rate: bool) {
        self.change(|seen| {
            Some(View { phase: Phase::Open, on_rate, probes: 0, until: units_up(until), ..seen.next_period() })
        });
    }

    /// Closes it.
    pub(crate) fn close(&self) {
        self.change(|seen| {
            Some(View { phase: Phase::Closed, on_rate: false, probes: 0, until: 0, ..seen.next_period() })
        });
    }

    fn change(&self, next: impl Fn(View) -> Option<View>) {
        let mut seen = self.0.get();
        while let Some(wanted) = next(View::unpacked(seen)) {
            match self.0.replace(seen, wanted.packed()) {
                Ok(_) => return,
                Err(newer) => seen = newer,
            }
        }
    }
}

impl View {
    pub(crate) const fn period(self) -> u16 {
        self.period
    }

    pub(crate) const fn until(self) -> Nanos {
        Nanos(self.until << UNIT_BITS)
    }

    /// Whether one that is not closed lets a probe go.
    pub(crate) fn has_place(self, now: Nanos, probes: u32) -> bool {
        let due = self.until <= now.0 >> UNIT_BITS;
        due || (self.phase == Phase::HalfOpen && self.probes < probes.clamp(1, MOST_PROBES))
    }

    const fn next_period(self) -> Self {
        Self { period: (self.period + 1) & PERIOD_MASK as u16, ..self }
    }

    #[inline]
    const fn packed(self) -> u64 {
        let phase = match self.phase {
            Phase::Closed => 0,
            Phase::Open => 1,
            Phase::HalfOpen => 2,
        };
        phase | (self.on_rate as u64) << 2 | (self.probes as u64) << 3 | (self.period as u64) << 13 | self.until << 28
    }

    #[inline]
    const fn unpacked(word: u64) -> Self {
        Self {
            phase: match word & 3 {
                0 => Phase::Closed,
                1 => Phase::Open,
                _ => Phase::HalfOpen,
            },
            on_rate: word >> 2 & 1 == 1,
            probes: (word >> 3) as u32 & MOST_PROBES,
            period: (word >> 13 & PERIOD_MASK) as u16,
            until: word >> 28,
        }
    }
}

/// A time in units, rounded up so that nothing happens early.
fn units_up(time: Nanos) -> u64 {
    time.0.div_ceil(1 << UNIT_BITS).min(LATEST)
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
