//! The books of a running relay: who pays for calls, what is certain about them, and what is kept.
//!
//! They are there where the configuration says so, and cost nothing where it does not. A call meets them four times. When
//! it is admitted, the most it may cost is held in its account and its budgets, by atomics alone ([`posting::enter`]).
//! When it is sent to a provider, an intent goes into the journal, which is written while the provider works. Before the
//! first byte of the answer leaves, that intent is certain. And when the call ends, its hold is settled and its end goes
//! into the journal, from which a thread of the store feeds the database. No call ever waits for SQL.

mod payments;
mod posting;

pub use payments::{Payments, outcome as payment_outcome};
pub(crate) use posting::{NotPaid, Posting, certain, close, count_hit, enter, intend};

use crate::snapshot::Tariff;
use parking_lot::Mutex;
use sluicegate_config::{Budget as Configured, BudgetAmount, Credits, Ledger, OnExceed, Per, WhenFailing};
use sluicegate_ledger::{
    Account, AccountTerms, Accounts, Budget, BudgetTerms, Budgets, Calendar, Kind, OnExceed as Exceeding, Payer,
    Per as Length, PriceVersion, Standing, Subject, Unit,
};
use sluicegate_store::{
    Code, Entered, Failing, JournalOptions, Keep, OpenCalls, Options, Recovery, RedeemError, Store, StoreError,
    WhenFailing as Policy,
};
use sluicegate_vocabulary::Money;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes of records that may wait in memory where calls go on while nothing can be written.
const MOST_WAITING: usize = 64 << 20;
const DAY_MS: u64 = 86_400_000;

/// The books of a data directory, open as long as this is held.
#[derive(Debug)]
pub struct Books {
    store: Store,
    /// How they were opened.
    opened: Ledger,
    accounts: Accounts,
    budgets: Budgets,
    /// The accounts' terms, as the store has them.
    terms: Mutex<HashMap<String, AccountTerms>>,
    /// Prices whose text the store has.
    prices: Mutex<HashSet<PriceVersion>>,
}

/// An account as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountReport {
    /// Its name.
    pub name: String,
    /// What is on it, holds not taken off.
    pub balance: Money,
    /// What is held for calls under way.
    pub held: Money,
    /// What calls may still take.
    pub left: Money,
}

/// A budget as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetReport {
    /// Whose it is.
    pub subject: Subject,
    /// What it counts.
    pub unit: Unit,
    /// How long its periods are.
    pub per: Length,
    /// How it stands.
    pub standing: Standing,
}

impl Books {
    /// Opens the books, feeds what the database lacks, and settles calls that were open when the process was killed.
    ///
    /// # Errors
    /// Another process has them, a file cannot be used, or a part of the journal is damaged.
    pub fn open(dir: &Path, ledger: &Ledger) -> Result<(Arc<Self>, Recovery), StoreError> {
        let (store, recovery) = Store::open(dir, options(ledger))?;
        let accounts = Accounts::default();
        let mut terms = HashMap::new();
        for found in store.accounts()? {
            let _ = accounts.open(&found.name, found.balance, found.terms);
            terms.insert(found.name, found.terms);
        }
        let (terms, prices) = (Mutex::new(terms), Mutex::default());
        Ok((Arc::new(Self { store, opened: *ledger, accounts, budgets: Budgets::default(), terms, prices }), recovery))
    }

