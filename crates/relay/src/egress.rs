//! Room at a provider, taken for each try and held until it has ended.
//!
//! What a provider allows (requests and tokens in a time, calls at once) is taken only when a call is about to be sent
//! there, so that no permit is held by a call that waits for something else. A call that finds none waits as for its
//! own limits, and in the same order; where the route has several targets, one with room is asked before one without.

use crate::admit::{pace, patience};
use crate::call::{Caller, Plan, Request};
use crate::estimate;
use crate::record::Record;
use crate::room::{Held, Room, Want, fault};
use crate::server::Worker;
use crate::snapshot::{Candidate, Limits, Snapshot};
use sluicegate_flow::{Ask, Reason};
use sluicegate_vocabulary::{Fault, FaultKind, Mode};
use std::sync::Arc;

/// The plan's candidates in the order in which they are asked: those that others wait for come after the rest of their
/// equals.
pub(crate) fn by_room<'a>(room: &Room, plan: &'a Plan) -> impl Iterator<Item = &'a Arc<Candidate>> {
    let targets = plan.route.targets.len().min(plan.candidates.len());
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

/// Takes room for one try; `None` where nothing limits it.
///
/// # Errors
/// The limit that has no room in time.
pub(crate) async fn take(
    worker: &Worker,
    request: &Request,
    caller: &Caller,
    plan: &Plan,
    candidate: &Candidate,
    snapshot: &Snapshot,
    record: &mut Record,
) -> Result<Option<Held>, Fault> {
    let room = &worker.shared.room;
    let Some(set) = Limits::egress(&room.table, candidate, room.now()) else { return Ok(None) };
    let (cost, _) = estimate::cost(worker, request, caller, &plan.route, &set);
    let ask = Ask { cost, class: caller.priority, pace: pace(caller.mode) };
    match room.try_take(&set, ask) {
        Ok(held) => return Ok(Some(held)),
        Err(Some(refusal)) if refusal.reason == Reason::NeverFits => return Err(fault(&refusal)),
        Err(refusal) if caller.mode == Mode::Strict => {
            let what = refusal.as_ref().map_or_else(|| "Others wait for it.".to_owned(), ToString::to_string);
            let told = Fault::new(
                FaultKind::Overloaded,
                format!("The provider {} has no room at present. {what}", candidate.provider.name),
            );
            let told = told.refused_by(refusal.as_ref().map_or_else(|| "provider".to_owned(), |it| it.refused_by()));
            return Err(told.retry_after_ms(refusal.and_then(|refusal| refusal.retry_after_ms()).unwrap_or(1000)));
        }
        Err(_) => {}
    }
    let want = Want {
        set: &set,
        ask,
        flow: caller.live.number,
        bytes: request.body.len() as u64,
        arrived: record.arrived(),
        until: record.arrived() + patience(request, caller, snapshot, record.arrived()),
    };
    let waited = tokio::select! {
        biased;
        waited = room.wait(&want) => waited,
        () = worker.stop.cancelled() => return Err(crate::attempt::stopping().fault),
    };
    match waited {
        Ok((held, waited)) => {
            record.queued(waited.saturating_sub(record.queued_for()));
            Ok(Some(held))
        }
        Err(late) => {
            record.queued(late.waited.saturating_sub(record.queued_for()));
            Err(late.at_provider())
        }
    }
}
