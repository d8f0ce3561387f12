//! What one answer is kept under.
//!
//! Whose request it is, the endpoint, the name asked for and the model it leads to, what of the headers changes the
//! answer, and the fingerprint of the body. A stream and a whole answer have one key, except where one cannot be made
//! of the other.

use super::Cache;
use super::replay;
use crate::call::{Caller, Plan, Request};
use crate::snapshot::Candidate;
use http::HeaderName;
use sluicegate_config::{CacheScope, OnlyWhen};
use sluicegate_vocabulary::Endpoint;
use sluicegate_wire::fingerprint;
use std::sync::Arc;

/// Headers of a client that go on to providers and change what they answer.
static THAT_COUNT: [HeaderName; 3] = [
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("openai-beta"),
];

/// What one answer is kept under.
pub(super) struct Key {
    pub(super) number: u128,
    /// Whose it is.
    pub(super) owner: Owner,
}

/// Who may have what is kept.
pub(super) enum Owner {
    Nobody,
    Tenant(Arc<str>),
    Key(Arc<str>),
}

impl Owner {
    fn of(caller: &Caller, scope: CacheScope) -> Self {
        let Some(key) = &caller.key else { return Self::Nobody };
        match (&key.tenant, scope) {
            (Some(tenant), CacheScope::Tenant) => Self::Tenant(Arc::clone(&tenant.name)),
            _ => Self::Key(Arc::clone(&key.name)),
        }
    }

    /// What sort it is, and its name.
    fn parts(&self) -> (u8, &str) {
        match self {
            Self::Nobody => (0, ""),
            Self::Tenant(name) => (1, name),
            Self::Key(name) => (2, name),
        }
    }

    /// In words, as a purge names it. A name cannot hold a colon, so no tenant is anybody's key.
    pub(super) fn words(&self) -> Arc<str> {
        match self {
            Self::Nobody => "-".into(),
            Self::Tenant(name) => format!("tenant:{name}").into(),
            Self::Key(name) => format!("key:{name}").into(),
        }
    }
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
    let owner = Owner::of(caller, cache.scope);
    let (sort, name) = owner.parts();
    let endpoint = match request.endpoint {
        Endpoint::GenerateStream => Endpoint::Generate,
        endpoint => endpoint,
    };
    let form = match (request.endpoint.format().is_none() || asked.logprobs, request.stream) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => 2 + u8::from(replay::shows_usage(request)),
    };
    let header = |name| request.parts.headers.get(name).map_or(&[][..], http::HeaderValue::as_bytes);
    let [version, beta, openai_beta] = THAT_COUNT.each_ref().map(header);
    let path = match form {
        0 => &[][..],
        _ => candidate.path(request.endpoint).map_or(&[][..], |path| path.as_str().as_bytes()),
    };
    let sorts = u128::from(plan.route.number) << 64 | u128::from(u32::from_le_bytes([endpoint as u8, form, sort, 0]));
    let number =
        secret.of(&[asked.digest, candidate.number, sorts], [name.as_bytes(), path, version, beta, openai_beta]);
    Some(Key { number, owner })
}
