//! Stage six: may it go now?
//!
//! Room is taken in all of the caller's limits at once or in none: requests by one, tokens by an estimate that is
//! corrected by what the call really uses. A call that finds room goes on without meeting anybody. One that does not
//! waits its turn as long as its deadline allows, unless its mode is strict; and a graceful caller who has agreed to it
//! goes to a lower tier rather than be refused.

use crate::books::{self, NotPaid};
use crate::call::{Caller, Plan, Request, Ticket};
use crate::cost;
use crate::dispatch::Unanswered;
use crate::estimate;
use crate::limit_headers::Told;
use crate::record::Record;
use crate::room::{Held, Table, Want, fault};
use crate::route::step_down;
use crate::server::Worker;
use crate::snapshot::{Limits, Route, Snapshot, duration};
use sluicegate_flow::{Ask, Limit, LimitSet, Nanos, Pace, Reason, Refusal, Scope};
use sluicegate_vocabulary::{Fault, FaultKind, Mode, Priority};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The part of its patience that a call which may go to a lower tier spends on waiting for the higher one.
pub(crate) const SHARE_FOR_PRIMARY: f64 = 0.8;

/// Takes room for a call, and says where it goes: its plan, or the plan of a lower tier.
///
/// # Errors
/// The limit that refused, what is left of it, and when it would pass.
pub(crate) async fn admit(
    worker: &Worker,
    request: &Request,
    caller: &Caller,
    plan: Plan,
    snapshot: &Snapshot,
    record: &mut Record,
) -> Result<Plan, Fault> {
    if let Some(format) = request.endpoint.format().filter(|_| request.stream && !request.wants_array()) {
        record.streams(format);
    }
    let mut plan = plan;
    loop {
        let lower = lower_plan(request, caller, &plan.route, snapshot, record);
        let refused = match books::enter(worker, request, caller, &mut plan, snapshot, record) {
            Err(not_paid) => Refused::NotPaid(not_paid),
            Ok(()) => match enter(worker, request, caller, &plan, lower.is_some(), snapshot, record).await {
                Ok(()) => return Ok(plan),
                Err(refused) => refused,
            },
        };
        let lower = match (refused, lower) {
            (Refused::SteppedDown, Some(lower)) => lower,
            (Refused::NotPaid(NotPaid { step_down: true, .. }), Some(lower)) => lower,
            (Refused::AtModel(_), Some(lower)) => {
                plan.route.ladder.short(worker.shared.room.now());
                lower
            }
            (refused, _) => return Err(refused.fault()),
        };
        record.degraded(&plan.route.name);
        plan = lower;
    }
}

/// Takes room for a call for which no provider had any: at the lower tier, if its caller agreed to that.
///
/// # Errors
/// Why there was no answer, where there is no lower tier for this caller or room is not what was wanting.
pub(crate) async fn elsewhere(
    worker: &Worker,
    request: &Request,
    caller: &Caller,
    plan: Plan,
    unanswered: Unanswered,
    snapshot: &Snapshot,
    record: &mut Record,
) -> Result<Plan, Fault> {
    let lower = lower_plan(request, caller, &plan.route, snapshot, record);
    let Some(lower) = lower.filter(|_| unanswered.unavailable) else { return Err(*unanswered.fault) };
    plan.route.ladder.short(worker.shared.room.now());
    record.degraded(&plan.route.name);
    // It will ask its own limits again, and must not find itself there.
    record.withdrawn();
    admit(worker, request, caller, lower, snapshot, record).await
}

/// Where a caller who agreed to it goes instead.
pub(crate) fn lower_tier(route: &Route, caller: &Caller, snapshot: &Snapshot) -> Option<Arc<Route>> {
    if caller.mode != Mode::Graceful || !caller.accepts_lower_tier() {
        return None;
    }
    snapshot.names.aliases.get(route.lower_tier.as_deref()?).map(Arc::clone)
}