    /// What is kept.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Settings of another configuration that these books take up only when they are opened anew. What is charged for
    /// calls that a kill left open is no such setting: it is asked for at a start only.
    pub(crate) fn needs_restart(&self, other: &Ledger) -> impl Iterator<Item = &'static str> {
        let Ledger { when_failing, open_calls: _, sync_every, keep_calls, keep_bytes } = self.opened;
        [
            ("ledger.when_failing", when_failing != other.when_failing),
            ("ledger.sync_every", sync_every != other.sync_every),
            ("ledger.keep_calls", keep_calls != other.keep_calls),
            ("ledger.keep_bytes", keep_bytes != other.keep_bytes),
        ]
        .into_iter()
        .filter_map(|(name, differs)| differs.then_some(name))
    }

    /// Whether a call that costs money may be made now.
    pub(crate) fn admits(&self) -> Result<(), Failing> {
        self.store.journal().admits()
    }

    /// Who pays for calls of a key or tenant: its account, and its budgets.
    ///
    /// # Errors
    /// The store refused.
    pub(crate) fn payer(
        &self,
        subject: &Subject,
        credits: Option<&Credits>,
        budgets: &[Configured],
    ) -> Result<Payer, StoreError> {
        let account = credits.map(|credits| self.account(credits)).transpose()?;
        let budgets = budgets.iter().map(|budget| self.budget(subject, budget)).collect::<Result<_, _>>()?;
        Ok(Payer { account, budgets })
    }

    fn account(&self, credits: &Credits) -> Result<Arc<Account>, StoreError> {
        let wanted = AccountTerms { floor: -credits.allow_negative_usd, low: credits.low_balance_usd };
        let mut terms = self.terms.lock();
        let known = terms.get(&credits.account);
        if known != Some(&wanted) {
            self.store.open_account(&credits.account, wanted, now_ms())?;
            terms.insert(credits.account.clone(), wanted);
        }
        let account = self.accounts.open(&credits.account, Money::ZERO, wanted);
        account.set_terms(wanted);
        account.set_cuts_streams(credits.cut_streams);
        Ok(account)
    }

    fn budget(&self, subject: &Subject, stated: &Configured) -> Result<Arc<Budget>, StoreError> {
        let zone = jiff::tz::TimeZone::get(&stated.timezone).unwrap_or(jiff::tz::TimeZone::UTC);
        let (unit, amount) = match stated.amount {
            BudgetAmount::Usd(amount) => (Unit::Money, amount.nanos()),
            BudgetAmount::Tokens(tokens) => (Unit::Tokens, i64::try_from(tokens).unwrap_or(i64::MAX)),
        };
        let terms = BudgetTerms {
            subject: subject.clone(),
            unit,
            amount,
            calendar: Calendar { zone, ..Calendar::utc(length(stated.per)) },
            warn_at: stated.warn_at.clone(),
            on_exceed: match stated.on_exceed {
                OnExceed::Reject => Exceeding::Refuse,
                OnExceed::StepDown => Exceeding::StepDown,
            },
        };
        let mut failed = None;
        let budget = self.budgets.ensure(terms, now_ms(), |span| {
            self.store.used(subject, unit, span).unwrap_or_else(|error| {
                failed = Some(error);
                0
            })
        });
        failed.map_or(Ok(budget), Err)
    }

    /// Enters a credit, a refund or a correction of an account, and tells whether it is new. It is durable, and what calls
    /// may take has changed, when this returns. Waits for the database.
    ///
    /// # Errors
    /// There is no such account, the amount is none, the reference was used for another entry, or the store refused.
    pub fn credit(
        &self,
        kind: Kind,
        reference: &str,
        account: &str,
        amount: Money,
    ) -> Result<(Entered, AccountReport), CreditError> {
        let live = self.accounts.get(account).ok_or_else(|| CreditError::NoAccount(account.to_owned()))?;
        let entered = self.store.credit(kind, reference, account, amount, now_ms())?;
        if entered == Entered::New {
            live.credit(amount);
        }
        Ok((entered, report(&live)))
    }

    /// Makes redemption codes of an amount each. They are shown once: only their hashes are kept. Waits for the database.
    ///
    /// # Errors
    /// The store refused.
    pub fn issue(
        &self,
        count: u32,
        amount: Money,
        expires_ms: Option<i64>,
        note: &str,
    ) -> Result<Vec<Code>, StoreError> {
        let codes = (0..count).map(|_| Code::new()).collect::<Result<Vec<_>, _>>()?;
        self.store.add_codes(&codes, amount, expires_ms, note, now_ms())?;
        Ok(codes)
    }

    /// Redeems a code for an account, and tells what it was worth. Of any number at once, one wins. Waits for the
    /// database.
    ///
    /// # Errors
    /// There is no such account or code, or the code was used or has expired.
    pub fn redeem(&self, code: &str, account: &str) -> Result<(Money, AccountReport), CreditError> {
        let live = self.accounts.get(account).ok_or_else(|| CreditError::NoAccount(account.to_owned()))?;
        let worth = self.store.redeem(code, account, now_ms())?;
        live.credit(worth);
        Ok((worth, report(&live)))
    }

    /// All accounts, by name.
    #[must_use]
    pub fn accounts(&self) -> Vec<AccountReport> {
        let mut accounts: Vec<AccountReport> = self.accounts.all().iter().map(|account| report(account)).collect();
        accounts.sort_by(|one, other| one.name.cmp(&other.name));
        accounts
    }

    /// How many accounts have less than their `low_balance_usd`.
    #[must_use]
    pub fn low_accounts(&self) -> usize {
        self.accounts.low()
    }

    /// All budgets, by whose they are.
    #[must_use]
    pub fn budgets(&self) -> Vec<BudgetReport> {
        let now = now_ms();
        let mut budgets: Vec<BudgetReport> = self.budgets.all().iter().map(|budget| standing(budget, now)).collect();
        budgets.sort_by(|one, other| one.subject.cmp(&other.subject));
        budgets
    }

    /// Budgets that no configuration has any more are forgotten.
    pub(crate) fn tidy(&self) {
        self.budgets.forget_unused();
    }

    /// Keeps the text of prices that charges refer to. Waits for the database.
    pub(crate) fn keep_prices(&self, tariffs: impl Iterator<Item = (Arc<str>, Arc<str>, Arc<Tariff>)>) {
        for (provider, model, tariff) in tariffs {
            if self.prices.lock().contains(&tariff.version) {
                continue;
            }
            match self.store.keep_price(&provider, &model, &tariff.entry) {
                Ok(()) => drop(self.prices.lock().insert(tariff.version)),
                Err(error) => {
                    tracing::warn!(%error, "a price could not be kept; it is tried again");
                    return;
                }
            }
        }
    }
}

