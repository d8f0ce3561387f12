//! What one answer is kept under.
//!
//! Whose request it is, the endpoint, the name asked for and the model it leads to, what of the headers changes the
//! answer, and the fingerprint of the body. A stream and a whole answer have one key, except where one cannot be made
//! of the other.

use super::Cache;
use super::replay;
use crate::call::{Caller, Plan, Request};
use crate::snapshot::Candidate;
use sluicegate_config::{CacheScope, OnlyWhen};
use sluicegate_vocabulary::Endpoint;
use sluicegate_wire::fingerprint;
use std::sync::Arc;

/// Headers of a client that go on to providers and change what they answer.
const THAT_COUNT: [&str; 3] = ["anthropic-version", "anthropic-beta", "openai-beta"];

/// What one answer is kept under.
pub(super) struct Key {
    pub(super) number: u128,
    /// Whose it is, in words.
    pub(super) owner: Arc<str>,
}

/// Whether answers of an endpoint are worth keeping: those that a model takes its time over, and that are the same when
/// asked for again. A picture that is asked for twice is wanted twice.
pub(super) const fn may_be_kept(endpoint: Endpoint) -> bool {
    use Endpoint::{
        ChatCompletions, Completions, Embeddings, GeminiBatchEmbed, GeminiEmbed, Generate, GenerateStream, Messages,
        Responses,
    };
    matches!(
        endpoint,
        ChatCompletions
            | Completions
            | Embeddings
            | GeminiBatchEmbed
            | GeminiEmbed
            | Generate
            | GenerateStream
            | Messages
            | Responses
    )
}

/// Whether nothing is sampled for an answer of it.
const fn is_never_sampled(endpoint: Endpoint) -> bool {
    matches!(endpoint, Endpoint::Embeddings | Endpoint::GeminiEmbed | Endpoint::GeminiBatchEmbed)
}

/// The key of a call; `None` where its answer must not be kept.
pub(super) fn of(
    request: &Request,
    caller: &Caller,
    plan: &Plan,
    candidate: &Candidate,
    cache: &Cache,
    max_depth: usize,
) -> Option<Key> {
    let secret = &cache.kept.secret;
    let asked = fingerprint::read(&request.body, max_depth, secret)?;
    let sampled = !is_never_sampled(request.endpoint) && asked.temperature != Some(0.0);
    if asked.stateful || (sampled && cache.only_when == OnlyWhen::TemperatureZero) {
        return None;
    }
    let owner = owner(caller, cache.scope);
    let endpoint = match request.endpoint {
        Endpoint::GenerateStream => Endpoint::Generate,
        endpoint => endpoint,
    };
    let form = match (request.endpoint.format().is_none() || asked.logprobs, request.stream) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => 2 + u8::from(replay::shows_usage(request)),
    };
    let header = |name| request.parts.headers.get(name).map_or(&[][..], |value: &http::HeaderValue| value.as_bytes());
    let [version, beta, openai_beta] = THAT_COUNT.map(header);
    let path = candidate.path(request.endpoint).map_or("", |path| path.as_str());
    let number = secret.of_texts([
        &asked.digest.to_le_bytes()[..],
        owner.as_bytes(),
        &[endpoint as u8, form],
        plan.route.name.as_bytes(),
        candidate.provider.name.as_bytes(),
        candidate.provider.host.as_bytes(),
        if form == 0 { &[] } else { path.as_bytes() },
        candidate.model.as_bytes(),
        version,
        beta,
        openai_beta,
    ]);
    Some(Key { number, owner })
}

/// Who may have what is kept. A name cannot hold a colon, so no tenant is anybody's key.
fn owner(caller: &Caller, scope: CacheScope) -> Arc<str> {
    let Some(key) = &caller.key else { return "-".into() };
    match (&key.tenant, scope) {
        (Some(tenant), CacheScope::Tenant) => format!("tenant:{}", tenant.name).into(),
        _ => format!("key:{}", key.name).into(),
    }
}
