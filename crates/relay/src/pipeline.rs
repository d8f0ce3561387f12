//! The way of one call, whole.
//!
//! Every stage is a file of its name beside this one. A stage takes what the stage before it made, adds one value, and
//! never reaches back. The [`Record`] goes along from the first line to the last byte; its drop is the receipt.

use crate::authenticate::Who;
use crate::cache::Looked;
use crate::call::{Caller, PathTarget, Plan, Request};
use crate::inbound::Inbound;
use crate::keys::page;
use crate::record::Record;
use crate::reply::{Reply, ReplyBody, refuse};
use crate::server::Worker;
use crate::snapshot::Snapshot;
use crate::{
    accept, admit, authenticate, books, cache, cost, count, dispatch, drain, keepalive, models, quota, repeat, resume,
    route, stream, validate,
};
use http::Response;
use http::request::Parts;
use sluicegate_vocabulary::{Endpoint, Fault};
use std::pin::pin;
use std::sync::Arc;

/// What arrived for an endpoint: the request, and what its path says.
pub(crate) struct Arrival {
    pub(crate) parts: Box<Parts>,
    pub(crate) body: Inbound,
    pub(crate) endpoint: Endpoint,
    pub(crate) target: PathTarget,
    pub(crate) methods: &'static [http::Method],
}

/// Answers one call.
pub(crate) async fn answer(worker: &Arc<Worker>, arrival: Arrival) -> Response<ReplyBody> {
    let snapshot = worker.shared.snapshot.load();
    let mut record = Record::open(worker, &snapshot, &arrival.parts.headers);
    if arrival.parts.method == http::Method::HEAD {
        record.head();
    }
    if let Some(after) = snapshot.server.stream_keepalive {
        return keepalive::answer(Arc::clone(worker), Arc::clone(&snapshot), arrival, record, after).await;
    }
    // Pinned where they are, here and below: they are large to move.
    let went = pin!(way(worker, &snapshot, arrival, &mut record)).await;
    match went {
        Ok(reply) => reply.seal(record),
        Err(fault) => refuse(&fault, record),
    }
}

/// The way itself.
///
/// # Errors
/// What kept the call from being answered, in words for the client.
pub(crate) async fn way(
    worker: &Arc<Worker>,
    snapshot: &Arc<Snapshot>,
    arrival: Arrival,
    record: &mut Record,
) -> Result<Reply, Fault> {
    let Arrival { parts, body, endpoint, target, methods } = arrival;
    let call = match accept::accept(parts, body, endpoint, target, methods, snapshot, record) {
        Ok(call) => call,
        Err(refused) => return Err(drain::discard(refused.body, refused.fault).await),
    };
    let caller = match authenticate::authenticate(&call, worker, snapshot) {
        Ok(Who::Known(caller)) => Ok(caller),
        Ok(Who::Asleep(key)) => Box::pin(key.wake(worker, snapshot)).await,
        Err(fault) => Err(fault),
    };
    let caller = match caller {
        Ok(caller) => caller,
        Err(fault) => return Err(drain::discard(call.body, fault).await),
    };
    record.caller(&caller);
    let request = validate::validate(call, worker, snapshot, record).await?;
    match request.endpoint {
        Endpoint::Models => return models::list(&request, &caller, snapshot),
        Endpoint::Quota => return Ok(quota::page(worker, &caller, snapshot)),
        Endpoint::Key => return Ok(page::key(&caller, snapshot)),
        Endpoint::Usage => return Box::pin(page::usage(&request, &caller, snapshot)).await,
        _ => {}
    }
    if let Some(reply) = repeat::look_up(worker, &request, &caller, record)? {
        return Ok(reply);
    }
    let plan = route::route(&request, &caller, snapshot, record)?;
    if let Some(reply) = count::estimate(&request, &plan) {
        return Ok(reply);
    }
    let lead = match cache::look_up(worker, &request, &caller, &plan, snapshot, record).await? {
        Looked::Answer(reply) => return Ok(reply),
        Looked::Ask(lead) => lead,
    };
    let mut asked = pin!(ask(worker, snapshot, request, caller, plan, record)).await;
    if let Some(lead) = lead {
        lead.settle(&mut asked, record);
    }
    asked
}

/// The rest of it, for a call that somebody must be asked for.
///
/// # Errors
/// As [`way`].
async fn ask(
    worker: &Arc<Worker>,
    snapshot: &Arc<Snapshot>,
    request: Request,
    caller: Caller,
    mut plan: Plan,
    record: &mut Record,
) -> Result<Reply, Fault> {
    cost::priced(&mut plan, &request, snapshot)?;
    let mut plan = admit::admit(worker, &request, &caller, plan, snapshot, record).await?;
    let answered = loop {
        let dispatched = pin!(dispatch::dispatch(worker, &request, &caller, &plan, snapshot, None, record)).await;
        match dispatched {
            Ok(answered) => break answered,
            Err(none) => plan = admit::elsewhere(worker, &request, &caller, plan, none, snapshot, record).await?,
        }
    };
    books::certain(record).await?;
    let candidate = Arc::clone(&answered.candidate);
    let mut reply = stream::reply(answered, record);
    record.replies(&reply);
    if plan.route.resume {
        let (worker, snapshot) = (Arc::clone(worker), Arc::clone(snapshot));
        let again = resume::Again { worker, snapshot, request, caller, plan };
        resume::attach(&mut reply, again, &candidate, record.id());
    }
    Ok(reply)
}
