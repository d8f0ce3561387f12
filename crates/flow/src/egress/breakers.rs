//! The breakers of targets that can stand in for each other.
//!
//! A single breaker cannot know whether anybody else is left. When most of a group are out, the fault is more likely in
//! what they share (the network, the calls, this machine) than in each of them, and a target that succeeds now and then
//! is better than none. So whoever is out for its success rate alone is asked after all once more than half of the group
//! are out. Who is dead (failures one after another) stays out.
//!
//! **Promise.** The last target is never out on its success rate alone.

use crate::egress::breaker::{Breaker, Isolated, Pass};
use crate::time::Nanos;
use std::sync::Arc;

/// Breakers of targets that can stand in for each other. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Breakers(Arc<[Arc<Breaker>]>);

impl Breakers {
    /// A group of these. One that comes twice counts once.
    #[must_use]
    pub fn new(members: impl IntoIterator<Item = Arc<Breaker>>) -> Self {
        let mut distinct: Vec<Arc<Breaker>> = Vec::new();
        for member in members {
            if !distinct.iter().any(|earlier| Arc::ptr_eq(earlier, &member)) {
                distinct.push(member);
            }
        }
        Self(distinct.into())
    }

    /// The members, in order.
    #[must_use]
    pub fn members(&self) -> &[Arc<Breaker>] {
        &self.0
    }

    /// Asks to call one of the targets.
    ///
    /// # Errors
    /// The target is isolated and others are left, or it is dead.
    #[inline]
    pub fn admit(&self, target: &Arc<Breaker>, now: Nanos) -> Result<Pass, Isolated> {
        target.admit(now).or_else(|isolated| self.last_resort(isolated))
    }

    #[cold]
    fn last_resort(&self, isolated: Isolated) -> Result<Pass, Isolated> {
        let most_are_out = || self.0.iter().filter(|member| !member.is_closed()).count() * 2 > self.0.len();
        if isolated.on_rate && most_are_out() { Ok(Pass::last_resort()) } else { Err(isolated) }
    }
}

#[cfg(test)]
#[path = "breakers_tests.rs"]
mod tests;
