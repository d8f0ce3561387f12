//! Who takes how much of the room there is for waiting, and who has to leave when it is full.
//!
//! The room is bounded in calls and in bytes. It is not divided beforehand: one class, or one key, may have all of it
//! while nobody else wants it. A fixed part for each would stand empty just when the others need it. When it is full,
//! the newcomer is weighed against those inside: of the classes that have more than their share, the lowest gives way,
//! and in it the flow that takes most, and of that flow the call with the latest deadline, which is commonly the one
//! that came last and has waited least. If that would be the newcomer itself, it is refused.
//!
//! Most of the time there is room, and all that matters is how much. Who takes how much of it is worked out when somebody
//! first wants to know, from all that wait, and kept up from then on until nobody has asked for as long as it takes as
//! many to leave as wait, and the room is less than half full.
//!
//! Some wait elsewhere, for something that is no limit. They take room like all others; nobody can ask them to leave.
//!
//! **Promises.** Calls and bytes never exceed their bounds. A class is never pushed out of its share. Nobody is pushed
//! out in vain: if those who may be asked to leave do not make room enough, nobody leaves.

use super::fair::{CLASSES, pick};
use super::run::Run;
use super::waiter::Bounds;
use crate::hash::NumberMap;
use crate::time::Nanos;
use sluicegate_vocabulary::Priority;
use std::collections::BTreeSet;
use std::collections::hash_map::Entry;

/// No newcomer pushes out more than this.
const MOST_PUSHED_OUT: usize = 8;

/// One that waits, as the room sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guest {
    pub(super) id: u64,
    pub(super) class: Priority,
    pub(super) flow: u64,
    pub(super) bytes: u64,
    /// Until when it must have been dispatched.
    pub(super) latest: Nanos,
}

#[derive(Debug, Default)]
pub(super) struct Room {
    taken: Taken,
    /// What is taken by those who wait elsewhere.
    aside: Taken,
    classes: [Taken; 4],
    /// How many calls of each flow wait.
    calls: NumberMap<u64, u32>,
    seating: Option<Box<Seating>>,
}

/// Who takes how much.
#[derive(Debug, Default)]
struct Seating {
    classes: [ClassRoom; 4],
    /// Whether the flows are kept by size.
    sorted: bool,
    /// How many have left since anybody asked.
    left: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Taken {
    pub(super) calls: u64,
    pub(super) bytes: u64,
}

#[derive(Debug, Default)]
struct ClassRoom {
    flows: NumberMap<u64, FlowRoom>,
    /// The flows by how much they take, while that is kept up.
    by_size: BTreeSet<(u64, u64)>,
}

#[derive(Debug, Default)]
struct FlowRoom {
    size: u64,
    guests: Run<(Nanos, u64), ()>,
}

impl Taken {
    const fn with(self, bytes: u64) -> Self {
        Self { calls: self.calls + 1, bytes: self.bytes.saturating_add(bytes) }
    }

    const fn without(self, bytes: u64) -> Self {
        Self { calls: self.calls.saturating_sub(1), bytes: self.bytes.saturating_sub(bytes) }
    }
}

impl Room {
    /// All that is taken.
    pub(super) const fn taken(&self) -> Taken {
        self.taken
    }

    /// An empty room, but for those who wait elsewhere.
    pub(super) fn emptied(&self) -> Self {
        Self { aside: self.aside, ..Self::default() }
    }

    /// One more waits elsewhere, or one fewer.
    pub(super) fn set_aside(&mut self, bytes: u64, waits: bool) {
        self.aside = if waits { self.aside.with(bytes) } else { self.aside.without(bytes) };
    }

    /// What is taken with one more, wherever that one waits.
    const fn after(&self, bytes: u64) -> Taken {
        let Taken { calls, bytes: others } = self.aside;
        let after = self.taken.with(bytes);
        Taken { calls: after.calls + calls, bytes: after.bytes.saturating_add(others) }
    }

    /// What a class takes.
    pub(super) fn of_class(&self, class: Priority) -> Taken {
        *pick(&self.classes, class)
    }

