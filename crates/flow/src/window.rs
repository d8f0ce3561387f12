//! The sliding window: never more than the limit in any stretch of the window's length.
//!
//! Counting in fixed minutes lets twice the limit through around the turn of a minute, and so, nearly, does the popular
//! weighted sum of two fixed windows. An exact log of every admission does not, but its memory grows with the limit.
//! This one cuts the window into 100 sub-buckets and counts the running one *and* the 100 before it, each whole. What is
//! counted therefore always reaches back at least one window, wherever in its sub-bucket an admission fell.
//!
//! **Promises.** In any stretch as long as the window at most the limit is admitted. The price is at most a 101st of
//! sustained throughput. What is refunded comes off the sub-bucket it was charged to and is dropped once that has left
//! the window: the charge no longer counts, so giving it back would mint. What was used beyond a reservation is charged
//! whatever the limit says; new calls then wait until it has left the window. A time older than the newest seen counts
//! as the newest. Calls that ask for an even pace go at once while at most half of the window is in use and nobody
//! waits, and otherwise at the pace of [`pace`].
//!
//! The counters lie behind a mutex that is held for a few nanoseconds and never across anything else.
//!
//! **Where a decision looks.** Among a hundred thousand callers what a decision costs is waiting for memory. Most
//! callers use a small part of what they are allowed and come once in a while, so the sub-buckets of each are far away
//! when it comes. Its latest charges therefore stand beside the sum first ([`Recent`]), and the sum may still count what
//! has left since: where there is room all the same, the sub-buckets are not looked at. Of a caller of whom all that
//! counts is among the latest charges there are no sub-buckets: what has left is forgotten where it stands. Everything
//! else puts the latest charges into their sub-buckets first, in the order and by the steps in which it would have been
//! done at once, so that no answer depends on when that happens. The latest charges lie beside the mutex and not behind
//! it, as atomics that only its holder reads and writes: so they can be fetched from memory before it is locked.

#[path = "pace.rs"]
mod pace;

use self::pace::Pacer;
use crate::meter::{Closed, Gauge, Hold, Level, Refused, Shortfall};
use crate::permits::Flight;
use crate::refusal::Reason;
use crate::time::{Nanos, nanos};
use parking_lot::{Mutex, MutexGuard};
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How many whole sub-buckets a window is cut into.
const PARTS: u64 = 100;
/// Those and the running one.
const SLOTS: usize = PARTS as usize + 1;

/// At most so much in any stretch of a window.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct SlidingWindow {
    /// For the holder of `ring` only, who knows how many there are.
    recent: Recent,
    ring: Mutex<Ring>,
}

/// The counters of a window. A sub-bucket is named by its number since the start of the clock; sub-bucket `i` lies in
/// slot `i % SLOTS` and counts until the running one is `i + SLOTS`. What every decision needs comes first: see
/// [`crate::Limit`].
#[derive(Debug, Clone)]
#[repr(C)]
pub(crate) struct Ring {
    limit: u64,
    /// Everything in `slots` and `recent`.
    sum: u64,
    /// The length of a sub-bucket in nanoseconds, rounded up so that 100 of them are never shorter than the window.
    width: u64,
    /// The running sub-bucket, as far as `slots` goes.
    head: u64,
    /// How many of the latest charges there are.
    recent: u32,
    /// `slots` count. Where they do not, nothing is ahead of the pace.
    sorted: bool,
    closed: bool,
    /// Made when there is something to put in.
    slots: Option<Box<[u64; SLOTS]>>,
    /// Charges made before this time are not recognisable here: the ring began then, perhaps with the mere total of
    /// another meter.
    since: Nanos,
    /// In debt only while something is in use.
    pacer: Pacer,
}

/// How many of the latest charges stand beside the sum: a cache line of them.
const RECENT: usize = 16;

/// The latest charges, none older than the head of the slots and each younger than the one before: in each the number of
/// sub-buckets after the head, and what has been charged in that one.
#[derive(Debug, Default)]
struct Recent([AtomicU32; RECENT]);

/// What has been charged in one sub-bucket.
#[derive(Debug, Clone, Copy)]
struct Charge {
    /// Sub-buckets after the head.
    after: u64,
    amount: u64,
}

impl Charge {
    const AMOUNT_BITS: u32 = 20;

