//! What is known of one model of one provider.

use super::adaptive::{Adaptive, Follows};
use super::memory::Kept;
use super::report::{AdaptiveReport, ModelReport, QuotaReport};
use super::terms::learned_concurrency;
use super::turnstile::Turnstile;
use crate::room::Room;
use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use sluicegate_flow::Nanos;
use sluicegate_flow::egress::{Latencies, ServerLoad, Shadow, ShadowStatus, SloAimdSettings};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Accounts of one provider of which a quota is kept.
const MOST_GROUPS: usize = 1024;

/// One model of one provider.
#[derive(Debug)]
pub(crate) struct ModelState {
    /// `provider/model`.
    name: Arc<str>,
    model: Arc<str>,
    /// Of streams: how long the first event took.
    pub(crate) first_tokens: Latencies,
    /// Of answers that came whole: how long they took.
    pub(crate) answers: Latencies,
    /// Who waits for a key with room.
    pub(crate) turnstile: Turnstile,
    /// The copies of the provider's counts, by account.
    quotas: Mutex<BTreeMap<Arc<str>, Arc<Shadow>>>,
    /// The limit that the configuration asks for, kept for the candidates of the next one.
    configured: Mutex<Option<Arc<Adaptive>>>,
    /// Where it stood when the process before this one ended.
    recalled: Option<Kept>,
    /// The limit that began when the provider said that too many calls were under way. Changed under the lock of
    /// `configured`.
    learned: ArcSwapOption<Adaptive>,
    /// Whether there is one: most models never have any, and looking at this costs every call less.
    has_learned: AtomicBool,
}

impl ModelState {
    pub(super) fn new(provider: &str, model: &str, recalled: Option<Kept>) -> Self {
        Self {
            name: format!("{provider}/{model}").into(),
            model: model.into(),
            first_tokens: Latencies::new(),
            answers: Latencies::new(),
            turnstile: Turnstile::new(),
            quotas: Mutex::default(),
            configured: Mutex::default(),
            recalled,
            learned: ArcSwapOption::empty(),
            has_learned: AtomicBool::new(false),
        }
    }

    /// Its name.
    pub(super) fn model(&self) -> &str {
        &self.model
    }

    /// The copy of what an account has left; beyond a thousand accounts they share one.
    pub(crate) fn quota(&self, group: &str) -> Arc<Shadow> {
        let mut quotas = self.quotas.lock();
        let group = if quotas.len() < MOST_GROUPS || quotas.contains_key(group) { group } else { "" };
        Arc::clone(quotas.entry(group.into()).or_insert_with(|| Arc::new(Shadow::new(1.0))))
    }

    /// The limit with these settings, going on from where one with others was.
    pub(crate) fn adaptive(&self, room: &Arc<Room>, settings: SloAimdSettings, now: Nanos) -> Arc<Adaptive> {
        let mut configured = self.configured.lock();
        match &*configured {
            Some(known) if known.settings == settings => Arc::clone(known),
            known => {
                let recalled = || self.recalled.map(|kept| kept.last);
                let last = known.as_ref().and_then(|known| known.last()).or_else(recalled);
                Arc::clone(configured.insert(Adaptive::new(room, &self.name, settings, Follows::Speed, last, now)))
            }
        }
    }

    /// Where the limit that follows its speed stands, for keeping.
    pub(super) fn kept(&self, now_ms: u64) -> Option<Kept> {
        let last = self.configured.lock().as_ref().and_then(|known| known.last());
        let news = last.filter(|last| self.recalled.is_none_or(|kept| kept.last != *last));
        news.map(|last| Kept { last, at_ms: now_ms }).or(self.recalled)
    }

    /// The limit that was learned from a refusal, if there was one lately.
    #[inline]
    pub(crate) fn learned(&self, now: Nanos) -> Option<Arc<Adaptive>> {
        if !self.has_learned.load(Ordering::Relaxed) {
            return None;
        }
        self.what_was_learned(now)
    }

    #[cold]
    fn what_was_learned(&self, now: Nanos) -> Option<Arc<Adaptive>> {
        let known = self.learned.load();
        let known = known.as_ref()?;
        if known.is_over(now) {
            self.unlearn(now);
            return None;
        }
        Some(Arc::clone(known))
    }

    #[cold]
    fn unlearn(&self, now: Nanos) {
        let _alone = self.configured.lock();
        if let Some(over) = self.learned.load_full().filter(|known| known.is_over(now)) {
            over.lift();
            self.learned.store(None);
            self.has_learned.store(false, Ordering::Relaxed);
        }
    }

    /// The provider said that too many calls are under way: from now on they are limited, at first to what was.
    pub(crate) fn learn_concurrency(&self, room: &Arc<Room>, in_flight: u32, now: Nanos) -> Arc<Adaptive> {
        let _alone = self.configured.lock();
        self.learned.load_full().filter(|known| !known.is_over(now)).unwrap_or_else(|| {
            let settings = learned_concurrency(in_flight);
            let learned = Adaptive::new(room, &self.name, settings, Follows::Refusals, None, now);
            self.learned.store(Some(Arc::clone(&learned)));
            self.has_learned.store(true, Ordering::Relaxed);
            learned
        })
    }

    /// What its server shows of its load was seen. A limit that was learned from refusals follows those alone.
    pub(super) fn observe(&self, now: Nanos, load: &ServerLoad) {
        if let Some(adaptive) = &*self.configured.lock() {
            adaptive.law.observe(now, load);
        }
    }

    /// The provider comes back from being isolated.
    pub(crate) fn restart(&self, now: Nanos) {
        let configured = self.configured.lock().as_ref().map(Arc::clone);
        for adaptive in configured.into_iter().chain(self.learned(now)) {
            adaptive.restart(now);
        }
    }

    pub(crate) fn report(&self, now: Nanos) -> ModelReport {
        let configured = self.configured.lock().as_ref().map(Arc::clone);
        let adaptive = configured.or_else(|| self.learned(now));
        let within = |part| self.first_tokens.within(now, part).map(millis);
        let quotas = self.quotas.lock();
        let quotas = quotas.iter().filter(|(_, quota)| !quota.is_silent());
        ModelReport {
            model: self.model.to_string(),
            waiting: self.turnstile.waiting(),
            first_token_p50_ms: within(0.5),
            first_token_p95_ms: within(0.95),
            adaptive: adaptive.map(|adaptive| {
                let status = adaptive.law.status();
                AdaptiveReport {
                    limit: adaptive.law.limit(),
                    in_flight: adaptive.in_flight(now),
                    threshold_ms: adaptive.threshold().map(millis),
                    slow_start: status.slow_start,
                    vetoed: adaptive.law.is_vetoed(now),
                    cut_ago_ms: status.cut_at.map(|at| millis(at.until(now))),
                }
            }),
            quotas: quotas.map(|(group, quota)| quota_report(group, quota, now)).collect(),
        }
    }
}

fn quota_report(group: &str, quota: &Shadow, now: Nanos) -> QuotaReport {
    let ShadowStatus { share, levels, held_until } = quota.status(now);
    let [requests, tokens, input_tokens, output_tokens] =
        levels.map(|level| level.map(|(left, most)| (left.max(0.0) as u64, most as u64)));
    QuotaReport {
        group: group.to_owned(),
        share,
        held_ms: held_until.map(|until| millis(now.until(until))),
        headroom: quota.headroom(now),
        requests,
        tokens,
        input_tokens,
        output_tokens,
    }
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