/// The plan of a call that goes there instead, by what it asked for at first.
fn lower_plan(request: &Request, caller: &Caller, route: &Route, snapshot: &Snapshot, record: &Record) -> Option<Plan> {
    let to = lower_tier(route, caller, snapshot)?;
    let mut plan = step_down(request, caller, record.degraded_from().unwrap_or(&route.name), &to)?;
    cost::priced(&mut plan, request, snapshot).ok().map(|()| plan)
}

/// A call that was not let in.
enum Refused {
    /// It was not tried, since calls for its model go to the lower tier at present.
    SteppedDown,
    /// For want of room at the model it asked for, of which there may be some at another.
    AtModel(Fault),
    /// For want of money.
    NotPaid(NotPaid),
    /// For a reason that holds at the lower tier too.
    Anywhere(Fault),
}

impl Refused {
    fn by(refusal: &Refusal, fault: Fault) -> Self {
        if is_models(&refusal.limit) && !refusal.never_fits() { Self::AtModel(fault) } else { Self::Anywhere(fault) }
    }

    fn fault(self) -> Fault {
        match self {
            Self::SteppedDown => stepped_down(),
            Self::AtModel(fault) | Self::Anywhere(fault) | Self::NotPaid(NotPaid { fault, .. }) => fault,
        }
    }
}

fn is_models(limit: &Limit) -> bool {
    limit.label().scope == Scope::Model
}

async fn enter(
    worker: &Worker,
    request: &Request,
    caller: &Caller,
    plan: &Plan,
    has_lower: bool,
    snapshot: &Snapshot,
    record: &mut Record,
) -> Result<(), Refused> {
    let route = &plan.route;
    let room = &worker.shared.room;
    let now = room.now();
    let told = snapshot.limits.ingress(&room.table, caller, request.endpoint, route, now);
    let set = told.as_ref().map(Told::limits);
    // Upper classes step down last: only when they themselves find no room.
    let headroom = || headroom(&room.table, set, route, now);
    if has_lower && caller.priority != Priority::Critical && route.ladder.is_down(now, headroom) {
        return Err(Refused::SteppedDown);
    }
    let Some(told) = told else { return Ok(()) };
    let set = told.limits();
    let (cost, output) = estimate::cost(worker, request, caller, plan, set);
    let ask = Ask { cost, class: caller.priority, pace: pace(caller.mode) };
    let held = match room.try_take(now, set, ask) {
        Ok(held) => {
            record.held_to(told);
            held
        }
        Err(refusal) => {
            let set = set.clone();
            record.held_to(told);
            let entrant = Entrant { worker, request, caller, plan, has_lower, snapshot };
            Box::pin(entrant.wait(&set, ask, refusal, record)).await?
        }
    };
    record.admitted(Ticket { held, cost, output });
    Ok(())
}

/// A call that has found no room in its limits.
struct Entrant<'a> {
    worker: &'a Worker,
    request: &'a Request,
    caller: &'a Caller,
    plan: &'a Plan,
    has_lower: bool,
    snapshot: &'a Snapshot,
}

impl Entrant<'_> {
    /// Waits for room, if it may.
    async fn wait(
        &self,
        set: &LimitSet,
        ask: Ask,
        refusal: Option<Refusal>,
        record: &mut Record,
    ) -> Result<Held, Refused> {
        let Self { worker, request, caller, plan, has_lower, snapshot } = *self;
        let room = &worker.shared.room;
        if caller.mode == Mode::Strict || refusal.as_ref().is_some_and(Refusal::never_fits) {
            let refusal = refusal.or_else(|| in_line(set, room.now(), ask));
            return Err(refusal.map_or(Refused::SteppedDown, |refusal| Refused::by(&refusal, fault(&refusal))));
        }
        let patience = patience(request, caller, snapshot, record.arrived());
        let at_model = refusal.is_some_and(|refusal| is_models(&refusal.limit))
            || set.limits().iter().any(|limit| is_models(limit) && limit.waiting() > 0);
        let patience = if has_lower && at_model { patience.mul_f64(SHARE_FOR_PRIMARY) } else { patience };
        let want = Want {
            set,
            ask: Ask { cost: estimate::to_wait(worker, request, caller, plan, ask.cost), ..ask },
            debit: None,
            flow: caller.live.number,
            bytes: request.body.len() as u64,
            arrived: record.arrived(),
            until: record.arrived() + patience,
        };
        let waited = tokio::select! {
            biased;
            waited = room.wait(&want) => waited,
            () = worker.stop.cancelled() => return Err(Refused::Anywhere(*crate::attempt::stopping().fault)),
        };
        let admitted = waited.map_err(|late| {
            record.queued(late.waited);
            let fault = late.at_own_limit();
            match late.refusal() {
                Some(refusal) => Refused::by(refusal, fault),
                None => Refused::Anywhere(fault),
            }
        })?;
        record.queued(admitted.waited);
        Ok(admitted.held)
    }
}

