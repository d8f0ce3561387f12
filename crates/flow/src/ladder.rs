//! When calls that may go to a lower tier do, and when they come back.
//!
//! A graceful caller who finds no room in time steps down to a cheaper model instead of being refused. If each of his
//! calls found that out for itself, each would wait first, and at the edge of the limit every second call would be
//! answered by another model. So the step is a state of the primary: taken when a call could not be placed in time,
//! it holds for the calls after it, and is taken back only when the primary has had room to spare for a while.
//!
//! **Promises.** Between two steps lie at least [`HOLD`]. Going up needs [`HOLD`] of uninterrupted headroom above
//! [`HEADROOM`]; one look at less starts that time again.

use crate::time::Nanos;
use parking_lot::Mutex;
use std::time::Duration;

/// The shortest time between two steps, and how long there must be headroom before going up.
pub const HOLD: Duration = Duration::from_secs(30);
/// The part of a limit that must be left for it to count as headroom.
pub const HEADROOM: f64 = 0.2;

#[derive(Debug, Clone, Copy, Default)]
struct State {
    down: bool,
    /// The last step.
    stepped: Option<Nanos>,
    /// Since when there has been headroom without a break.
    roomy: Option<Nanos>,
}

/// Whether a primary's calls go to its lower tier.
#[derive(Debug, Default)]
pub struct Ladder(Mutex<State>);

impl Ladder {
    /// A ladder on its upper rung.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A call could not be placed at the primary in time.
    pub fn short(&self, now: Nanos) {
        let mut state = self.0.lock();
        state.roomy = None;
        if !state.down && long_ago(state.stepped, now) {
            *state = State { down: true, stepped: Some(now), roomy: None };
        }
    }

    /// Whether a call goes to the lower tier without trying the primary. `fill` is what the primary has left now, 0 to
    /// 1, of the limit of which it has least.
    pub fn is_down(&self, now: Nanos, fill: impl FnOnce() -> f64) -> bool {
        let mut state = self.0.lock();
        if !state.down {
            return false;
        }
        if fill() <= HEADROOM {
            state.roomy = None;
        } else if long_ago(Some(*state.roomy.get_or_insert(now)), now) && long_ago(state.stepped, now) {
            *state = State { down: false, stepped: Some(now), roomy: None };
        }
        state.down
    }
}

fn long_ago(then: Option<Nanos>, now: Nanos) -> bool {
    then.is_none_or(|then| u128::from(now.0.saturating_sub(then.0)) >= HOLD.as_nanos())
}

#[cfg(test)]
#[path = "ladder_tests.rs"]
mod tests;
