//! Who is next: start-time fair queueing on cost, in two levels.
//!
//! A limit that is short has one stream of room and many who want it. Serving by strict priority starves the lower
//! classes; taking turns by calls gives most to whoever sends the largest. Start-time fair queueing does neither. Each
//! class has a *tag*, the virtual time at which its next call starts; the class with the smallest tag is served, and its
//! tag moves on by the call's cost divided by the class's weight. Inside a class the same is done among its flows (one
//! flow is one key), all of weight one. Inside a flow calls are served in the order in which they arrived.
//!
//! *Virtual time* is the tag of the one served last. Whoever comes back after a pause has its tag lifted to it, so
//! nobody saves up credit by staying away. It is never lowered to it: a flow that was found to have used more than
//! was estimated keeps that debt through its pauses, for [`KEEP`].
//!
//! **Promises.** While two classes both wait, what they have been served differs, divided by their weights, by at most
//! one call of each; so does what two flows of a class have been served. The same holds for what was really used, as
//! far as [`FairQueue::correct`] is told. No operation looks at more than the logarithm of what waits, save
//! [`FairQueue::ahead`], which looks at no more than a constant number of flows. What is remembered of flows that do
//! not wait is bounded in number and in time.

use super::pair::Pair;
use super::rate::{Mean, Memory};
use super::run::Run;
use crate::hash::NumberMap;
use crate::kept::give_back_memory;
use crate::time::Nanos;
use sluicegate_vocabulary::Priority;
use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Duration;

/// The classes from the lowest to the highest, at the index that `Priority as usize` gives.
pub(crate) const CLASSES: [Priority; 4] = [Priority::Low, Priority::Normal, Priority::High, Priority::Critical];
/// How long the tag of a class or flow is remembered while nothing of it waits.
pub(crate) const KEEP: Duration = Duration::from_secs(300);
/// Flows that do not wait are remembered in two generations; this many in the younger make it the older, or as many as
/// wait if those are more.
const KEPT_FLOWS: usize = 4_096;
/// Virtual time per unit of cost for a class of weight one. Leaves an error under a thousandth for any weight to ten
/// times the default.
const UNIT: u64 = 1 << 10;
/// No call counts for more than this, so that no tag comes near the end of virtual time.
const LARGEST: u64 = 1 << 32;
/// How many flows [`FairQueue::ahead`] looks at one by one.
const LOOKED_AT: usize = 64;

/// One place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The class.
    pub class: Priority,
    /// The flow inside the class: whose call it is.
    pub flow: u64,
    /// The place among the calls of its flow: smaller is earlier. No two in a queue may have the same.
    pub order: u64,
    /// What the call counts for when shares are compared: its tokens.
    pub cost: u64,
    /// What it will take of the limit, in the limit's own unit.
    pub amount: u64,
}

/// How much waits in a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Calls.
    pub calls: usize,
    /// Their costs together.
    pub cost: u64,
    /// Their amounts together.
    pub amount: u64,
}

/// What stands between a call and its turn in its class.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Ahead {
    /// The cost that waits and is served before it, of its own flow and of others.
    pub cost: u64,
    /// The cost that others who come later may be served before it at most: all flows of late, each up to the tag at
    /// which its turn comes.
    pub overtaking: u64,
    /// How many other flows there have been of late.
    pub others: usize,
    /// What comes of its own flow in a second of late, by amount.
    pub own: f64,
}

impl Backlog {
    fn add(&mut self, take: Take) {
        self.calls += 1;
        self.cost = self.cost.saturating_add(take.cost);
        self.amount = self.amount.saturating_add(take.amount);
    }

    fn take_off(&mut self, take: Take) {
        self.calls = self.calls.saturating_sub(1);
        self.cost = self.cost.saturating_sub(take.cost);
        self.amount = self.amount.saturating_sub(take.amount);
    }
}

/// The queue of one limit. See the module's text.
#[derive(Debug)]
pub struct FairQueue {
    weights: [u32; 4],
    virtual_time: u64,
    memory: Memory,
    classes: [Class; 4],
}

#[derive(Debug, Default)]
struct Class {
    tag: u64,
    idle_since: Nanos,
    virtual_time: u64,
    backlog: Backlog,
    /// The flows that wait, and those that are remembered. They stand together, since most of those who come have been
    /// here before and will be again.
    flows: NumberMap<u64, Flow>,
    /// Those that wait, by tag.
    order: BTreeSet<Pair>,
    kept: Kept,
}