    #[inline]
    const fn unpacked(word: u32) -> Self {
        Self { after: (word >> Self::AMOUNT_BITS) as u64, amount: (word & ((1 << Self::AMOUNT_BITS) - 1)) as u64 }
    }

    /// `None` if it is too large or too late to stand here.
    #[inline]
    fn packed(self) -> Option<u32> {
        let fits = self.amount >> Self::AMOUNT_BITS == 0 && self.after >> (u32::BITS - Self::AMOUNT_BITS) == 0;
        fits.then_some((self.after << Self::AMOUNT_BITS | self.amount) as u32)
    }
}

impl Recent {
    /// The first so many.
    #[inline]
    fn charges(&self, count: u32) -> impl DoubleEndedIterator<Item = (&AtomicU32, Charge)> {
        let words = self.0.get(..count as usize).unwrap_or_default();
        words.iter().map(|word| (word, Charge::unpacked(word.load(Ordering::Relaxed))))
    }

    /// Notes a charge so many sub-buckets after the head, or in the latest if that is later, where `count` are; `false`
    /// if there is no place for it.
    #[inline]
    fn note(&self, count: &mut u32, after: u64, amount: u64) -> bool {
        let last = self.charges(*count).next_back().filter(|(_, last)| after <= last.after);
        let (word, charge) = match last {
            Some((word, last)) => (word, Charge { amount: last.amount.saturating_add(amount), ..last }),
            None => {
                let Some(word) = self.0.get(*count as usize) else { return false };
                (word, Charge { after, amount })
            }
        };
        let Some(packed) = charge.packed() else { return false };
        word.store(packed, Ordering::Relaxed);
        *count += u32::from(last.is_none());
        true
    }

    /// Forgets the charges of sub-buckets before `first`, and counts the others from the earliest that is left, or from
    /// `first`. What is forgotten, and by how much they have come closer.
    fn forget(&self, count: &mut u32, first: u64) -> (u64, u64) {
        let (mut forgotten, mut closer, mut left) = (0, first, 0);
        let mut places = self.0.iter();
        for (_, charge) in self.charges(*count) {
            if charge.after < first {
                forgotten += charge.amount;
                continue;
            }
            if left == 0 {
                closer = charge.after;
            }
            // It was smaller where it stood, and fits all the more.
            let packed = Charge { after: charge.after - closer, ..charge }.packed();
            if let (Some(place), Some(packed)) = (places.next(), packed) {
                place.store(packed, Ordering::Relaxed);
                left += 1;
            }
        }
        *count = left;
        (forgotten, closer)
    }

    /// Has them fetched from memory. Nothing waits for that yet.
    #[inline]
    fn fetch(&self) {
        // They begin on one cache line and end on the next.
        for word in [self.0.first(), self.0.last()].into_iter().flatten() {
            black_box(word.load(Ordering::Relaxed));
        }
    }
}

impl SlidingWindow {
    /// An empty window.
    pub(crate) fn new(limit: u64, window: Duration) -> Self {
        Self::of(Ring::new(limit, window, Nanos::ZERO, 0))
    }

    /// A window that goes on from a predecessor's level: sub-bucket by sub-bucket if that was a window as long, else
    /// with all that is in use in the running one. After a bucket no more is left than the bucket had left.
    pub(crate) fn resume(limit: u64, window: Duration, now: Nanos, level: Level) -> Self {
        let ring = match level.ring {
            Some(mut ring) if ring.width == width_of(window) => {
                ring.limit = limit;
                ring.pacer.forget_rate();
                ring
            }
            Some(_) => Ring::new(limit, window, now, level.used),
            None => {
                let missing = u64::try_from(i128::from(limit) - level.left).unwrap_or(0);
                Ring::new(limit, window, now, level.used.max(missing))
            }
        };
        Self::of(ring)
    }

    fn of(ring: Ring) -> Self {
        Self { recent: Recent::default(), ring: Mutex::new(ring) }
    }

    /// Has what a decision changes fetched from memory. Nothing waits for that yet.
    #[inline]
    pub(crate) fn fetch(&self) {
        self.recent.fetch();
    }

