//! Room at a provider, taken for each try and held until it has ended.
//!
//! What a provider allows (requests and tokens in a time, calls at once) is taken only when a call is about to be sent
//! there, so that no permit is held by a call that waits for something else. A call that finds none waits as for its
//! own limits, and in the same order; where the route has several targets, one with room is asked before one without.

use crate::admit::{SHARE_FOR_PRIMARY, in_line, lower_tier, pace, patience};
use crate::call::{Caller, Plan, Request};
use crate::estimate;
use crate::record::Record;
use crate::room::{Held, Room, Want, fault};
use crate::server::Worker;
use crate::snapshot::{Candidate, Limits, Snapshot};
use sluicegate_flow::{Ask, Reason, Refusal};
use sluicegate_upstream::Credential;
use sluicegate_vocabulary::{Fault, FaultKind, Mode};
use std::sync::Arc;

/// The plan's candidates in the order in which they are asked: those that others wait for come after the rest of their
/// equals.
pub(crate) fn by_room<'a>(room: &Room, plan: &'a Plan) -> impl Iterator<Item = &'a Arc<Candidate>> {
    // Of the route's targets the plan has those that the caller may use.
    let is_target =
        |candidate: &Arc<Candidate>| plan.route.targets.iter().any(|target| Arc::ptr_eq(&target.candidate, candidate));
    let targets = match plan.candidates.as_slice() {
        [_] => 1,
        candidates => candidates.iter().take_while(|candidate| is_target(candidate)).count(),
    };
    let (equals, fallbacks) = plan.candidates.split_at(targets);
    let full: u64 = equals
        .iter()
        .enumerate()
        .filter(|(_, candidate)| targets > 1 && Limits::is_contended(&room.table, candidate, room.now()))
        .fold(0, |full, (index, _)| full | 1 << index.min(63));
    let of = move |wanted: bool| {
        let equals = equals.iter().enumerate();
        equals.filter(move |(index, _)| (full >> index.min(&63) & 1 == 1) == wanted).map(|(_, candidate)| candidate)
    };
    of(false).chain(of(true)).chain(fallbacks)
}

/// Room for one try.
pub(crate) struct Taken<'a> {
    /// The credential to make it with; `None` for a provider that wants no key.
    pub(crate) credential: Option<&'a Arc<Credential>>,
    /// What is held for it; `None` where nothing limits it.
    pub(crate) held: Option<Held>,
    /// The part of its tokens that is output, where a limit counts tokens.
    pub(crate) output: Option<u64>,
}

/// Takes room for one try, with the credential whose turn it is or else with one that has room.
///
/// # Errors
/// The limit that has no room in time.
pub(crate) async fn take<'a>(
    worker: &Worker,
    request: &Request,
    caller: &Caller,
    plan: &Plan,
    candidate: &'a Candidate,
    snapshot: &Snapshot,
    record: &mut Record,
) -> Result<Taken<'a>, Fault> {
    let room = &worker.shared.room;
    let (first, count) = (candidate.provider.turn(), candidate.limits.len().max(1));
    let with =
        |index: usize, held, output| Taken { credential: candidate.provider.credentials().get(index), held, output };
    let mut short = None;
    let mut too_small = None;
    for index in (first..first + count).map(|index| index % count) {
        let Some(set) = Limits::egress(&room.table, candidate, index, room.now()) else {
            return Ok(with(index, None, None));
        };
        let (cost, output) = estimate::cost(worker, request, caller, &plan.route, &set);
        let ask = Ask { cost, class: caller.priority, pace: pace(caller.mode) };
        match room.try_take(&set, ask) {
            Ok(held) => return Ok(with(index, Some(held), output)),
            // Another credential may be allowed more.
            Err(Some(refusal)) if refusal.reason == Reason::NeverFits => _ = too_small.get_or_insert(refusal),
            Err(refusal) => _ = short.get_or_insert((index, set, ask, output, refusal)),
        }
    }
    let Some((index, set, ask, output, refusal)) = short else {
        return too_small.map_or_else(|| Ok(with(first, None, None)), |refusal| Err(fault(&refusal)));
    };
    if caller.mode == Mode::Strict {
        return Err(match refusal.or_else(|| in_line(&set, room.now(), ask)) {
            Some(refusal) if refusal.never_fits() => fault(&refusal),
            refusal => full(candidate, refusal.as_ref()),
        });
    }
    let patience = patience(request, caller, snapshot, record.arrived());
    let has_lower = lower_tier(&plan.route, caller, snapshot).is_some();
    let ask = Ask { cost: estimate::to_wait(worker, request, caller, &plan.route, ask.cost), ..ask };
    let want = Want {
        set: &set,
        ask,
        flow: caller.live.number,
        bytes: request.body.len() as u64,
        arrived: record.arrived(),
        until: record.arrived() + if has_lower { patience.mul_f64(SHARE_FOR_PRIMARY) } else { patience },
    };
    let waited = tokio::select! {
        biased;
        waited = room.wait(&want) => waited,
        () = worker.stop.cancelled() => return Err(crate::attempt::stopping().fault),
    };
    match waited {
        Ok((held, waited)) => {
            record.queued(waited);
            Ok(with(index, Some(held), output))
        }
        Err(late) => {
            record.queued(late.waited);
            Err(late.at_provider())
        }
    }
}

/// What a strict caller is told where a provider has no room.
fn full(candidate: &Candidate, refusal: Option<&Refusal>) -> Fault {
    let what = refusal.map_or_else(|| "Others wait for it.".to_owned(), ToString::to_string);
    let message = format!("The provider {} has no room at present. {what}", candidate.provider.name);
    let fault = Fault::new(FaultKind::Overloaded, message);
    let fault = fault.refused_by(refusal.map_or_else(|| "provider".to_owned(), Refusal::refused_by));
    fault.retry_after_ms(refusal.and_then(Refusal::retry_after_ms).unwrap_or(1000))
}