#[derive(Debug, Default)]
struct Flow {
    tag: u64,
    cost: u64,
    /// By their order.
    places: Run<u64, Take>,
    arrivals: Mean,
    /// Of one that does not wait: since when, and its generation. Zero for one that waits.
    since: Nanos,
    generation: u64,
}

impl Flow {
    /// It does not wait any more.
    fn rest(&mut self, now: Nanos, kept: &mut Kept) {
        (self.places, self.arrivals) = Default::default();
        self.since = now;
        self.generation = kept.enter(now);
    }
}

/// What a place takes.
#[derive(Debug, Clone, Copy)]
struct Take {
    cost: u64,
    amount: u64,
}

impl Take {
    const fn at(self, class: Priority, flow: u64, order: u64) -> Place {
        let Self { cost, amount } = self;
        Place { class, flow, order, cost, amount }
    }
}

impl FairQueue {
    /// An empty queue. Weights are in the order low, normal, high, critical; zero counts as one.
    #[must_use]
    pub fn new(weights: [u32; 4]) -> Self {
        let mut queue =
            Self { weights: [1; 4], virtual_time: 0, memory: Memory::default(), classes: Default::default() };
        queue.set_weights(weights);
        queue
    }

    /// Serves by these weights from now on. What has been served stays as it was counted.
    pub fn set_weights(&mut self, weights: [u32; 4]) {
        self.weights = weights.map(|weight| weight.max(1));
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.classes.iter().map(|class| class.backlog.calls).sum()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.classes.iter().all(|class| class.backlog.calls == 0)
    }

    /// How much waits in a class.
    #[must_use]
    pub fn backlog(&self, class: Priority) -> Backlog {
        self.class(class).backlog
    }

    /// A call of this class comes that may wait for so long.
    pub(super) fn note_patience(&mut self, class: Priority, patience: Duration) {
        self.memory.note(class, patience.as_secs_f64());
    }

    /// How far back is looked to say what will come.
    pub(super) const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Has a flow fetched from memory while something else is done.
    #[inline]
    pub(super) fn fetch(&self, class: Priority, flow: u64) {
        black_box(self.class(class).flows.get(&flow).map(|flow| flow.tag));
    }

    /// Takes a place. Costs are counted from 1 to 2^32.
    pub fn push(&mut self, now: Nanos, place: Place) {
        let place = Place { cost: place.cost.clamp(1, LARGEST), ..place };
        let (virtual_time, memory) = (self.virtual_time, self.memory);
        let class = self.class_mut(place.class);
        if class.backlog.calls == 0 {
            class.tag = returning(class.tag, class.idle_since, virtual_time, now);
        }
        class.push(now, &memory, place);
    }

    /// The class that is served next, of those for which `eligible` holds; among equals the higher one.
    #[must_use]
    pub fn next_class(&self, eligible: impl Fn(Priority) -> bool) -> Option<Priority> {
        let waiting = CLASSES.into_iter().rev().filter(|&class| self.class(class).backlog.calls > 0 && eligible(class));
        waiting.min_by_key(|&class| self.class(class).tag)
    }

    /// The flow that a class serves next.
    #[must_use]
    pub fn next_flow(&self, class: Priority) -> Option<u64> {
        self.class(class).order.first().map(|pair| pair.both().1)
    }

    /// The oldest place of a flow.
    #[must_use]
    pub fn oldest(&self, class: Priority, flow: u64) -> Option<u64> {
        self.class(class).flows.get(&flow)?.places.first().map(|&(order, _)| order)
    }

    /// The newest place of a flow.
    #[must_use]
    pub fn newest(&self, class: Priority, flow: u64) -> Option<u64> {
        self.class(class).flows.get(&flow)?.places.last().map(|&(order, _)| order)
    }

    /// Whether this place is next by tags and by arrival.
    #[must_use]
    pub fn is_next(&self, class: Priority, flow: u64, order: u64) -> bool {
        self.next_flow(class) == Some(flow)
            && self.next_class(|_| true) == Some(class)
            && self.oldest(class, flow) == Some(order)
    }

    /// The place that is next by tags and by arrival.
    #[must_use]
    pub fn next(&self) -> Option<Place> {
        let class = self.next_class(|_| true)?;
        let flow = self.next_flow(class)?;
        let &(order, take) = self.class(class).flows.get(&flow)?.places.first()?;
        Some(take.at(class, flow, order))
    }