    #[inline]
    pub(crate) fn take(&self, now: Nanos, amount: u64, hold: Hold) -> Result<(), Refused> {
        let ring = &mut *self.open()?;
        if ring.take_at_once(&self.recent, now, amount, hold) {
            return Ok(());
        }
        ring.advance(&self.recent, now);
        let paced = ring.is_paced(amount, hold);
        if !ring.fits(amount) || paced && !ring.keeps_pace(now) {
            return Err(Refused::Short(ring.shortfall(now, amount, hold)));
        }
        if paced {
            ring.pacer.spend(amount);
        }
        ring.add(ring.head, amount);
        Ok(())
    }

    pub(crate) fn shortfall(&self, now: Nanos, amount: u64, hold: Hold) -> Result<Option<Shortfall>, Closed> {
        self.with(now, |ring| {
            let admitted = ring.fits(amount) && (!ring.is_paced(amount, hold) || ring.keeps_pace(now));
            (!admitted).then(|| ring.shortfall(now, amount, hold))
        })
    }

    #[inline]
    pub(crate) fn refund(&self, at: Nanos, amount: u64) -> Result<(), Closed> {
        self.open()?.remove(&self.recent, at, amount);
        Ok(())
    }

    #[inline]
    pub(crate) fn charge(&self, now: Nanos, at: Nanos, amount: u64) -> Result<(), Closed> {
        self.with(now, |ring| {
            let charged = ring.living(at).unwrap_or(ring.head);
            ring.add(charged, amount);
            ring.pacer.debit(amount);
        })
    }

    pub(crate) fn gauge(&self, now: Nanos) -> Result<Gauge, Closed> {
        let ring = &mut *self.open()?;
        ring.refresh(&self.recent, now);
        Ok(Gauge { left: ring.left(), capacity: ring.limit, full_in: now.until(ring.empty_at(&self.recent)) })
    }

    pub(crate) fn is_idle(&self, now: Nanos) -> Result<bool, Closed> {
        let ring = &mut *self.open()?;
        ring.refresh(&self.recent, now);
        Ok(ring.sum == 0)
    }

    /// The even pace in units a second; with nothing left, what the window lets through in the long run.
    pub(crate) fn pace(&self, now: Nanos) -> Result<f64, Closed> {
        self.with(now, |ring| {
            ring.keeps_pace(now);
            let rate = ring.pacer.rate();
            let rate = if rate > 0.0 { rate } else { ring.limit as f64 / SLOTS as f64 };
            rate * 1e9 / ring.width as f64
        })
    }

    pub(crate) fn close(&self, now: Nanos) -> Result<Level, Closed> {
        let mut ring = self.open()?;
        ring.advance(&self.recent, now);
        ring.closed = true;
        let left = i128::from(ring.limit) - i128::from(ring.sum);
        let ring = Ring { closed: false, ..ring.clone() };
        Ok(Level { used: ring.sum, left, ring: Some(ring), flight: Flight::default() })
    }

    #[inline]
    fn open(&self) -> Result<MutexGuard<'_, Ring>, Closed> {
        let ring = self.ring.lock();
        if ring.closed { Err(Closed) } else { Ok(ring) }
    }

    #[inline]
    fn with<T>(&self, now: Nanos, act: impl FnOnce(&mut Ring) -> T) -> Result<T, Closed> {
        let ring = &mut *self.open()?;
        ring.advance(&self.recent, now);
        Ok(act(ring))
    }
}

impl Ring {
    fn new(limit: u64, window: Duration, now: Nanos, used: u64) -> Self {
        let width = width_of(window);
        let head = now.0 / width;
        let mut ring = Self {
            limit,
            sum: 0,
            width,
            head,
            recent: 0,
            sorted: false,
            closed: false,
            slots: None,
            since: now,
            pacer: Pacer::new(),
        };
        ring.add(head, used);
        ring
    }

    /// Takes `amount` without a look at the sub-buckets, if there is room and no pace to keep even with everything that
    /// may have left.
    #[inline]
    fn take_at_once(&mut self, recent: &Recent, now: Nanos, amount: u64, hold: Hold) -> bool {
        let bound = match hold {
            Hold::Free => self.limit,
            Hold::BeyondHalf => self.limit / 2,
            Hold::Always => return false,
        };
        let Some(sum) = self.sum.checked_add(amount).filter(|&sum| sum <= bound) else { return false };
        // Nothing is noted too: no later charge may count from an earlier time.
        if self.note(recent, now, amount) {
            self.sum = sum;
            return true;
        }
        let noted = self.forget(recent, now) && self.note(recent, now, amount);
        if noted {
            self.sum += amount;
        }
        noted
    }

