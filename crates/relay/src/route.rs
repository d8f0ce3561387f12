//! Stage four: where may it go?
//!
//! A name is resolved once, when the configuration is compiled, so that a call finds its candidates with one look-up.
//! Only `provider/model` names of models that nobody listed are resolved here.

use crate::call::{Caller, PathTarget, Plan, Request};
use crate::headers;
use crate::record::Record;
use crate::snapshot::{Candidate, Route, Snapshot};
use sluicegate_vocabulary::{Fault, FaultKind};
use std::sync::Arc;

/// Finds the candidates of a call, best first.
///
/// # Errors
/// An unknown model or provider, a model the key may not use, an insistence that cannot be met.
pub(crate) fn route(
    request: &Request,
    caller: &Caller,
    snapshot: &Snapshot,
    record: &mut Record,
) -> Result<Plan, Fault> {
    let route = match &request.target {
        PathTarget::Provider { name, .. } => {
            let route = snapshot.names.provider(name)?;
            may_use(caller, &format!("{name}/*"), &route)?;
            route
        }
        _ => {
            let model = request.model().ok_or_else(|| {
                Fault::new(FaultKind::BadRequest, "The field model is missing; name the model to use.").param("model")
            })?;
            let model = model.strip_prefix("models/").unwrap_or(&model);
            let route = snapshot.names.resolve(model)?;
            may_use(caller, model, &route)?;
            route
        }
    };
    record.routed(&route);
    let mut candidates = order(&route);
    if let Some(wanted) = request.parts.headers.get(&headers::X_PROVIDER) {
        let wanted = wanted.to_str().unwrap_or_default().trim();
        candidates.retain(|candidate| &*candidate.provider.name == wanted);
        if candidates.is_empty() {
            return Err(Fault::new(
                FaultKind::BadRequest,
                format!("X-Provider insists on {wanted:?}, which does not serve {}.", route.name),
            )
            .param("X-Provider"));
        }
    }
    Ok(Plan { route, candidates })
}

fn may_use(caller: &Caller, model: &str, route: &Route) -> Result<(), Fault> {
    let provider = route.targets.first().map_or("", |target| &*target.candidate.provider.name);
    match &caller.key {
        Some(key) if !key.may_use(model, provider) => {
            Err(Fault::new(FaultKind::Forbidden, format!("The key {} may not use the model {model}.", key.name))
                .param("model")
                .refused_by(format!("key:{}:models", key.name)))
        }
        _ => Ok(()),
    }
}

/// One target drawn by weight, then the other targets, then the fallbacks.
fn order(route: &Route) -> Vec<Arc<Candidate>> {
    let total: u64 = route.targets.iter().map(|target| u64::from(target.weight)).sum();
    let mut drawn = if route.targets.len() > 1 { fastrand::u64(..total.max(1)) } else { 0 };
    let mut first = 0;
    for (index, target) in route.targets.iter().enumerate() {
        if drawn < u64::from(target.weight) {
            first = index;
            break;
        }
        drawn -= u64::from(target.weight);
    }
    let chosen = route.targets.get(first).into_iter();
    let others = route.targets.iter().enumerate().filter(|(index, target)| *index != first && target.weight > 0);
    chosen
        .chain(others.map(|(_, target)| target))
        .map(|target| Arc::clone(&target.candidate))
        .chain(route.fallbacks.iter().map(Arc::clone))
        .collect()
}
