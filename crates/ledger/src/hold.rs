//! Holds: what a call may cost, taken from its account and all its budgets before it is made.
//!
//! A hold takes from all of them or from none. It is not `Clone`, and ends in one of two ways: it is settled with what
//! was used, or it is dropped, and all of it goes back. So a call cannot be settled twice, and one that is refused,
//! fails or panics costs nothing. Nothing here waits, allocates for the usual number of budgets, or knows how many
//! accounts there are.

use crate::account::Account;
use crate::budget::{Budget, OnExceed, Period, Short, Subject, Unit};
use sluicegate_vocabulary::Money;
use smallvec::SmallVec;
use std::fmt;
use std::sync::Arc;

/// Who pays for a caller's calls: his account, if he has one, and every budget that bounds him.
#[derive(Debug, Clone, Default)]
pub struct Payer {
    /// The account.
    pub account: Option<Arc<Account>>,
    /// The budgets, in the order in which they are asked.
    pub budgets: SmallVec<[Arc<Budget>; 4]>,
}

/// An amount of both things that are bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// Money as the account is charged it. Not negative.
    pub money: Money,
    /// Tokens, in and out.
    pub tokens: u64,
}

impl Amount {
    fn of(&self, unit: Unit) -> i64 {
        match unit {
            Unit::Money => self.money.nanos().max(0),
            Unit::Tokens => i64::try_from(self.tokens).unwrap_or(i64::MAX),
        }
    }
}

/// What was taken for a call.
#[derive(Debug, Default)]
#[must_use = "dropping a hold gives it back"]
pub struct Hold {
    account: Option<(Arc<Account>, i64)>,
    budgets: SmallVec<[Held; 4]>,
}

#[derive(Debug)]
struct Held {
    budget: Arc<Budget>,
    period: Arc<Period>,
    amount: i64,
}

/// Something that an operator wants to be told when a call is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A budget has passed one of its thresholds.
    Passed {
        /// Whose budget.
        subject: Subject,
        /// The threshold, in percent.
        percent: u8,
    },
    /// An account has fallen below its mark.
    Low {
        /// The account.
        account: Arc<str>,
        /// What is left on it.
        balance: Money,
    },
}

/// Why a call was not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refused {
    /// What does not have it.
    pub by: By,
    /// What it counts.
    pub unit: Unit,
    /// What may still be taken from it: nano-dollars or tokens, not less than zero.
    pub left: i64,
    /// What the call may need.
    pub needed: i64,
    /// When it begins anew, in milliseconds since the Unix epoch; never for an account and a budget in all.
    pub resets_ms: Option<i64>,
    /// Whether the call may go to a cheaper model instead.
    pub step_down: bool,
}

/// What refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// An account that is empty.
    Account(Arc<str>),
    /// A budget that is used up, or nearly: whose, and how long its period is.
    Budget(Subject, crate::period::Per),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            By::Account(name) => write!(f, "the account {name}")?,
            By::Budget(subject, per) => write!(f, "the budget of {subject} ({})", per.as_str())?,
        }
        match self.unit {
            Unit::Money => {
                let [left, needed] = [self.left, self.needed].map(Money::from_nanos);
                write!(f, " has ${left} left, and this call may cost ${needed}")
            }
            Unit::Tokens => write!(f, " has {} tokens left, and this call may use {}", self.left, self.needed),
        }
    }
}

impl Payer {
    /// Whether anything bounds these calls; if not, a hold takes nothing.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.account.is_some() || !self.budgets.is_empty()
    }

    /// Takes what a call may cost from everything that bounds it, or from nothing.
    ///
    /// # Errors
    /// The first that does not have it.
    pub fn hold(&self, now_ms: i64, most: Amount) -> Result<Hold, Refused> {
        let mut hold = Hold::default();
        for budget in &self.budgets {
            let amount = most.of(budget.terms().unit);
            let period = budget.hold(now_ms, amount).map_err(|short| refused(budget, &short, amount))?;
            hold.budgets.push(Held { budget: Arc::clone(budget), period, amount });
        }
        if let Some(account) = &self.account {
            let amount = most.of(Unit::Money);
            account.hold(amount).map_err(|left| empty(account, left, amount))?;
            hold.account = Some((Arc::clone(account), amount));
        }
        Ok(hold)
    }
}

fn refused(budget: &Budget, short: &Short, needed: i64) -> Refused {
    let terms = budget.terms();
    Refused {
        by: By::Budget(terms.subject.clone(), terms.calendar.per),
        unit: terms.unit,
        left: short.left,
        needed,
        resets_ms: short.resets_ms,
        step_down: terms.on_exceed == OnExceed::StepDown,
    }
}

fn empty(account: &Account, left: i64, needed: i64) -> Refused {
    let by = By::Account(Arc::clone(account.name()));
    Refused { by, unit: Unit::Money, left: left.max(0), needed, resets_ms: None, step_down: false }
}

impl Hold {
    /// The money held, zero where no account pays.
    #[must_use]
    pub fn money(&self) -> Money {
        self.account.as_ref().map_or(Money::ZERO, |(_, amount)| Money::from_nanos(*amount))
    }

    /// Whether its call is to end where nothing is left for it.
    #[must_use]
    pub fn cuts_streams(&self) -> bool {
        self.account.as_ref().is_some_and(|(account, _)| account.cuts_streams())
    }

    /// Takes more, for a call that turns out to need it while it runs: from all or from none.
    ///
    /// # Errors
    /// The first that does not have it. What was held before is still held.
    pub fn extend(&mut self, more: Amount) -> Result<(), Refused> {
        let mut extra = Self::default();
        for held in &self.budgets {
            let amount = more.of(held.budget.terms().unit);
            held.budget.more(&held.period, amount).map_err(|short| refused(&held.budget, &short, amount))?;
            let (budget, period) = (Arc::clone(&held.budget), Arc::clone(&held.period));
            extra.budgets.push(Held { budget, period, amount });
        }
        if let Some((account, held)) = &mut self.account {
            let amount = more.of(Unit::Money);
            account.hold(amount).map_err(|left| empty(account, left, amount))?;
            *held = held.saturating_add(amount);
        }
        for (held, extra) in self.budgets.iter_mut().zip(extra.budgets.drain(..)) {
            held.amount = held.amount.saturating_add(extra.amount);
        }
        Ok(())
    }

    /// Ends the hold with what was used, be it less or more than was held.
    pub fn settle(mut self, used: Amount) -> SmallVec<[Notice; 1]> {
        self.end(used)
    }

    fn end(&mut self, used: Amount) -> SmallVec<[Notice; 1]> {
        let mut notices = SmallVec::new();
        for Held { budget, period, amount } in self.budgets.drain(..) {
            if let Some(percent) = budget.settle(&period, amount, used.of(budget.terms().unit)) {
                notices.push(Notice::Passed { subject: budget.terms().subject.clone(), percent });
            }
        }
        if let Some((account, amount)) = self.account.take()
            && let Some(balance) = account.settle(amount, used.of(Unit::Money))
        {
            notices.push(Notice::Low { account: Arc::clone(account.name()), balance });
        }
        notices
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let _ = self.end(Amount::default());
    }
}

#[cfg(test)]
#[path = "hold_tests.rs"]
mod tests;