    #[inline]
    fn note(&mut self, recent: &Recent, now: Nanos, amount: u64) -> bool {
        let after = self.after_head(now);
        recent.note(&mut self.recent, after, amount)
    }

    #[inline]
    fn after_head(&self, now: Nanos) -> u64 {
        (now.0 / self.width).saturating_sub(self.head)
    }

    /// How many sub-buckets after the head the newest time seen is, `now` included.
    #[inline]
    fn newest(&self, recent: &Recent, now: Nanos) -> u64 {
        let latest = recent.charges(self.recent).next_back().map_or(0, |(_, charge)| charge.after);
        self.after_head(now).max(latest)
    }

    /// Lets go of what has left the window by `now` where nothing else than the latest charges is left then; whether it
    /// is so.
    fn forget(&mut self, recent: &Recent, now: Nanos) -> bool {
        let first = self.newest(recent, now).saturating_sub(PARTS);
        if self.sorted {
            // The head is the last that is sorted in. A debt to the pace is paid as sub-buckets pass.
            if first == 0 || self.pacer.is_in_debt() {
                return false;
            }
            self.sum = recent.charges(self.recent).map(|(_, charge)| charge.amount).sum();
            self.sorted = false;
        }
        if recent.charges(self.recent).next().is_none_or(|(_, charge)| charge.after < first) {
            let (forgotten, closer) = recent.forget(&mut self.recent, first);
            self.sum -= forgotten;
            self.head += closer;
        }
        true
    }

    /// Lets go of what has left the window by `now`, leaving the latest charges where they are if they are all there is.
    #[inline]
    fn refresh(&mut self, recent: &Recent, now: Nanos) {
        let newest = self.newest(recent, now);
        // Where nothing can have left yet: there is nothing before the head, or no sub-bucket has begun since.
        let stays = if self.sorted { 0 } else { PARTS };
        if newest > stays {
            self.let_go(recent, now);
        } else if newest > 0 && recent.charges(self.recent).next_back().is_none_or(|(_, last)| last.after != newest) {
            // No later charge may count from an earlier time.
            self.note_or_sort(recent, now);
        }
    }

    #[cold]
    fn let_go(&mut self, recent: &Recent, now: Nanos) {
        if self.forget(recent, now) {
            self.note_or_sort(recent, now);
        } else {
            self.advance(recent, now);
        }
    }

    #[cold]
    fn note_or_sort(&mut self, recent: &Recent, now: Nanos) {
        if !self.note(recent, now, 0) {
            self.advance(recent, now);
        }
    }

    /// Puts the latest charges into their sub-buckets.
    fn sort_in(&mut self, recent: &Recent) {
        let count = std::mem::take(&mut self.recent);
        self.sum -= recent.charges(count).map(|(_, charge)| charge.amount).sum::<u64>();
        let first = self.head;
        for (_, Charge { after, amount }) in recent.charges(count) {
            let part = first + after;
            if part > self.head {
                self.roll(part);
            }
            self.add(part, amount);
        }
    }

    /// Lets go of what has left the window by `now`.
    #[inline]
    fn advance(&mut self, recent: &Recent, now: Nanos) {
        if self.recent > 0 {
            self.sort_in(recent);
        }
        let running = now.0 / self.width;
        if running > self.head {
            self.roll(running);
        }
    }

    fn roll(&mut self, running: u64) {
        if self.sum == 0 {
            self.head = running;
            self.sorted = false;
            return;
        }
        if running - self.head > PARTS {
            self.sum = 0;
            self.head = running;
            self.empty();
            return;
        }
        while self.head < running {
            self.head += 1;
            let gone = std::mem::take(self.slot(self.head));
            self.sum -= gone;
            if self.sum == 0 {
                self.empty();
            }
            // A debt is paid at the pace of each sub-bucket it lasts through; a credit is soon full at any pace.
            if self.pacer.is_in_debt() {
                self.repace();
            }
        }
    }

    /// Nothing is left in the sub-buckets.
    fn empty(&mut self) {
        self.sorted = false;
        self.pacer.rest();
    }

