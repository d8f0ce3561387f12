//! Sluicegate in the laboratory: the production limits and the production scheduler, handled as the relay handles them.
//!
//! A call takes its ingress limits when it arrives and its egress limits when it is sent, each set as a whole. Where
//! nobody waits for any limit of a set, it takes them without a detour; otherwise, or when one of them is short, it
//! waits in the scheduler for that set, and it goes on holding the ingress reservation while it waits for the egress
//! one. A strict caller does not wait. What is decided here and not in `flow` is only what the relay's own stages
//! decide: the order of the two sets and which refusal means which status.
//!
//! Several instances share the traffic, a call going to one drawn for it. Each counts for itself, for a share of every
//! limit or for the whole of it, and so shows what running several without a common store would mean.

use super::call::{ByClass, Call, PATIENCE};
use super::draw::Draw;
use super::policy::{Act, Answer, Id, Policy, passed_on};
use super::record::End;
use sluicegate_flow::{
    Algorithm, Ask, Bounds, Cost, Kind, Label, Limit, LimitId, LimitSet, Mode, Nanos, Outcome, Pace, Quota,
    Reservation, Scheduler, Shed, Waiter,
};
use sluicegate_vocabulary::Endpoint;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// A relay as it is set up.
#[derive(Debug, Clone, PartialEq)]
pub struct Relay {
    /// Limits that a call takes at arrival, the narrowest first.
    pub ingress: Vec<Rule>,
    /// Limits that a call takes when it is sent.
    pub egress: Vec<Rule>,
    /// What is done with a call that finds no room.
    pub mode: Mode,
    /// The same for single keys, by number.
    pub modes: HashMap<u32, Mode>,
    /// How long a call of each class waits that brings no deadline of its own.
    pub waits: ByClass<Duration>,
    /// How much may wait, and the weights of the classes.
    pub bounds: Bounds,
    /// How long it commonly takes from sending to the first byte.
    pub lead: Duration,
    /// How many instances share the traffic. At least 1.
    pub instances: u32,
    /// Each instance has its share of every limit, rounded down, instead of all of it.
    pub shared: bool,
}

impl Default for Relay {
    fn default() -> Self {
        Self {
            ingress: Vec::new(),
            egress: Vec::new(),
            mode: Mode::Adaptive,
            modes: HashMap::new(),
            waits: PATIENCE,
            bounds: Bounds::default(),
            lead: Duration::ZERO,
            instances: 1,
            shared: true,
        }
    }
}

/// One limit, and whom it concerns.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Whose limit it is.
    pub label: Label,
    /// What it counts.
    pub kind: Kind,
    /// How much.
    pub quota: Quota,
    /// Which calls take from it.
    pub concerns: Concerns,
}

/// Which calls a limit concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concerns {
    /// All.
    All,
    /// Those to one endpoint.
    Endpoint(Endpoint),
    /// Those of some keys, by number, all together.
    Keys(Vec<u32>),
    /// Those of each key, each for itself.
    EachKey,
    /// Those for some models, by number, all together.
    Models(Vec<u32>),
}

impl Rule {
    /// The limit's name in reports: `overall: requests per minute`.
    #[must_use]
    pub fn name(&self) -> String {
        name(&self.label, self.kind, &self.quota)
    }

    fn concerns(&self, call: &Call) -> bool {
        match &self.concerns {
            Concerns::All | Concerns::EachKey => true,
            Concerns::Endpoint(endpoint) => *endpoint == call.endpoint,
            Concerns::Keys(keys) => keys.contains(&call.key),
            Concerns::Models(models) => models.contains(&call.model),
        }
    }

    /// The same with the amount multiplied, at least 1.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let times = |amount: u64| ((amount as f64 * factor) as u64).max(1);
        let algorithm = match self.quota.algorithm {
            Algorithm::TokenBucket { capacity, refill_step } => {
                Algorithm::TokenBucket { capacity: times(capacity), refill_step }
            }
            other => other,
        };
        Self { quota: Quota { set: times(self.quota.set), algorithm, ..self.quota }, ..self.clone() }
    }
}

fn name(label: &Label, kind: Kind, quota: &Quota) -> String {
    let per = match (quota.algorithm, quota.window.as_secs()) {
        (Algorithm::Permits, _) => return format!("{label} concurrency"),
        (_, 1) => "second".to_owned(),
        (_, 60) => "minute".to_owned(),
        (_, 3_600) => "hour".to_owned(),
        (_, 86_400) => "day".to_owned(),
        (_, seconds) => format!("{seconds}_seconds"),
    };
    format!("{label} {kind}_per_{per}")
}

/// The relay at work.
pub(crate) struct Relaying {
    relay: Relay,
    instances: Vec<Instance>,
    draw: Draw,
    /// What calls that have no end yet hold.
    held: HashMap<Id, Held>,
    /// How often a limit kept a call from going at once.
    binding: HashMap<LimitId, (String, u64)>,
}

/// One process.
struct Instance {
    scheduler: Scheduler<Item>,
    limits: Limits,
    /// When it will be woken next, if it will.
    planned: Option<Nanos>,
}