    /// Gives up a place without having been served: nobody's tag moves.
    pub fn remove(&mut self, now: Nanos, class: Priority, flow: u64, order: u64) -> Option<Place> {
        let take = self.class_mut(class).remove(now, flow, order, false)?;
        Some(take.at(class, flow, order))
    }

    /// Serves a place: virtual time and the tags of its class and flow move on.
    pub fn serve(&mut self, now: Nanos, class: Priority, flow: u64, order: u64) -> Option<Place> {
        let weight = self.weight(class);
        let served = self.class_mut(class);
        let take = served.remove(now, flow, order, true)?;
        let tag = served.tag;
        served.tag = tag.saturating_add(take.cost.saturating_mul(UNIT) / weight);
        self.virtual_time = self.virtual_time.max(tag);
        Some(take.at(class, flow, order))
    }

    /// Corrects what a class and a flow have been charged, by what a call used beyond its cost, or less.
    pub fn correct(&mut self, now: Nanos, class: Priority, flow: u64, beyond: i64) {
        let beyond = beyond.clamp(-(LARGEST as i64), LARGEST as i64);
        let weight = self.weight(class);
        let class = self.class_mut(class);
        let scaled = beyond.saturating_mul(UNIT as i64) / weight as i64;
        class.tag = class.tag.saturating_add_signed(scaled);
        class.correct(now, flow, beyond);
    }

    /// What stands between a new call of this flow and its turn in its class. Exact for up to 64 flows that come before
    /// it, and not too little for more.
    #[must_use]
    pub fn ahead(&self, now: Nanos, class: Priority, flow: u64) -> Ahead {
        self.class(class).ahead(now, &self.memory, flow)
    }

    /// What a class is served at most while another is served `cost`: what its weight and its tag allow.
    #[must_use]
    pub fn allowance(&self, now: Nanos, other: Priority, class: Priority, cost: u64) -> u64 {
        let tag = |class: Priority| {
            let state = self.class(class);
            let waits = state.backlog.calls > 0;
            if waits { state.tag } else { returning(state.tag, state.idle_since, self.virtual_time, now) }
        };
        let until = tag(class).saturating_add(cost.saturating_mul(UNIT) / self.weight(class));
        until.saturating_sub(tag(other)).saturating_mul(self.weight(other)) / UNIT
    }

    /// Whether anything of those that do not wait is still remembered and of use: with one flow alone there is nobody
    /// to whom it could owe.
    #[must_use]
    pub fn remembers(&self, now: Nanos) -> bool {
        let classes = self.classes.iter().filter(|class| class.kept.live(now));
        classes.map(|class| class.kept.len()).sum::<usize>() > 1
    }

    fn weight(&self, class: Priority) -> u64 {
        u64::from(*pick(&self.weights, class))
    }

    fn class(&self, class: Priority) -> &Class {
        pick(&self.classes, class)
    }

    #[expect(clippy::indexing_slicing, reason = "there are four classes and four of each")]
    fn class_mut(&mut self, class: Priority) -> &mut Class {
        &mut self.classes[class as usize]
    }
}

impl Class {
    fn push(&mut self, now: Nanos, memory: &Memory, place: Place) {
        let flow = self.flows.entry(place.flow).or_default();
        if flow.places.is_empty() {
            self.kept.leave(std::mem::take(&mut flow.generation));
            flow.tag = returning(flow.tag, flow.since, self.virtual_time, now);
            self.order.insert(Pair::of(flow.tag, place.flow));
        }
        let take = Take { cost: place.cost, amount: place.amount };
        flow.cost = flow.cost.saturating_add(place.cost);
        flow.arrivals.add(now, memory, place.amount);
        flow.places.insert(place.order, take);
        self.backlog.add(take);
    }

    /// Takes a place away, and moves its flow's tag on if it is served.
    fn remove(&mut self, now: Nanos, flow: u64, order: u64, served: bool) -> Option<Take> {
        self.forget(now);
        let state = self.flows.get_mut(&flow)?;
        let take = state.places.remove(order)?;
        self.backlog.take_off(take);
        state.cost = state.cost.saturating_sub(take.cost);
        let was = state.tag;
        if served {
            state.tag = was.saturating_add(take.cost);
            self.virtual_time = self.virtual_time.max(was);
        }
        if state.places.is_empty() {
            self.order.remove(&Pair::of(was, flow));
            state.rest(now, &mut self.kept);
        } else if served {
            self.order.remove(&Pair::of(was, flow));
            self.order.insert(Pair::of(state.tag, flow));
        }
        if self.backlog.calls == 0 {
            self.idle_since = now;
        }
        Some(take)
    }

