//! An audit from beginning to end.

use crate::budget::{Allowance, Budget};
use crate::call::{Sent, call};
use crate::client::{Client, Target, TargetError};
use crate::conformance::{Finding, conformance};
use crate::limits::{Endpoint, Search, Tried, limits};
use crate::load::{Load, load};
use crate::measure::{Objective, Step};
use crate::report::Report;
use crate::speech::Ask;
use sluicegate_vocabulary::Money;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// Who wants to know how far an audit is.
pub trait Progress: Send + Sync {
    /// Something else begins.
    fn phase(&self, name: &str);
    /// So many calls more are over.
    fn calls(&self, count: usize);
    /// A step of load is over.
    fn step(&self, step: &Step);
}

/// Nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn phase(&self, _: &str) {}
    fn calls(&self, _: usize) {}
    fn step(&self, _: &Step) {}
}

/// What to do.
#[derive(Debug, Clone)]
pub struct Order {
    /// Whom to ask.
    pub target: Target,
    /// What it may cost.
    pub allowance: Allowance,
    /// Load, if any.
    pub load: Option<Load>,
    /// The search for limits, if any.
    pub search: Option<Search>,
    /// What must hold.
    pub objectives: Vec<Objective>,
}

pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) target: Target,
    pub(crate) budget: Budget,
    pub(crate) progress: Arc<dyn Progress>,
    salt: AtomicU64,
}

impl Context {
    /// Sends a call and settles it; `None` when the budget has no room for it.
    pub(crate) async fn send(&self, ask: &Ask) -> Option<Sent> {
        self.send_due(ask, Instant::now()).await
    }

    /// The same for a call that was due at this moment.
    pub(crate) async fn send_due(&self, ask: &Ask, due: Instant) -> Option<Sent> {
        self.measured(&self.target.model, ask, due).await
    }

    /// The same for another model.
    pub(crate) async fn ask_model(&self, model: &str, ask: &Ask) -> Option<Sent> {
        self.measured(model, ask, Instant::now()).await
    }

    async fn measured(&self, model: &str, ask: &Ask, due: Instant) -> Option<Sent> {
        let hold = self.budget.take(ask)?;
        let sent = call(&self.client, self.target.dialect, model, ask, due).await;
        // What is refused is not billed.
        let used = if sent.status >= 400 { Some((0, 0)) } else { sent.said.input.zip(sent.said.output) };
        self.budget.settle(hold, used);
        Some(sent)
    }

    /// A number that was not given before, so that no two prompts are alike.
    pub(crate) fn salt(&self) -> u64 {
        self.salt.fetch_add(1, Relaxed)
    }
}

impl Endpoint for Context {
    async fn ask(&self, ask: &Ask) -> Option<Tried> {
        let Sent { went, said, total, ended, .. } = self.send(ask).await?;
        // Where no usage is told, it is as we count it.
        let tokens = said.input.unwrap_or(ask.tokens) + said.output.unwrap_or_default();
        let began = ended.checked_sub(total).unwrap_or(ended);
        Some(Tried { went, began: began.into(), ended: ended.into(), tokens })
    }

    fn room(&self, ask: &Ask) -> u64 {
        self.budget.room(ask)
    }

    fn salt(&self) -> u64 {
        self.salt()
    }

    fn phase(&self, name: &str) {
        self.progress.phase(name);
    }

    fn over(&self) {
        self.progress.calls(1);
    }
}

/// What an audit may cost and how many calls it may send at most, before it is begun: conformance, load, and no more than
/// the allowance.
#[must_use]
pub fn estimate(order: &Order) -> (u64, Money) {
    let budget = Budget::new(order.allowance.clone());
    let mut calls = 15_u64;
    let mut cost = Money::from_nanos(budget.ceiling(&Ask::words(60, 0, 120)).nanos().saturating_mul(15));
    if let Some(load) = &order.load {
        let each = budget.ceiling(&Ask::words(load.words, 0, load.max_tokens));
        let count = match load.rate {
            Some((rate, lasting)) => (rate * lasting.as_secs_f64()).ceil() as u64,
            None => load.steps.iter().map(|&step| load.calls_each * step as u64).sum(),
        };
        calls += count;
        cost += Money::from_nanos(each.nanos().saturating_mul(i64::try_from(count).unwrap_or(i64::MAX)));
    }
    if order.search.is_some() {
        // How many calls it takes is what is not known; the allowance bounds them.
        calls = order.allowance.calls;
        cost = order.allowance.cost.unwrap_or(cost);
    }
    (calls.min(order.allowance.calls), order.allowance.cost.map_or(cost, |cap| cap.min(cost)))
}

/// Carries out an audit. Calls are real and billed; they stay within the allowance.
///
/// # Errors
/// When the endpoint cannot even be asked: a URL that is none, a key that cannot be sent.
pub async fn audit(order: &Order, progress: Arc<dyn Progress>) -> Result<Report, TargetError> {
    let context = Arc::new(Context {
        client: Client::new(&order.target)?,
        target: order.target.clone(),
        budget: Budget::new(order.allowance.clone()),
        progress,
        salt: AtomicU64::new(1),
    });
    context.progress.phase("conformance");
    let checks = conformance(&context).await;
    let answers = checks.iter().any(|check| check.name == "chat" && check.finding == Finding::Good);
    let mut report = Report::new(&order.target, checks);
    if answers && let Some(wanted) = &order.load {
        context.progress.phase("load");
        report.steps = load(&context, wanted, &order.objectives).await;
    }
    if answers && let Some(search) = &order.search {
        report.limits = Some(limits(&context, search, order.load.is_some()).await);
    }
    let missed = |objective: &&Objective| report.steps.iter().any(|step| !objective.holds(step));
    report.missed = order.objectives.iter().filter(missed).map(|objective| objective.written.clone()).collect();
    report.calls = context.budget.calls();
    report.cost_usd = context.budget.is_priced().then(|| context.budget.spent().to_string());
    report.cut_short = context.budget.is_exhausted();
    report.suggest();
    Ok(report)
}
