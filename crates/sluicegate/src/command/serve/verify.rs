//! Whether a provider takes the key that was found for it, by the one call that every provider answers for free: its
//! list of models.
//!
//! Only a clear refusal counts as one. A key may be allowed to chat and not to list; a network may be down for a moment.

use crate::engine::Engine;
use http::StatusCode;
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;
use sluicegate_config::{ProviderKey, ProviderKind};
use sluicegate_upstream::{Connector, Pool, Provider};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long a provider may take to answer.
const LIMIT: Duration = Duration::from_secs(10);
/// The longest list that is read, in bytes.
const LARGEST: usize = 8 << 20;
/// The most models that are taken over from one list.
const MOST_MODELS: usize = 2000;

/// Providers that list their models to anybody, so that the list says nothing about the key.
const OPEN_LISTS: [&str; 1] = ["openrouter"];

/// What a provider said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It answered with its models. `checked` is false when it would have answered anybody.
    Works { models: Vec<String>, checked: bool },
    /// It does not take the key, which came from this variable. `left_out` once no call is routed to it any more.
    Refused { status: u16, host: String, variable: Option<String>, left_out: bool },
    /// It did not say.
    Unknown { why: String },
}

/// Calls to providers that are under way.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    calls: JoinSet<(String, Verdict)>,
    pool: Option<Pool>,
}

impl Checks {
    /// Asks every real provider.
    pub(crate) fn begin(&mut self, engine: &Engine) {
        for provider in engine.relay().providers() {
            self.ask(engine, provider);
        }
    }

    /// Asks one provider again, if it is still there.
    pub(crate) fn again(&mut self, engine: &Engine, name: &str) {
        if let Some(provider) = engine.relay().providers().into_iter().find(|provider| &*provider.name == name) {
            self.ask(engine, provider);
        }
    }

    /// The next answer; `None` when all are in.
    pub(crate) async fn next(&mut self) -> Option<(String, Verdict)> {
        loop {
            match self.calls.join_next().await? {
                Ok(answer) => return Some(answer),
                Err(error) => tracing::warn!(%error, "a check of a provider's key ended early"),
            }
        }
    }

    fn ask(&mut self, engine: &Engine, provider: Arc<Provider>) {
        let config = engine.relay().config();
        let Some(configured) = config.providers.get(&*provider.name) else { return };
        if configured.kind == ProviderKind::Simulated {
            return;
        }
        let variable = configured.keys.first().and_then(variable);
        let pool = self.pool.get_or_insert_with(|| Pool::new(Arc::new(Connector::new()))).clone();
        self.calls.spawn(async move {
            let verdict = tokio::time::timeout(LIMIT, verify(&pool, &provider, variable)).await;
            let late = || Verdict::Unknown {
                why: format!("no answer from {} within {} s", provider.origin(), LIMIT.as_secs()),
            };
            (provider.name.to_string(), verdict.unwrap_or_else(|_| late()))
        });
    }
}

/// The variable a key came from.
pub(crate) fn variable(key: &ProviderKey) -> Option<String> {
    key.source.strip_prefix("env ").map(str::to_owned)
}

async fn verify(pool: &Pool, provider: &Provider, variable: Option<String>) -> Verdict {
    let host = provider.origin().host.to_string();
    let credential = provider.credentials().first();
    let Some(request) = provider.models_request(credential.map(|credential| &**credential)) else {
        return Verdict::Unknown { why: "it has no list of models".to_owned() };
    };
    let sent = pool.send(&provider.destination, request).await;
    let answer = match sent {
        Ok(answer) => answer,
        Err(error) => return Verdict::Unknown { why: format!("{host}: {error}") },
    };
    let status = answer.status;
    let body = match Limited::new(answer.body, LARGEST).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return Verdict::Unknown { why: format!("{host}: {error}") },
    };
    if status.is_success() {
        let checked = !OPEN_LISTS.contains(&&*provider.name);
        return Verdict::Works { models: models(&body), checked };
    }
    if refuses_key(status, &body) {
        return Verdict::Refused { status: status.as_u16(), host, variable, left_out: false };
    }
    Verdict::Unknown { why: format!("{} from {host} when asked for its models", status.as_u16()) }
}

/// A 401 is a refusal; so is the 400 that some providers answer to a wrong key. A 403 may only mean that this key may
/// not list.
fn refuses_key(status: StatusCode, body: &[u8]) -> bool {
    const SAID: [&str; 3] = ["API_KEY_INVALID", "Incorrect API key", "invalid_api_key"];
    let text = String::from_utf8_lossy(body);
    status == StatusCode::UNAUTHORIZED
        || (status == StatusCode::BAD_REQUEST && SAID.iter().any(|said| text.contains(said)))
}

/// The ids in a list of models, in OpenAI's and Anthropic's form or in Gemini's.
fn models(body: &[u8]) -> Vec<String> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct List {
        data: Vec<Entry>,
        models: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        #[serde(alias = "name")]
        id: String,
    }
    let List { data, models } = serde_json::from_slice(body).unwrap_or_default();
    let ids = data
        .into_iter()
        .chain(models)
        .map(|entry| entry.id.strip_prefix("models/").map(str::to_owned).unwrap_or(entry.id));
    ids.filter(|id| !id.is_empty() && id.len() <= 200 && !id.chars().any(char::is_control)).take(MOST_MODELS).collect()
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