    /// Adds to a sub-bucket that counts, as far as the sum can be told.
    #[inline]
    fn add(&mut self, index: u64, amount: u64) {
        let added = amount.min(u64::MAX - self.sum);
        if added == 0 {
            return;
        }
        *self.slot(index) += added;
        self.sum += added;
    }

    /// Takes off `amount` that was charged at `at`, if that still counts.
    ///
    /// A charge whose time was older than the newest seen lies in a later sub-bucket than its time says, so what is
    /// missing in its own is looked for in the later ones. That never shortens the time for which a charge counts.
    #[inline]
    fn remove(&mut self, recent: &Recent, at: Nanos, amount: u64) {
        if !self.remove_at_once(recent, at, amount) {
            self.sort_in(recent);
            self.remove_sorted(at, amount);
        }
    }

    /// Takes it off the latest charges, if it is among them. A debt to the pace is paid as sub-buckets pass, and what is
    /// given back must not come before that.
    #[inline]
    fn remove_at_once(&mut self, recent: &Recent, at: Nanos, amount: u64) -> bool {
        let part = at.0 / self.width;
        let newest = recent.charges(self.recent).next_back().map_or(0, |(_, charge)| self.head + charge.after);
        if at < self.since || newest.saturating_sub(part) > PARTS || self.sorted && self.pacer.is_in_debt() {
            return false;
        }
        let Some(after) = part.checked_sub(self.head) else { return false };
        let found = recent.charges(self.recent).find(|(_, charge)| charge.after == after && charge.amount >= amount);
        let Some((word, _)) = found else { return false };
        // The amount is in the lower bits, and there is as much of it.
        word.store(word.load(Ordering::Relaxed) - amount as u32, Ordering::Relaxed);
        self.sum -= amount;
        self.pacer.give_back(amount);
        true
    }

    fn remove_sorted(&mut self, at: Nanos, amount: u64) {
        let Some(first) = self.living(at) else { return };
        let mut missing = amount;
        for index in first..=self.head {
            let slot = self.slot(index);
            let off = missing.min(*slot);
            *slot -= off;
            self.sum -= off;
            missing -= off;
            if missing == 0 {
                break;
            }
        }
        self.pacer.give_back(amount - missing);
        if self.sum == 0 {
            self.empty();
        }
    }

    /// The sub-bucket of a charge made at `at`, if it still counts.
    fn living(&self, at: Nanos) -> Option<u64> {
        let index = at.0 / self.width;
        (at >= self.since && index <= self.head && self.head - index <= PARTS).then_some(index)
    }

    #[inline]
    fn fits(&self, amount: u64) -> bool {
        self.sum.saturating_add(amount) <= self.limit
    }

    fn left(&self) -> u64 {
        self.limit.saturating_sub(self.sum)
    }

    /// What is missing for `amount`, and when it will be admitted.
    #[cold]
    fn shortfall(&mut self, now: Nanos, amount: u64, hold: Hold) -> Shortfall {
        let left = self.left();
        let Some(mut at) = self.below(self.limit, now, amount) else {
            return Shortfall { left, wait: None, reason: Reason::NeverFits };
        };
        if self.is_paced(amount, hold) {
            at = at.max(self.on_pace_at(now));
            if hold == Hold::BeyondHalf {
                let free = self.below(self.limit / 2, now, amount);
                at = free.map_or(at, |free| free.min(at));
            }
        }
        let reason = if self.fits(amount) { Reason::Pace } else { Reason::Exhausted };
        Shortfall { left, wait: Some(now.until(at)), reason }
    }

    /// When so much of the oldest will have left that `amount` fits below `bound`.
    fn below(&mut self, bound: u64, now: Nanos, amount: u64) -> Option<Nanos> {
        let room = bound.checked_sub(amount)?;
        let mut staying = self.sum;
        let mut at = now;
        for index in self.head.saturating_sub(PARTS)..=self.head {
            if staying <= room {
                break;
            }
            staying -= *self.slot(index);
            at = self.leaves_at(index);
        }
        Some(at)
    }

    /// When the last that is in use will have left; the past if nothing is.
    fn empty_at(&mut self, recent: &Recent) -> Nanos {
        let newest = recent.charges(self.recent).rev().find(|(_, charge)| charge.amount > 0);
        match newest {
            Some((_, charge)) => self.leaves_at(self.head + charge.after),
            None => self.sorted_empty_at(),
        }
    }

