//! Budgets: so much money or so many tokens for each hour, day, week or month, or in all.
//!
//! A budget is hard because it is reserved: a call takes the most it may cost before it is made and gives back what it
//! did not use. So of any number of calls at once on a budget for three, three are admitted. What was taken belongs to the
//! period in which it was taken, and is corrected there even if the next one has begun meanwhile. A changed amount keeps
//! the count of the current period, since the count is not part of the budget's terms.

use crate::period::{Calendar, Span};
use crate::purse::Purse;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

/// Whose spending a budget bounds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A key, by its name.
    Key(Arc<str>),
    /// A tenant, by its name.
    Tenant(Arc<str>),
    /// A public model, by its name.
    Model(Arc<str>),
    /// Calls that carry a label.
    Label(Arc<str>),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = match self {
            Self::Key(name) => ("key", name),
            Self::Tenant(name) => ("tenant", name),
            Self::Model(name) => ("model", name),
            Self::Label(name) => ("label", name),
        };
        write!(f, "{kind} {name}")
    }
}

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Nano-dollars, as charged to the account.
    Money,
    /// Tokens, in and out.
    Tokens,
}

/// What happens to a call that a budget does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnExceed {
    /// It is refused.
    #[default]
    Refuse,
    /// It may go to a cheaper model, where its caller agreed to that.
    StepDown,
}

/// A budget's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Whose spending it bounds.
    pub subject: Subject,
    /// What it counts.
    pub unit: Unit,
    /// How much there is for each period: nano-dollars or tokens.
    pub amount: i64,
    /// When it begins anew.
    pub calendar: Calendar,
    /// At what parts of the amount, in percent and rising, somebody is to be told. At most 32.
    pub warn_at: Vec<u8>,
    /// What happens beyond it.
    pub on_exceed: OnExceed,
}

/// A budget, live.
#[derive(Debug)]
pub struct Budget {
    terms: Terms,
    current: ArcSwap<Period>,
}

/// What one period has seen. It outlives a change of the budget's terms.
#[derive(Debug)]
pub(crate) struct Period {
    span: Span,
    /// Used and held together, counted down from zero.
    room: Purse<AtomicI64>,
    used: AtomicI64,
    /// Which of the thresholds have been told, a bit each.
    told: AtomicU32,
}

/// How a budget stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What there is for the period.
    pub amount: i64,
    /// What has been used in it.
    pub used: i64,
    /// What is held for calls in flight.
    pub held: i64,
    /// The period.
    pub span: Span,
}

impl Standing {
    /// What may still be taken.
    #[must_use]
    pub const fn left(&self) -> i64 {
        self.amount.saturating_sub(self.used).saturating_sub(self.held)
    }
}

/// A budget that does not have what a call may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short {
    pub(crate) left: i64,
    pub(crate) resets_ms: Option<i64>,
}

impl Period {
    fn new(span: Span, used: i64) -> Self {
        Self { span, room: Purse::new(used.saturating_neg()), used: AtomicI64::new(used), told: AtomicU32::new(0) }
    }
}

impl Budget {
    /// A budget of which so much has been used in the current period.
    #[must_use]
    pub fn new(terms: Terms, now_ms: i64, used: i64) -> Self {
        let span = terms.calendar.period(now_ms);
        let budget = Self { current: ArcSwap::from_pointee(Period::new(span, used)), terms };
        // What was told before a restart is not told again.
        let _ = budget.crossed(&budget.current.load());
        budget
    }

    /// The same count under other terms. A budget with another calendar or unit has to be made anew.
    fn under(&self, terms: Terms) -> Self {
        Self { terms, current: ArcSwap::new(self.current.load_full()) }
    }

