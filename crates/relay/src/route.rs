//! Stage four: where may it go?
//!
//! A name leads to a route, which every call by that name shares; what is left to a call is which of the route's
//! candidates it may have. A key's rule that names what the client asked for opens the whole route, because the
//! operator wrote both. A rule that names a provider opens only that provider's candidates, so that no alias leads
//! around it. `X-Provider` narrows what is left, and chooses where a name alone does not say.

use crate::call::{Caller, PathTarget, Plan, Request};
use crate::choose::choose;
use crate::headers;
use crate::migrations;
use crate::record::Record;
use crate::snapshot::{Candidate, Route, Snapshot};
use sluicegate_vocabulary::{Fault, FaultKind};
use std::borrow::Cow;
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
    let names = &snapshot.names;
    let wanted = insisted_on(request);
    let mut chosen = None;
    let (asked, route) = match &request.target {
        PathTarget::Provider { name, .. } => (Cow::Owned(format!("{name}/*")), names.provider(name)?),
        _ => {
            let model = request.model().ok_or_else(|| {
                Fault::new(FaultKind::BadRequest, "The field model is missing; name the model to use.").param("model")
            })?;
            let model = match model.strip_prefix("models/") {
                Some(rest) => Cow::Owned(rest.to_owned()),
                None => model,
            };
            chosen = choose(&model, request, caller, snapshot, record);
            let route = match (chosen, wanted) {
                (Some(chosen), _) => names.resolve(chosen)?,
                (None, Some(provider)) => names.resolve_at(provider, &model)?,
                (None, None) => names.resolve(&model)?,
            };
            (model, route)
        }
    };
    let completed = chosen.is_none() && wanted.is_some() && request.model().is_some() && *route.name != *asked;
    let allowed = |candidate: &Candidate| {
        if !completed {
            return may_use(caller, &asked, candidate);
        }
        // A key that may use the bare name does not thereby get it from a provider not known to serve it.
        may_use(caller, &route.name, candidate)
            || (names.serves(&candidate.provider.name, &asked) && may_use(caller, &asked, candidate))
    };
    if !route.candidates().any(|candidate| allowed(candidate)) {
        return Err(forbidden(caller, &asked));
    }
    record.routed(&route);
    let meant = |candidate: &Candidate| wanted.is_none_or(|wanted| *candidate.provider.name == *wanted);
    let mut candidates = order(&route, |candidate| meant(candidate) && allowed(candidate));
    let may_move = |candidate: &Candidate| wanted.is_none() && allowed(candidate);
    let mover = migrations::assign(&route, &mut candidates, may_move, request, caller, record);
    match wanted {
        _ if !candidates.is_empty() => Ok(Plan::new(route, candidates, mover)),
        Some(wanted) if !route.candidates().any(|candidate| meant(candidate)) => Err(Fault::new(
            FaultKind::BadRequest,
            format!("X-Provider insists on {wanted:?}, which does not serve {}.", route.name),
        )
        .param("X-Provider")),
        _ => Err(forbidden(caller, &asked)),
    }
}

/// Where a call goes that asked for a name and gets a lower tier; `None` where its caller may have nothing of it.
pub(crate) fn step_down(request: &Request, caller: &Caller, asked: &str, to: &Arc<Route>) -> Option<Plan> {
    let wanted = insisted_on(request);
    let fits = |candidate: &Candidate| {
        wanted.is_none_or(|wanted| *candidate.provider.name == *wanted)
            && (may_use(caller, asked, candidate) || may_use(caller, &to.name, candidate))
    };
    let candidates = order(to, fits);
    (!candidates.is_empty()).then(|| Plan::new(Arc::clone(to), candidates, None))
}

fn insisted_on(request: &Request) -> Option<&str> {
    request.parts.headers.get(&headers::X_PROVIDER).map(|value| value.to_str().unwrap_or_default().trim())
}

/// Whether a caller may have a candidate when he asks by this name.
pub(crate) fn may_use(caller: &Caller, name: &str, candidate: &Candidate) -> bool {
    caller.key.as_ref().is_none_or(|key| key.may_use(name, &candidate.provider.name))
}

/// What a caller is told who may have nothing of what he asked for.
pub(crate) fn forbidden(caller: &Caller, model: &str) -> Fault {
    let key = caller.key.as_ref().map_or("-", |key| &*key.name);
    Fault::new(FaultKind::Forbidden, format!("The key {key} may not use the model {model}."))
        .param("model")
        .refused_by(format!("key:{key}:models"))
}

/// Of what fits: one target drawn by weight, then the other targets, then the fallbacks.
fn order(route: &Route, fits: impl Fn(&Candidate) -> bool) -> Vec<Arc<Candidate>> {
    let targets = || route.targets.iter().filter(|target| target.weight > 0 && fits(&target.candidate));
    let total: u64 = targets().map(|target| u64::from(target.weight)).sum();
    let mut drawn = if route.targets.len() > 1 { fastrand::u64(..total.max(1)) } else { 0 };
    let mut first = 0;
    for (index, target) in targets().enumerate() {
        if drawn < u64::from(target.weight) {
            first = index;
            break;
        }
        drawn -= u64::from(target.weight);
    }
    let others = targets().enumerate().filter(|(index, _)| *index != first).map(|(_, target)| target);
    targets()
        .nth(first)
        .into_iter()
        .chain(others)
        .map(|target| &target.candidate)
        .chain(route.fallbacks.iter().filter(|candidate| fits(candidate)))
        .map(Arc::clone)
        .collect()
}