    /// How many calls of a flow wait, in all classes.
    pub(super) fn of_flow(&self, flow: u64) -> usize {
        self.calls.get(&flow).map_or(0, |&calls| calls as usize)
    }

    /// The earliest time by which one of a flow must have been dispatched; for whoever has looked at [`Self::seating`].
    pub(super) fn earliest(&self, class: Priority, flow: u64) -> Option<Nanos> {
        let room = pick(&self.seating.as_ref()?.classes, class);
        room.flows.get(&flow)?.guests.first().map(|&((latest, _), ())| latest)
    }

    pub(super) fn enter(&mut self, bounds: &Bounds, guest: &Guest) {
        self.taken = self.taken.with(guest.bytes);
        if let Some(class) = self.classes.get_mut(guest.class as usize) {
            *class = class.with(guest.bytes);
        }
        *self.calls.entry(guest.flow).or_default() += 1;
        if let Some(seating) = &mut self.seating {
            seating.enter(bounds, guest);
        }
    }

    /// One that is inside leaves.
    pub(super) fn leave(&mut self, bounds: &Bounds, guest: &Guest) {
        self.taken = self.taken.without(guest.bytes);
        if let Some(class) = self.classes.get_mut(guest.class as usize) {
            *class = class.without(guest.bytes);
        }
        if let Entry::Occupied(mut calls) = self.calls.entry(guest.flow) {
            *calls.get_mut() -= 1;
            if *calls.get() == 0 {
                calls.remove();
            }
        }
        if let Some(seating) = &mut self.seating {
            seating.leave(bounds, guest);
            seating.left += 1;
            let half_empty = self.taken.calls < bounds.calls / 2 && self.taken.bytes < bounds.bytes / 2;
            if half_empty && seating.left > self.taken.calls {
                self.seating = None;
            }
        }
    }

    /// Whether there is room for one more.
    pub(super) fn fits(&self, bounds: &Bounds, bytes: u64) -> bool {
        let after = self.after(bytes);
        after.calls <= bounds.calls && after.bytes <= bounds.bytes
    }

    /// Sees to it that it is known who takes how much. `guests` are all that are inside.
    pub(super) fn look_closely(&mut self, bounds: &Bounds, guests: impl Iterator<Item = Guest>) {
        let seating = self.seating.get_or_insert_with(|| {
            let mut seating = Box::<Seating>::default();
            guests.for_each(|guest| seating.enter(bounds, &guest));
            seating
        });
        seating.left = 0;
    }

    /// Who has to leave so that this one can enter; `None` if it has to stay outside. `guests` are all that are inside.
    pub(super) fn make_way<G: Iterator<Item = Guest>>(
        &mut self,
        bounds: &Bounds,
        newcomer: &Guest,
        guests: impl Fn() -> G,
        find: impl Fn(u64) -> Option<Guest>,
    ) -> Option<Vec<Guest>> {
        let mut leaving: Vec<Guest> = Vec::new();
        if self.fits(bounds, newcomer.bytes) {
            return Some(leaving);
        }
        self.look_closely(bounds, guests());
        // Those who leave in this loop come back after it: their leaving is somebody else's business.
        let before = (self.taken, self.classes);
        let found = loop {
            let after = self.after(newcomer.bytes);
            if after.calls <= bounds.calls && after.bytes <= bounds.bytes {
                break true;
            }
            let calls_short = after.calls > bounds.calls;
            let tail = self.tail(bounds, newcomer, calls_short).and_then(&find);
            let Some(tail) = tail
                .filter(|tail| leaving.len() < MOST_PUSHED_OUT && self.may_leave(bounds, newcomer, tail, calls_short))
            else {
                break false;
            };
            self.taken = self.taken.without(tail.bytes);
            if let Some(class) = self.classes.get_mut(tail.class as usize) {
                *class = class.without(tail.bytes);
            }
            if let Some(seating) = &mut self.seating {
                seating.leave(bounds, &tail);
            }
            leaving.push(tail);
        };
        (self.taken, self.classes) = before;
        if let Some(seating) = &mut self.seating {
            leaving.iter().for_each(|guest| seating.enter(bounds, guest));
        }
        found.then_some(leaving)
    }