    fn sorted_empty_at(&mut self) -> Nanos {
        if !self.sorted {
            return Nanos::ZERO;
        }
        let newest = (self.head.saturating_sub(PARTS)..=self.head).rev().find(|&index| *self.slot(index) > 0);
        newest.map_or(Nanos::ZERO, |index| self.leaves_at(index))
    }

    /// The first moment at which a sub-bucket no longer counts.
    fn leaves_at(&self, index: u64) -> Nanos {
        Nanos(index.saturating_add(PARTS + 1).saturating_mul(self.width))
    }

    #[expect(clippy::indexing_slicing, reason = "a remainder by the array's length lies within the array")]
    #[inline]
    fn slot(&mut self, index: u64) -> &mut u64 {
        let slots = self.slots.get_or_insert_with(|| Box::new([0; SLOTS]));
        if !std::mem::replace(&mut self.sorted, true) {
            slots.fill(0);
        }
        &mut slots[(index % SLOTS as u64) as usize]
    }
}

/// The pace: see [`pace`].
impl Ring {
    /// Whether a call is held to the pace.
    #[inline]
    fn is_paced(&self, amount: u64, hold: Hold) -> bool {
        let held = match hold {
            Hold::Free => false,
            Hold::BeyondHalf => self.sum.saturating_add(amount) > self.limit / 2,
            Hold::Always => true,
        };
        held && amount > 0
    }

    /// Whether the pace lets a call go at `now`.
    fn keeps_pace(&mut self, now: Nanos) -> bool {
        if !self.pacer.is_of(self.head) {
            self.repace();
        }
        self.pacer.grow(now.0, self.width);
        !self.pacer.is_in_debt()
    }

    /// Works out the pace for the running sub-bucket.
    fn repace(&mut self) {
        self.pacer.grow(self.head.saturating_mul(self.width), self.width);
        let left = self.limit as f64 - self.sum as f64;
        self.pacer.set(self.head, self.sustainable(self.head, left - self.pacer.credit()));
    }

    /// The highest rate, in units for each sub-bucket, that can be kept from the beginning of `part` on if `left` is
    /// left then and nothing is charged between the running sub-bucket and that one.
    fn sustainable(&self, part: u64, left: f64) -> f64 {
        let mut usable = left;
        let mut rate = usable;
        // When the second sub-bucket begins, the oldest counted one has left, and so on.
        for ahead in 1..=PARTS {
            usable += self.leaving(part.saturating_add(ahead)) as f64;
            rate = rate.min(usable / (ahead + 1) as f64);
        }
        rate.max(0.0)
    }

    /// What leaves the window when a later sub-bucket begins, if nothing is charged until then.
    #[expect(clippy::indexing_slicing, reason = "a remainder by the array's length lies within the array")]
    fn leaving(&self, part: u64) -> u64 {
        let charged = self.sorted && part - self.head <= SLOTS as u64;
        self.slots.as_ref().filter(|_| charged).map_or(0, |slots| slots[(part % SLOTS as u64) as usize])
    }

    /// When the pace lets a call go if none goes before.
    fn on_pace_at(&mut self, now: Nanos) -> Nanos {
        if self.keeps_pace(now) {
            return now;
        }
        let empty_at = self.sorted_empty_at();
        let (mut credit, mut rate) = (self.pacer.credit(), self.pacer.rate());
        let mut at = now.0.max(self.pacer.at());
        let mut left = self.limit as f64 - self.sum as f64;
        for part in self.head..=self.head.saturating_add(PARTS) {
            let next = part.saturating_add(1);
            let end = next.saturating_mul(self.width);
            if let Some(lasts) = pace::lasts(credit, rate, self.width).filter(|&lasts| at.saturating_add(lasts) < end) {
                return empty_at.min(Nanos(at + lasts));
            }
            credit += rate * end.saturating_sub(at) as f64 / self.width as f64;
            at = end;
            left += self.leaving(next) as f64;
            rate = self.sustainable(next, left - credit);
        }
        empty_at
    }
}

fn width_of(window: Duration) -> u64 {
    nanos(window).div_ceil(PARTS).max(1)
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
