//! Faults that are switched on and off while a simulator runs.
//!
//! A marker orders a fault for one call, and only whoever writes the message can. A game day wants a provider that dies
//! at one minute and is well at the next, a test of key pools wants one key out of three to be refused: that is ordered
//! here, from beside, in the language of markers. What a call's own markers order goes before it.
//!
//! Over HTTP it is `POST /_simulate/faults` with [`Settings`] as JSON, which replaces what was ordered before; `GET`
//! tells what holds now and how often each rule struck; `DELETE` heals. Only a caller on this machine is heard, and only
//! where [`crate::Options::control`] allows it.

use std::net::IpAddr;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::markers::{self, Orders};
use crate::seed::Digest;

/// The most rules at once.
const MOST: usize = 1000;

/// All that is ordered at once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The first that applies to a call strikes it.
    pub rules: Vec<Rule>,
    /// Requests a minute for each key from now on; absent, what it was set up with.
    pub requests_per_minute: Option<u32>,
    /// Tokens a minute for each key from now on, likewise.
    pub tokens_per_minute: Option<u32>,
    /// Calls at once for each key from now on, likewise. Calls that are under way with no such limit are not counted.
    pub concurrency: Option<u32>,
}

/// A fault, and whom it strikes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Calls whose key begins so; absent, all calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Of these keys only the one that calls first.
    #[serde(default)]
    pub first_key: bool,
    /// The part of the calls it strikes, 0 to 1.
    #[serde(default = "all")]
    pub share: f64,
    /// It strikes so many calls and then no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// What happens, as markers: `[[sim:status=500]]`.
    pub orders: String,
}

const fn all() -> f64 {
    1.0
}

impl Rule {
    /// A rule that strikes every call.
    #[must_use]
    pub fn always(orders: &str) -> Self {
        Self { key: None, first_key: false, share: 1.0, times: None, orders: orders.to_owned() }
    }

    /// The same for keys that begin so.
    #[must_use]
    pub fn for_keys(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    /// The same for the key that calls first.
    #[must_use]
    pub fn for_first_key(self) -> Self {
        Self { first_key: true, ..self }
    }

    /// The same for a part of the calls.
    #[must_use]
    pub fn for_share(self, share: f64) -> Self {
        Self { share, ..self }
    }

    /// The same for so many calls.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { times: Some(times), ..self }
    }
}

/// A rule in force.
#[derive(Debug)]
struct Standing {
    rule: Rule,
    orders: Orders,
    /// Whom it strikes alone, once he has called.
    chosen: Option<u64>,
    struck: u64,
}

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct Rules(Mutex<Vec<Standing>>);

/// A rule as `GET` tells it.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    #[serde(flatten)]
    rule: Rule,
    struck: u64,
}

impl Rules {
    /// Puts these in the place of what was ordered before.
    pub(crate) fn set(&self, rules: Vec<Rule>) -> Result<(), String> {
        if rules.len() > MOST {
            return Err(format!("at most {MOST} rules"));
        }
        let standing: Result<Vec<_>, String> = rules
            .into_iter()
            .map(|rule| {
                let mut orders = Orders::default();
                markers::read(&rule.orders, &mut orders)?;
                if !(0.0..=1.0).contains(&rule.share) {
                    return Err(format!("a share is between 0 and 1, not {}", rule.share));
                }
                if orders == Orders::default() {
                    return Err(format!("`{}` orders nothing; write `[[sim:status=500]]`", rule.orders));
                }
                Ok(Standing { rule, orders, chosen: None, struck: 0 })
            })
            .collect();
        *self.0.lock() = standing?;
        Ok(())
    }

    /// What strikes the call with this number, made with this key.
    pub(crate) fn strike(&self, key: Option<&str>, account: u64, serial: u64) -> Option<Orders> {
        let mut rules = self.0.lock();
        let place = rules.iter().position(|it| it.applies(key, account, serial))?;
        let it = rules.get_mut(place)?;
        it.struck += 1;
        if it.rule.first_key {
            it.chosen = Some(account);
        }
        Some(it.orders.clone())
    }

    pub(crate) fn struck(&self) -> Vec<u64> {
        self.0.lock().iter().map(|it| it.struck).collect()
    }

    pub(crate) fn told(&self) -> Vec<Told> {
        self.0.lock().iter().map(|it| Told { rule: it.rule.clone(), struck: it.struck }).collect()
    }
}

impl Standing {
    fn applies(&self, key: Option<&str>, account: u64, serial: u64) -> bool {
        let Rule { key: wanted, share, times, .. } = &self.rule;
        times.is_none_or(|times| self.struck < times)
            && wanted.as_deref().is_none_or(|wanted| key.unwrap_or_default().starts_with(wanted))
            && self.chosen.is_none_or(|chosen| chosen == account)
            && (*share >= 1.0 || fastrand::Rng::with_seed(Digest::new(0x5a).with(serial).value()).f64() < *share)
    }
}

/// Whether the order comes from this machine, and from no page that a browser here has open.
pub(crate) fn may_order(peer: Option<IpAddr>, headers: &http::HeaderMap) -> bool {
    peer.is_some_and(|peer| peer.to_canonical().is_loopback()) && !headers.contains_key(http::header::ORIGIN)
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