    fn correct(&mut self, now: Nanos, flow: u64, beyond: i64) {
        self.forget(now);
        let present = self.virtual_time;
        let state = self.flows.entry(flow).or_insert_with(|| Flow { tag: present, ..Flow::default() });
        let was = state.tag;
        state.tag = was.saturating_add_signed(beyond);
        if state.places.is_empty() {
            self.kept.leave(state.generation);
            state.rest(now, &mut self.kept);
        } else {
            self.order.remove(&Pair::of(was, flow));
            self.order.insert(Pair::of(state.tag, flow));
        }
    }

    /// Makes the younger generation the older one when it is full or too old itself, and forgets the older.
    fn forget(&mut self, now: Nanos) {
        if self.kept.is_due(now, KEPT_FLOWS.max(self.order.len())) {
            let younger = self.kept.next(now);
            self.flows.retain(|_, flow| !flow.places.is_empty() || flow.generation == younger);
            give_back_memory(&mut self.flows);
        }
    }

    fn ahead(&self, now: Nanos, memory: &Memory, flow: u64) -> Ahead {
        let remembered = self.flows.get(&flow);
        let known = remembered.filter(|flow| !flow.places.is_empty());
        let ends = known.map_or_else(
            || {
                let (tag, since) = remembered.map_or_else(Default::default, |flow| (flow.tag, flow.since));
                returning(tag, since, self.virtual_time, now)
            },
            |flow| flow.tag.saturating_add(flow.cost),
        );
        let others = self.flows.len() - usize::from(remembered.is_some());
        let pace = known.map_or(0.0, |flow| flow.arrivals.at(now, memory));
        let turn = |cost: u64| {
            let all = ends.saturating_sub(self.virtual_time).saturating_mul(others as u64);
            let own = known.map_or(0, |flow| flow.cost);
            Ahead { cost, overtaking: all.saturating_sub(cost.saturating_sub(own)), others, own: pace }
        };
        let (mut ahead, mut rest) = (0_u64, self.backlog.cost);
        let before = self.order.range(..Pair::of(ends, 0)).map(|pair| pair.both());
        for (looked_at, (tag, other)) in before.enumerate() {
            let until_then = ends - tag;
            if looked_at == LOOKED_AT {
                let flows = (self.order.len() - LOOKED_AT) as u64;
                return turn(ahead.saturating_add(rest.min(flows.saturating_mul(until_then))));
            }
            let waits = self.flows.get(&other).map_or(0, |other| other.cost);
            ahead = ahead.saturating_add(waits.min(until_then));
            rest = rest.saturating_sub(waits);
        }
        turn(ahead)
    }
}

/// The tag of one that comes back: its own if that is a debt not too long ago, else the present.
fn returning(tag: u64, idle_since: Nanos, virtual_time: u64, now: Nanos) -> u64 {
    if idle_since.until(now) >= KEEP { virtual_time } else { tag.max(virtual_time) }
}

#[expect(clippy::indexing_slicing, reason = "there are four classes and four of each")]
pub(crate) fn pick<T>(of: &[T; 4], class: Priority) -> &T {
    &of[class as usize]
}

/// How many flows are remembered that do not wait. Two generations: the older is forgotten as a whole, which costs next
/// to nothing per flow and bounds both their number and their age.
#[derive(Debug, Default)]
struct Kept {
    younger: usize,
    older: usize,
    /// The number of the younger generation less one.
    generation: u64,
    begun: Nanos,
    last: Nanos,
}

impl Kept {
    /// One more; its generation.
    fn enter(&mut self, now: Nanos) -> u64 {
        self.last = now;
        self.younger += 1;
        self.generation + 1
    }

    /// One less of this generation; zero is none.
    fn leave(&mut self, generation: u64) {
        if generation > self.generation {
            self.younger -= 1;
        } else if generation > 0 {
            self.older -= 1;
        }
    }

    fn is_due(&self, now: Nanos, most: usize) -> bool {
        self.younger >= most || self.begun.until(now) >= KEEP && self.len() > 0
    }

    /// Begins another generation; the number of what is the older one now.
    fn next(&mut self, now: Nanos) -> u64 {
        (self.older, self.younger) = (self.younger, 0);
        self.begun = now;
        self.generation += 1;
        self.generation
    }

    fn live(&self, now: Nanos) -> bool {
        self.last.until(now) < KEEP
    }

    const fn len(&self) -> usize {
        self.younger + self.older
    }
}

#[cfg(test)]
#[path = "fair_tests.rs"]
mod tests;
