//! Budgets and accounts: amounts that bound something, in time zones that exist.

use super::{Compiler, usable_name};
use crate::books::{Budget, BudgetAmount, Credits, Ledger};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::file::{self, OneOrMore};
use crate::units::Period;
use sluicegate_vocabulary::Money;
use std::collections::BTreeMap;

/// Thresholds of a budget that names none, in percent.
const WARN_AT: [u8; 3] = [50, 80, 95];
/// Thresholds a budget may have.
const MOST_THRESHOLDS: usize = 32;

impl Compiler<'_> {
    pub(super) fn ledger(&mut self, stated: Option<&file::Ledger>) -> Option<Ledger> {
        let stated = stated?;
        let usual = Ledger::default();
        let ledger = Ledger {
            when_failing: stated.when_failing.unwrap_or(usual.when_failing),
            open_calls: stated.open_calls.unwrap_or(usual.open_calls),
            sync_every: stated.sync_every.unwrap_or(usual.sync_every),
            keep_calls: stated.keep_calls.unwrap_or(usual.keep_calls),
            keep_bytes: stated.keep_bytes.unwrap_or(usual.keep_bytes),
        };
        let day = Period::from_secs(86_400);
        self.within(ledger.sync_every, Period::from_millis(1), Period::from_secs(60), &["ledger", "sync_every"]);
        self.within(ledger.keep_calls, day, Period::from_secs(3650 * 86_400), &["ledger", "keep_calls"]);
        Some(ledger)
    }

    pub(super) fn signup(&mut self, stated: &file::NewAccounts) -> Money {
        let signup = stated.signup.map_or(Money::ZERO, |signup| signup.0);
        if signup < Money::ZERO {
            self.say(
                Diagnostic::new(codes::OUT_OF_RANGE, "an account is given nothing or more"),
                &["credits", "signup"],
            );
        }
        signup.max(Money::ZERO)
    }

    /// The budgets of whatever has this path.
    pub(super) fn budgets(&mut self, stated: Option<&OneOrMore>, path: &[&str]) -> Vec<Budget> {
        let Some(stated) = stated else { return Vec::new() };
        let mut budgets: Vec<Budget> = Vec::new();
        for (at, one) in stated.list().iter().enumerate() {
            let at = at.to_string();
            let mut path: Vec<&str> = path.iter().copied().chain(["budget"]).collect();
            if let OneOrMore::More(_) = stated {
                path.push(&at);
            }
            let Some(budget) = self.budget(one, &path) else { continue };
            let same = |other: &Budget| {
                let kind = |budget: &Budget| matches!(budget.amount, BudgetAmount::Usd(_));
                other.per == budget.per && kind(other) == kind(&budget)
            };
            if budgets.iter().any(same) {
                let what = "there is a budget of this kind for the same period already";
                self.say(Diagnostic::new(codes::TWO_BUDGETS, what), &path);
            }
            budgets.push(budget);
        }
        budgets
    }

    fn budget(&mut self, stated: &file::Budget, path: &[&str]) -> Option<Budget> {
        let amount = match (stated.usd.map(|usd| usd.0), stated.tokens) {
            (Some(usd), None) if usd > Money::ZERO => BudgetAmount::Usd(usd),
            (None, Some(tokens)) if tokens > 0 => BudgetAmount::Tokens(tokens),
            _ => {
                let what = "a budget is so many dollars (`usd`) or so many tokens (`tokens`): one of them, above 0";
                self.say(Diagnostic::new(codes::BAD_BUDGET, what), path);
                return None;
            }
        };
        let timezone = stated.timezone.clone().unwrap_or_else(|| "UTC".to_owned());
        if jiff::tz::TimeZone::get(&timezone).is_err() {
            let what = format!("no time zone is called `{timezone}` on this machine");
            let at: Vec<&str> = path.iter().copied().chain(["timezone"]).collect();
            self.say(Diagnostic::new(codes::UNKNOWN_ZONE, what).remedy("write it as in Europe/Berlin, or UTC"), &at);
        }
        let warn_at = match &stated.warn_at {
            None => WARN_AT.to_vec(),
            Some(shares) => {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is from 0 to 1")]
                let mut percents: Vec<u8> =
                    shares.iter().map(|share| (share.fraction() * 100.0).round() as u8).collect();
                percents.sort_unstable();
                percents.dedup();
                percents.truncate(MOST_THRESHOLDS);
                percents
            }
        };
        Some(Budget { amount, per: stated.per, timezone, warn_at, on_exceed: stated.on_exceed.unwrap_or_default() })
    }

    /// Names of calls, each with its budgets.
    pub(super) fn labels(&mut self, stated: &BTreeMap<String, file::Label>) -> BTreeMap<String, Vec<Budget>> {
        let mut labels = BTreeMap::new();
        for (name, stated) in stated {
            if !usable_name(name) {
                let what = "a label is letters, digits, `-`, `_` and `.`, at most 64";
                self.say_at_name(Diagnostic::new(codes::BAD_NAME, what), &["labels", name]);
            }
            labels.insert(name.clone(), self.budgets(stated.budget.as_ref(), &["labels", name]));
        }
        labels
    }

    /// The account of whatever has this path and name.
    pub(super) fn credits(&mut self, stated: Option<&file::Credits>, name: &str, path: &[&str]) -> Option<Credits> {
        let stated = stated?;
        let account = stated.account.clone().unwrap_or_else(|| name.to_owned());
        if !usable_name(&account) {
            let what = "an account's name is letters, digits, `-`, `_` and `.`, at most 64";
            let at: Vec<&str> = path.iter().copied().chain(["credits"]).collect();
            self.say(Diagnostic::new(codes::BAD_NAME, what), &at);
        }
        Some(Credits {
            account,
            low_balance_usd: stated.low_balance_usd.map(|usd| usd.0).unwrap_or_default(),
            allow_negative_usd: stated.allow_negative_usd.map(|usd| usd.0).unwrap_or_default(),
            cut_streams: stated.cut_streams.unwrap_or_default(),
        })
    }
}