    /// Its terms.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self, now_ms: i64) -> Standing {
        let period = self.period(now_ms);
        let used = period.used.load(Ordering::Relaxed);
        let taken = period.room.get().saturating_neg();
        Standing { amount: self.terms.amount, used, held: taken.saturating_sub(used).max(0), span: period.span }
    }

    /// The period that runs. A clock that is set back does not bring an old one back, nor what was spent in it.
    fn period(&self, now_ms: i64) -> Arc<Period> {
        let current = self.current.load();
        if now_ms < current.span.end_ms {
            return Arc::clone(&current);
        }
        let next = Arc::new(Period::new(self.terms.calendar.period(now_ms), 0));
        let previous = self.current.compare_and_swap(&*current, Arc::clone(&next));
        if Arc::ptr_eq(&previous, &current) { next } else { Arc::clone(&previous) }
    }

    pub(crate) fn hold(&self, now_ms: i64, amount: i64) -> Result<Arc<Period>, Short> {
        let period = self.period(now_ms);
        match self.more(&period, amount) {
            Ok(()) => Ok(period),
            Err(short) => Err(short),
        }
    }

    /// Takes more for a call that holds something of this period already.
    pub(crate) fn more(&self, period: &Period, amount: i64) -> Result<(), Short> {
        let taken = period.room.take(amount, self.terms.amount.saturating_neg());
        taken.map_err(|left| Short { left: left.max(0), resets_ms: period.span.ends_ms() })
    }

    /// Ends a hold with what was used. Tells the highest threshold that was passed by it, in percent.
    pub(crate) fn settle(&self, period: &Period, held: i64, used: i64) -> Option<u8> {
        period.room.add(held.saturating_sub(used));
        if used == 0 {
            return None;
        }
        period.used.fetch_add(used, Ordering::Relaxed);
        self.crossed(period)
    }

    fn crossed(&self, period: &Period) -> Option<u8> {
        let used = i128::from(period.used.load(Ordering::Relaxed));
        let passed = |percent: &u8| used * 100 >= i128::from(self.terms.amount) * i128::from(*percent);
        let count = self.terms.warn_at.iter().take(32).take_while(|percent| passed(percent)).count();
        let bits = u32::try_from((1_u64 << count) - 1).unwrap_or(u32::MAX);
        let before = period.told.fetch_or(bits, Ordering::Relaxed);
        let highest = self.terms.warn_at.get(count.checked_sub(1)?)?;
        (bits & !before != 0).then_some(*highest)
    }
}

/// All budgets. A call's are bound to its key, tenant, model and label once, so a call does not come by here.
#[derive(Debug, Default)]
pub struct Budgets {
    by_name: Mutex<HashMap<Name, Arc<Budget>>>,
}

/// What makes two budgets the same one under changed terms.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Name(Subject, Unit, crate::period::Per);

impl Budgets {
    /// The budget of these terms: the one there is, the one there is with its count under new terms, or a new one, of
    /// which `used` tells what has been used in the current period. A subject has at most one budget of a unit and a
    /// length of period.
    pub fn ensure(&self, terms: Terms, now_ms: i64, used: impl FnOnce(Span) -> i64) -> Arc<Budget> {
        let name = Name(terms.subject.clone(), terms.unit, terms.calendar.per);
        let mut by_name = self.by_name.lock();
        let budget = match by_name.get(&name) {
            Some(budget) if budget.terms == terms => return Arc::clone(budget),
            Some(budget) if budget.terms.calendar == terms.calendar => Arc::new(budget.under(terms)),
            _ => {
                let used = used(terms.calendar.period(now_ms));
                Arc::new(Budget::new(terms, now_ms, used))
            }
        };
        by_name.insert(name, Arc::clone(&budget));
        budget
    }

    /// Forgets every budget that nobody holds any more, after a reload.
    pub fn forget_unused(&self) {
        self.by_name.lock().retain(|_, budget| Arc::strong_count(budget) > 1);
    }

    /// Every budget, in no order.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Budget>> {
        self.by_name.lock().values().map(Arc::clone).collect()
    }
}