/// A credit that was not entered.
#[derive(Debug, thiserror::Error)]
pub enum CreditError {
    /// No key or tenant has an account of this name.
    #[error("no account is called {0}; accounts are made by `credits:` of a key or a tenant")]
    NoAccount(String),
    /// The code cannot be redeemed.
    #[error(transparent)]
    Code(#[from] RedeemError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn report(account: &Account) -> AccountReport {
    AccountReport {
        name: account.name().to_string(),
        balance: account.balance(),
        held: account.held(),
        left: account.left(),
    }
}

pub(crate) fn standing(budget: &Budget, now_ms: i64) -> BudgetReport {
    let terms = budget.terms();
    BudgetReport {
        subject: terms.subject.clone(),
        unit: terms.unit,
        per: terms.calendar.per,
        standing: budget.standing(now_ms),
    }
}

const fn length(per: Per) -> Length {
    match per {
        Per::Hour => Length::Hour,
        Per::Day => Length::Day,
        Per::Week => Length::Week,
        Per::Month => Length::Month,
        Per::Total => Length::Total,
    }
}

fn options(ledger: &Ledger) -> Options {
    let journal = JournalOptions {
        sync_every: Duration::from_millis(ledger.sync_every.millis()),
        when_failing: match ledger.when_failing {
            WhenFailing::Refuse => Policy::Refuse,
            WhenFailing::GoOn => Policy::GoOn { most_bytes: MOST_WAITING },
        },
        ..JournalOptions::default()
    };
    Options {
        journal,
        open_calls: match ledger.open_calls {
            sluicegate_config::OpenCalls::Expected => OpenCalls::Expected,
            sluicegate_config::OpenCalls::Held => OpenCalls::Held,
            sluicegate_config::OpenCalls::Free => OpenCalls::Free,
        },
        keep: Keep {
            days: u32::try_from(ledger.keep_calls.millis() / DAY_MS).unwrap_or(u32::MAX),
            bytes: ledger.keep_bytes.bytes(),
        },
        ..Options::default()
    }
}

/// The clock on the wall, by which periods are counted, in milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}