/// A call on its way through a stage.
#[derive(Debug, Clone, Copy)]
struct Item {
    id: Id,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Stage {
    Ingress,
    Egress,
}

/// What a call holds, and where.
struct Held {
    instance: usize,
    /// What it has taken, the stages it has passed in their order.
    reservations: Vec<Reservation>,
    /// Whether it has waited, so that the shares are to be corrected by what it really used.
    waited: bool,
}

/// What is to be done before time goes on.
enum Step {
    /// A call comes to a stage.
    Ask(Item),
    /// It has been given what it asked for there.
    Granted(Item, Reservation),
    /// It ends here.
    Refused(Id, End),
    /// Something went back to limits of an instance.
    GivenBack(usize, LimitSet),
}

impl Relaying {
    pub(crate) fn new(relay: &Relay, seed: u64) -> Self {
        let count = relay.instances.max(1);
        let share = if relay.shared { 1.0 / f64::from(count) } else { 1.0 };
        let instances = (0..count).map(|_| Instance {
            scheduler: Scheduler::new(relay.bounds),
            limits: Limits::new(relay, share),
            planned: None,
        });
        Self {
            instances: instances.collect(),
            relay: relay.clone(),
            draw: Draw::new(seed, 6),
            held: HashMap::new(),
            binding: HashMap::new(),
        }
    }

    /// Does these things and all that follows from them, and sees to it that the instances are woken in time.
    fn work(&mut self, now: Nanos, mut steps: VecDeque<Step>, calls: &[Call], acts: &mut Vec<Act>) {
        while let Some(step) = steps.pop_front() {
            match step {
                Step::Ask(item) => self.ask(now, item, calls, &mut steps),
                Step::Granted(item, reservation) => {
                    let Some(held) = self.held.get_mut(&item.id) else { continue };
                    held.reservations.push(reservation);
                    match item.stage {
                        Stage::Ingress => steps.push_back(Step::Ask(Item { stage: Stage::Egress, ..item })),
                        Stage::Egress => acts.push(Act::Send(item.id)),
                    }
                }
                Step::Refused(id, end) => {
                    acts.push(Act::End(id, end));
                    let Some(held) = self.held.remove(&id) else { continue };
                    for reservation in held.reservations {
                        let limits = reservation.limits().clone();
                        drop(reservation);
                        steps.push_back(Step::GivenBack(held.instance, limits));
                    }
                }
                Step::GivenBack(index, limits) => {
                    let Some(instance) = self.instances.get_mut(index) else { continue };
                    let mut out = Vec::new();
                    for limit in limits.limits().iter().filter(|limit| limit.waiting() > 0) {
                        instance.scheduler.release(now, limit.id(), &mut out);
                    }
                    outcomes(out, &mut steps);
                }
            }
        }
        for (index, instance) in self.instances.iter_mut().enumerate() {
            let due = instance.scheduler.next_at();
            if due.is_some_and(|due| instance.planned.is_none_or(|planned| due < planned)) {
                instance.planned = due;
                acts.extend(due.map(|due| Act::Wake(due, index as u64)));
            }
        }
    }

    /// A call asks for the limits of a stage: it is given them, waits or is refused.
    fn ask(&mut self, now: Nanos, item: Item, calls: &[Call], steps: &mut VecDeque<Step>) {
        let (Some(call), Some(held)) = (calls.get(item.id as usize), self.held.get_mut(&item.id)) else { return };
        let Some(instance) = self.instances.get_mut(held.instance) else { return };
        let set = instance.limits.of(call, item.stage);
        let waits = self.relay.modes.get(&call.key).unwrap_or(&self.relay.mode).waits();
        let pace = if waits { Pace::Even } else { Pace::Free };
        let ask = Ask { cost: Cost { requests: 1, tokens: call.reserved() }, class: call.class, pace };
        // Whoever does not wait does not stand behind those who do.
        let contended = set.limits().iter().find(|limit| waits && limit.waiting() > 0);
        if let Some(limit) = contended {
            count(&mut self.binding, limit);
        } else {
            match set.reserve(now, ask) {
                Ok(reservation) => return steps.push_back(Step::Granted(item, reservation)),
                Err(refusal) => {
                    count(&mut self.binding, &refusal.limit);
                    let end = match item.stage {
                        _ if refusal.never_fits() => End::NeverFits,
                        Stage::Ingress => End::Limited,
                        Stage::Egress => End::Full,
                    };
                    if refusal.never_fits() || !waits {
                        return steps.push_back(Step::Refused(item.id, end));
                    }
                }
            }
        }
        held.waited = true;
        let patience = call.patience.unwrap_or(*self.relay.waits.of(call.class));
        let waiter = Waiter {
            flow: u64::from(call.key),
            ask,
            bytes: u64::from(call.tokens_in) * BYTES_PER_TOKEN,
            arrived: call.at,
            deadline: call.at.after(patience),
            lead: self.relay.lead,
            set,
            debit: None,
            item,
        };
        let mut out = Vec::new();
        instance.scheduler.enqueue(now, waiter, &mut out);
        outcomes(out, steps);
    }
}

/// What a token of input takes in a request's body.
const BYTES_PER_TOKEN: u64 = 4;

/// What follows from the scheduler's decisions.
fn outcomes(out: Vec<Outcome<Item>>, steps: &mut VecDeque<Step>) {
    steps.extend(out.into_iter().map(|outcome| match outcome {
        Outcome::Admitted { item, reservation, .. } => Step::Granted(item, reservation),
        Outcome::Shed { item, why, .. } => {
            let end = match (why, item.stage) {
                (Shed::NeverFits { .. }, _) => End::NeverFits,
                (Shed::QueueFull { .. } | Shed::PushedOut { .. }, _) => End::Full,
                (Shed::Deadline { .. }, Stage::Ingress) => End::Limited,
                (Shed::Deadline { .. }, Stage::Egress) => End::Late,
            };
            Step::Refused(item.id, end)
        }
    }));
}

fn count(binding: &mut HashMap<LimitId, (String, u64)>, limit: &Limit) {
    let name = || name(limit.label(), limit.kind(), limit.quota());
    binding.entry(limit.id()).or_insert_with(|| (name(), 0)).1 += 1;
}

impl Policy for Relaying {
    fn arrived(&mut self, now: Nanos, id: Id, calls: &[Call], acts: &mut Vec<Act>) {
        let instance = (self.draw.bits() % self.instances.len() as u64) as usize;
        self.held.insert(id, Held { instance, reservations: Vec::new(), waited: false });
        self.work(now, [Step::Ask(Item { id, stage: Stage::Ingress })].into(), calls, acts);
    }