/// How evenly a caller of this mode takes what is left of a window.
pub(crate) const fn pace(mode: Mode) -> Pace {
    match mode {
        Mode::Strict => Pace::Free,
        Mode::Adaptive | Mode::Graceful => Pace::Even,
    }
}

/// How long a call may wait, counted from its arrival: what its caller says, else what its class allows. An SDK's own
/// timeout can only shorten that, since the SDKs send their default of ten minutes with every call.
pub(crate) fn patience(request: &Request, caller: &Caller, snapshot: &Snapshot, arrived: Instant) -> Duration {
    if let Some(deadline) = request.deadline {
        return deadline.saturating_duration_since(arrived);
    }
    let class = duration(snapshot.priorities.of(caller.priority).max_wait);
    request.client_timeout.map_or(class, |timeout| timeout.min(class))
}

/// What is left of the model's own limits, and of those of the provider that has most left; the caller's others say
/// nothing about the model.
fn headroom(table: &Table, set: Option<&LimitSet>, route: &Route, now: Nanos) -> f64 {
    let fill = |limit: &Limit| if limit.quota().shadow { 1.0 } else { limit.status(now).fill };
    let own = set.into_iter().flat_map(|set| set.limits().iter()).filter(|limit| is_models(limit));
    let own = own.map(|limit| fill(limit)).fold(1.0, f64::min);
    let ways = route.candidates().flat_map(|candidate| {
        let most = candidate.standing.headroom(now);
        (0..candidate.limits.len()).map(move |credential| (most, Limits::egress(table, candidate, credential, now)))
    });
    let least = |(most, set): (f64, Option<LimitSet>)| {
        set.map_or(most, |set| set.limits().iter().map(|limit| fill(limit)).fold(most, f64::min))
    };
    own.min(ways.map(least).fold(0.0, f64::max))
}

fn stepped_down() -> Fault {
    Fault::new(FaultKind::LimitRequests, "The model has no room at present; calls go to its lower tier.")
}

/// The refusal of a strict caller where others wait already: he may neither overtake them nor wait.
pub(crate) fn in_line(set: &LimitSet, now: Nanos, ask: Ask) -> Option<Refusal> {
    let limits = set.limits();
    let contended = limits.iter().find(|limit| limit.waiting() > 0).or(limits.first())?;
    let needed = ask.cost.of(contended.kind());
    let ahead = u64::from(contended.waiting()).saturating_mul(needed).saturating_add(needed);
    let turn = match contended.pace(now) {
        Some(pace) => Some(pace.time_for(ahead)),
        None => contended.frees_in().map(|each| each.saturating_mul(contended.waiting().saturating_add(1))),
    };
    // What limits refuse by themselves takes its own time, and comes first if it is for ever.
    let refusal = set.would_refuse(now, &ask).unwrap_or_else(|| {
        let left = contended.status(now).left;
        Refusal { limit: Arc::clone(contended), reason: Reason::Pace, left, needed, retry_after: None }
    });
    let retry_after = if refusal.never_fits() { None } else { refusal.retry_after.max(turn) };
    Some(Refusal { retry_after, ..refusal })
}