    /// The one who has to leave before the newcomer may enter.
    fn tail(&mut self, bounds: &Bounds, newcomer: &Guest, calls_short: bool) -> Option<u64> {
        let over = |class: Priority| {
            let own = class == newcomer.class;
            let taken = self.of_class(class);
            let taken = if own { taken.with(newcomer.bytes) } else { taken };
            let share = u64::from(*pick(&bounds.class_share, class));
            if calls_short { taken.calls > part(bounds.calls, share) } else { taken.bytes > part(bounds.bytes, share) }
        };
        let class = CLASSES.into_iter().find(|&class| over(class))?;
        let seating = self.seating.as_mut()?;
        seating.sort();
        let room = pick(&seating.classes, class);
        let &(largest, flow) = room.by_size.last()?;
        if class == newcomer.class {
            let own = room.flows.get(&newcomer.flow).map_or(0, |flow| flow.size);
            if own.saturating_add(size(bounds, newcomer.bytes)) >= largest {
                return None;
            }
        }
        room.flows.get(&flow)?.guests.last().map(|&((_, id), ())| id)
    }

    /// Whether a class other than the newcomer's keeps its share of bytes without this one. Of calls it does anyway:
    /// it has more than its share, and loses one.
    fn may_leave(&self, bounds: &Bounds, newcomer: &Guest, tail: &Guest, calls_short: bool) -> bool {
        let left = self.of_class(tail.class).without(tail.bytes).bytes;
        let share = u64::from(*pick(&bounds.class_share, tail.class));
        calls_short || tail.class == newcomer.class || left >= part(bounds.bytes, share)
    }
}

impl Seating {
    fn enter(&mut self, bounds: &Bounds, guest: &Guest) {
        let sorted = self.sorted;
        let class = self.class_mut(guest.class);
        let flow = class.flows.entry(guest.flow).or_default();
        let was = flow.size;
        flow.size = was.saturating_add(size(bounds, guest.bytes));
        flow.guests.insert((guest.latest, guest.id), ());
        if sorted {
            class.by_size.remove(&(was, guest.flow));
            class.by_size.insert((flow.size, guest.flow));
        }
    }

    fn leave(&mut self, bounds: &Bounds, guest: &Guest) {
        let sorted = self.sorted;
        let class = self.class_mut(guest.class);
        let Some(flow) = class.flows.get_mut(&guest.flow) else { return };
        flow.guests.remove((guest.latest, guest.id));
        let was = flow.size;
        flow.size = was.saturating_sub(size(bounds, guest.bytes));
        if sorted {
            class.by_size.remove(&(was, guest.flow));
            if !flow.guests.is_empty() {
                class.by_size.insert((flow.size, guest.flow));
            }
        }
        if flow.guests.is_empty() {
            class.flows.remove(&guest.flow);
        }
    }

    /// Keeps the flows by size from now on.
    fn sort(&mut self) {
        for class in self.classes.iter_mut().filter(|_| !self.sorted) {
            class.by_size = class.flows.iter().map(|(&number, flow)| (flow.size, number)).collect();
        }
        self.sorted = true;
    }

    #[expect(clippy::indexing_slicing, reason = "there are four classes and four of each")]
    fn class_mut(&mut self, class: Priority) -> &mut ClassRoom {
        &mut self.classes[class as usize]
    }
}

/// A call's part of the room, calls and bytes in one number: a call counts as the bytes that each would have if all
/// were equal.
fn size(bounds: &Bounds, bytes: u64) -> u64 {
    bytes.saturating_add(bounds.bytes / bounds.calls.max(1)).max(1)
}

const fn part(whole: u64, percent: u64) -> u64 {
    (whole as u128 * percent as u128 / 100) as u64
}

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;