    fn ended(&mut self, now: Nanos, id: Id, answer: Answer, calls: &[Call], acts: &mut Vec<Act>) {
        acts.push(Act::End(id, passed_on(answer)));
        let (Some(held), Some(call)) = (self.held.remove(&id), calls.get(id as usize)) else { return };
        // A failed call is charged for its request and nothing else.
        let used = if answer == Answer::Done { call.used() } else { 0 };
        let mut steps = VecDeque::new();
        for reservation in held.reservations {
            let limits = reservation.limits().clone();
            reservation.settle(now, used);
            if let Some(instance) = self.instances.get_mut(held.instance).filter(|_| held.waited) {
                let beyond = i64::try_from(used).unwrap_or(i64::MAX).saturating_sub_unsigned(call.reserved());
                instance.scheduler.correct(now, &limits, call.class, u64::from(call.key), beyond);
            }
            steps.push_back(Step::GivenBack(held.instance, limits));
        }
        self.work(now, steps, calls, acts);
    }

    fn woken(&mut self, now: Nanos, word: u64, calls: &[Call], acts: &mut Vec<Act>) {
        let index = word as usize;
        let Some(instance) = self.instances.get_mut(index) else { return };
        if instance.planned.is_some_and(|planned| planned <= now) {
            instance.planned = None;
        }
        let (mut out, mut steps) = (Vec::new(), VecDeque::new());
        instance.scheduler.pump(now, &mut out);
        outcomes(out, &mut steps);
        self.work(now, steps, calls, acts);
    }

    fn binding(&self) -> Vec<(String, u64)> {
        self.binding.values().cloned().collect()
    }
}

/// The limits of an instance, and which of them a call takes.
struct Limits {
    rules: Vec<(Stage, Rule, Arc<Limit>)>,
    /// The limits of single keys, by rule and key.
    of_keys: HashMap<(usize, u32), Arc<Limit>>,
    /// Sets that have been put together before.
    sets: HashMap<(Stage, u32, Endpoint, u32), LimitSet>,
}

impl Limits {
    fn new(relay: &Relay, share: f64) -> Self {
        let ingress = relay.ingress.iter().map(|rule| (Stage::Ingress, rule));
        let egress = relay.egress.iter().map(|rule| (Stage::Egress, rule));
        let rules = ingress.chain(egress).map(|(stage, rule)| {
            let rule = rule.scaled(share);
            let limit = Limit::new(rule.label.clone(), rule.kind, rule.quota);
            (stage, rule, limit)
        });
        Self { rules: rules.collect(), of_keys: HashMap::new(), sets: HashMap::new() }
    }

    fn of(&mut self, call: &Call, stage: Stage) -> LimitSet {
        let Self { rules, of_keys, sets } = self;
        let set = sets.entry((stage, call.key, call.endpoint, call.model)).or_insert_with(|| {
            let concerned = rules.iter().enumerate().filter(|(_, (own, rule, _))| *own == stage && rule.concerns(call));
            LimitSet::new(concerned.map(|(number, (_, rule, limit))| {
                if rule.concerns != Concerns::EachKey {
                    return Arc::clone(limit);
                }
                let own = of_keys.entry((number, call.key));
                let label = Label::new(rule.label.scope, format!("{}{}", rule.label.name, call.key));
                Arc::clone(own.or_insert_with(|| Limit::new(label, rule.kind, rule.quota)))
            }))
        });
        set.clone()
    }
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
