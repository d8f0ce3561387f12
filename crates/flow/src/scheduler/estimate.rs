//! How long a call would wait.
//!
//! Before its turn come those who are there already and those who come later and are served first all the same: the
//! upper classes by their weights, other flows of its class until they have been served as much as its own. How much
//! comes later depends on how long it takes, so the time is looked for from above: from the longest that weights and
//! order allow, down to where it agrees with what can have come by then.
//!
//! To be told at once, a call that will not make it must be recognised when it comes, and one that makes it must not be
//! turned away. As long as nobody of its class has had to be turned away, what is expected of the others is what has
//! lasted; from then on, a little more than is likely (see [`super::rate`]).

use super::fair::{CLASSES, pick};
use super::line::Line;
use crate::ask::Ask;
use crate::time::Nanos;
use std::time::Duration;

/// In how many steps at most the time is approached, and how close is close enough.
const ROUNDS: usize = 16;
const CLOSE: f64 = 0.001;

impl Line {
    /// Whether a new call goes before this long has passed, even if all that wait and all that come go before it. What
    /// most calls find out when they come, for less work than [`Self::expected`].
    pub(super) fn surely_within(&self, now: Nanos, ask: &Ask, within: Duration) -> bool {
        let Some(pace) = self.pace(now) else { return true };
        let seconds = within.as_secs_f64();
        let coming = self.at_most_coming();
        let before = CLASSES.into_iter().map(|class| {
            let there = self.queue.backlog(class).amount as f64;
            there + pick(&coming, class).within(seconds)
        });
        let all = before.sum::<f64>() + ask.cost.of(self.limit.kind()) as f64;
        all / pace + self.closed_for(now).as_secs_f64() <= seconds
    }

    /// How long a new call of this flow would wait for its turn here and for room; zero while nobody knows the pace.
    /// With nothing asked and no `cost`, how long until all that waits of the flow has gone.
    pub(super) fn expected(&self, now: Nanos, flow: u64, ask: &Ask, cost: u64) -> Duration {
        let Some(pace) = self.pace(now) else { return Duration::ZERO };
        let amount = ask.cost.of(self.limit.kind());
        let ratio = self.ratio(ask, cost, amount);
        let own_ratio = *pick(&ratio, ask.class);
        let ahead = self.queue.ahead(now, ask.class, flow);
        let mine = ahead.cost as f64 * own_ratio + amount as f64;
        // Of the own class those count who are not of the own flow.
        let even = ahead.others as f64 / (ahead.others as f64 + 1.0);
        let coming = self.coming(now, ask.class);
        let of_class = self.came(now, ask.class);
        let not_own = if of_class > 0.0 { even.min(1.0 - (ahead.own / of_class).min(1.0)) } else { even };
        let overtaken = |seconds: f64| {
            let come = pick(&coming, ask.class).within(seconds) * not_own;
            come.min(ahead.overtaking as f64 * own_ratio)
        };
        let total = |seconds: f64| {
            let overtaken = overtaken(seconds);
            let class_cost = ahead.cost.saturating_add(cost).saturating_add((overtaken / own_ratio) as u64);
            let others = CLASSES.into_iter().filter(|&class| class != ask.class).map(|class| {
                let allowed = self.queue.allowance(now, class, ask.class, class_cost) as f64 * pick(&ratio, class);
                let there = self.queue.backlog(class).amount as f64;
                allowed.min(there + pick(&coming, class).within(seconds))
            });
            (mine + overtaken + others.sum::<f64>()) / pace
        };
        let mut time = total(f64::MAX);
        for _ in 0..ROUNDS {
            let before = time;
            time = total(before);
            if before - time <= time * CLOSE {
                break;
            }
        }
        // Until there is room at all may take longer than making room for one call.
        let first = self.closed_for(now).as_secs_f64();
        Duration::try_from_secs_f64(time + (first - amount as f64 / pace).max(0.0)).unwrap_or(Duration::MAX)
    }

    /// How long there is no room at all, as far as that is known.
    fn closed_for(&self, now: Nanos) -> Duration {
        self.wake.map_or(Duration::ZERO, |wake| now.until(wake))
    }

    /// How much of the limit goes with a unit of cost, in each class: by what waits, else as for this call, else as for
    /// all that wait.
    fn ratio(&self, ask: &Ask, cost: u64, amount: u64) -> [f64; 4] {
        let of = |cost: u64, amount: u64| (cost > 0 && amount > 0).then(|| amount as f64 / cost as f64);
        let all = CLASSES.map(|class| self.queue.backlog(class));
        let mean = || of(all.iter().map(|class| class.cost).sum(), all.iter().map(|class| class.amount).sum());
        let own = pick(&all, ask.class);
        let default = of(cost, amount).or_else(|| of(own.cost, own.amount)).or_else(mean).unwrap_or(1.0);
        all.map(|class| of(class.cost, class.amount).unwrap_or(default))
    }
}
