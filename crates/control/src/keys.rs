//! Keys of clients, as operators make and change them.
//!
//! An order is carried out by one function, whether a running relay got it over its socket or a command opened the keys of
//! one that is stopped; so both say and do the same. Keys of the configuration's file are shown among the others and
//! cannot be changed here.

use crate::api::problem;
use crate::operator::Operator;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sluicegate_config::{ClientKey, Config, KeyHash};
use sluicegate_relay::{KeyError, Keys, MadeKey, Relay, WantedKey};
use sluicegate_store::{KeyStoreError, StoredKey};
use std::sync::Arc;
use std::time::Duration;

/// Keys on a page at most.
const MOST: u32 = 1000;

/// How long a question waits for calls that have just ended.
const CATCH_UP: Duration = Duration::from_millis(500);

/// A page of keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeysPage {
    /// `sluicegate.keys/v1`
    pub schema: String,
    /// Keys of the file first, then those made at run time, by name.
    pub keys: Vec<KeyInfo>,
    /// Where the next page begins: `?after=` this name; nothing at the end.
    #[serde(default)]
    pub next: Option<String>,
}

impl KeysPage {
    /// The name of this document's form.
    pub const SCHEMA: &'static str = "sluicegate.keys/v1";
}

/// One key, and what came of an order about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyPage {
    /// `sluicegate.managed-key/v1`
    pub schema: String,
    /// The key as it is now, or was before it was deleted.
    pub key: KeyInfo,
    /// Its new secret, shown once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// What its account was given, in dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted_usd: Option<String>,
    /// What is worth knowing about its terms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl KeyPage {
    /// The name of this document's form.
    pub const SCHEMA: &'static str = "sluicegate.managed-key/v1";
}

/// A key as operators see it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// Its name.
    pub name: String,
    /// `file` for one that the configuration declares, which is read-only here; else `made`.
    pub from: String,
    /// `active`, `disabled`, `expired`, or `overruled` where the file declares another key of its name.
    pub state: String,
    /// The first eight digits of the SHA-256 of each of its secrets, the newest first.
    pub fingerprints: Vec<String>,
    /// What it may do, with the names of the configuration.
    pub terms: Map<String, Value>,
    /// What was noted about it.
    pub metadata: Map<String, Value>,
    /// Until when it is good; for ever where it is not said.
    #[serde(default)]
    pub expires_at: Option<String>,
    /// Until when a secret that was rotated away is good yet.
    #[serde(default)]
    pub old_secret_until: Option<String>,
    /// When it was made.
    #[serde(default)]
    pub created_at: Option<String>,
    /// Calls being served for it now; nothing where no relay runs.
    #[serde(default)]
    pub in_flight: Option<u32>,
    /// What was charged for its calls since the books began, in dollars; nothing where no books are open.
    #[serde(default)]
    pub spent_usd: Option<String>,
    /// When it was used last, to the minute, and after some weeks to the hour or the day; nothing where that is not known.
    #[serde(default)]
    pub last_used: Option<String>,
}

/// A key that is to be made, as JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// What it may do: the fields of an entry under `keys`.
    #[serde(default)]
    pub terms: Map<String, Value>,
    /// What is noted about it: texts.
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// Until when it is good, in milliseconds since the Unix epoch.
    #[serde(default)]
    pub expires_ms: Option<i64>,
    /// The SHA-256 of a secret that exists, as 64 hexadecimal digits; else one is made.
    #[serde(default)]
    pub sha256: Option<String>,
}

/// Something that is to be done with keys.
#[derive(Debug, Clone, PartialEq)]
pub enum KeyOrder {
    /// Show so many keys at most, those after a name.
    List {
        /// The name; empty for the first page.
        after: String,
        /// How many.
        limit: u32,
    },
    /// Show one.
    Show(String),
    /// Make one.
    Create(Box<Wanted>),
    /// Switch one off.
    Disable(String),
    /// Switch one on.
    Enable(String),
    /// Say until when one is good, in milliseconds since the Unix epoch.
    Expire(String, Option<i64>),
    /// Give one another secret; the old ones are good for so long yet.
    Rotate(String, Duration),
    /// Forget one.
    Delete(String),
}

/// An order that was not carried out: the status and kind of the answer, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotDone {
    /// The status of the answer.
    pub status: StatusCode,
    /// A word for it.
    pub kind: &'static str,
    /// Why, for people.
    pub message: String,
}

impl KeyOrder {
    /// The request by which a running relay is asked for this: its method, path and body.
    #[must_use]
    pub fn request(&self) -> (Method, String, Option<Value>) {
        let of = |name: &str, what: &str| format!("/admin/api/keys/{name}{what}");
        match self {
            Self::List { after, limit } => (Method::GET, format!("/admin/api/keys?after={after}&limit={limit}"), None),
            Self::Show(name) => (Method::GET, of(name, ""), None),
            Self::Create(wanted) => {
                (Method::POST, "/admin/api/keys".to_owned(), Some(serde_json::to_value(wanted).unwrap_or_default()))
            }
            Self::Disable(name) => (Method::POST, of(name, "/disable"), None),
            Self::Enable(name) => (Method::POST, of(name, "/enable"), None),
            Self::Expire(name, Some(at)) => (Method::POST, of(name, &format!("/expire?at_ms={at}")), None),
            Self::Expire(name, None) => (Method::POST, of(name, "/expire"), None),
            Self::Rotate(name, grace) => {
                (Method::POST, of(name, &format!("/rotate?grace_ms={}", grace.as_millis())), None)
            }
            Self::Delete(name) => (Method::DELETE, of(name, ""), None),
        }
    }
}

/// Carries an order out, and gives the page that answers it. `relay` is the one that runs, if one does; `create` makes a
/// key. Waits for the disk.
///
/// # Errors
/// Why it was not done.
pub fn carry_out(
    order: KeyOrder,
    keys: &Keys,
    config: &Config,
    relay: Option<&Relay>,
    create: impl FnOnce(&WantedKey) -> Result<MadeKey, KeyError>,
) -> Result<Value, NotDone> {
    if let (Some(books), KeyOrder::List { .. } | KeyOrder::Show(_)) = (relay.and_then(Relay::books), &order) {
        // A question about the present waits a moment for what has just ended.
        let _ = books.store().catch_up(CATCH_UP);
    }
    let one = |key: StoredKey| KeyPage {
        schema: KeyPage::SCHEMA.to_owned(),
        key: info(&key, config, relay),
        secret: None,
        granted_usd: None,
        warnings: Vec::new(),
    };
    let made = |made: MadeKey| KeyPage {
        secret: made.secret,
        granted_usd: made.granted.map(|granted| granted.to_string()),
        warnings: made.warnings,
        ..one(made.key)
    };
    let page = match order {
        KeyOrder::List { after, limit } => return list(&after, limit, keys, config, relay),
        KeyOrder::Show(name) => match config.keys.iter().find(|key| key.name == name) {
            Some(key) => KeyPage {
                schema: KeyPage::SCHEMA.to_owned(),
                key: declared(key, relay),
                secret: None,
                granted_usd: None,
                warnings: Vec::new(),
            },
            None => one(keys.get(&name)?),
        },
        KeyOrder::Create(wanted) => made(create(&read(*wanted)?)?),
        KeyOrder::Disable(name) => one(keys.disable(config, &name, true)?),
        KeyOrder::Enable(name) => one(keys.disable(config, &name, false)?),
        KeyOrder::Expire(name, at) => one(keys.expire(config, &name, at)?),
        KeyOrder::Rotate(name, grace) => made(keys.rotate(config, &name, grace)?),
        KeyOrder::Delete(name) => one(keys.delete(config, &name)?),
    };
    Ok(serde_json::to_value(page).unwrap_or_default())
}

fn list(after: &str, limit: u32, keys: &Keys, config: &Config, relay: Option<&Relay>) -> Result<Value, NotDone> {
    let limit = limit.clamp(1, MOST);
    let found = keys.list(after, limit)?;
    let full = u32::try_from(found.len()).is_ok_and(|count| count == limit);
    let next = found.last().filter(|_| full).map(|last| last.name.clone());
    let of_the_file = config.keys.iter().filter(|_| after.is_empty()).map(|key| declared(key, relay));
    let keys = of_the_file.chain(found.iter().map(|key| info(key, config, relay))).collect();
    let page = KeysPage { schema: KeysPage::SCHEMA.to_owned(), keys, next };
    Ok(serde_json::to_value(page).unwrap_or_default())
}

fn read(wanted: Wanted) -> Result<WantedKey, NotDone> {
    let bad = |message: &str| NotDone { status: StatusCode::BAD_REQUEST, kind: "bad_request", message: message.into() };
    let sha256 = wanted
        .sha256
        .as_deref()
        .map(|text| KeyHash::from_hex(text).ok_or_else(|| bad("a SHA-256 is 64 hexadecimal digits")));
    if wanted.metadata.values().any(|value| !value.is_string()) {
        return Err(bad("metadata is an object of texts"));
    }
    Ok(WantedKey {
        name: wanted.name,
        terms: Value::Object(wanted.terms).to_string(),
        metadata: Value::Object(wanted.metadata).to_string(),
        expires_ms: wanted.expires_ms,
        sha256: sha256.transpose()?,
    })
}

fn info(key: &StoredKey, config: &Config, relay: Option<&Relay>) -> KeyInfo {
    let now = jiff::Timestamp::now().as_millisecond();
    let over = |until: Option<i64>| until.is_some_and(|until| until <= now);
    let state = if config.keys.iter().any(|declared| declared.name == key.name) {
        "overruled"
    } else if key.disabled {
        "disabled"
    } else if over(key.expires_ms) {
        "expired"
    } else {
        "active"
    };
    let object = |text: &str| serde_json::from_str(text).unwrap_or_default();
    let alive = || key.secrets.iter().filter(|secret| !over(secret.until_ms));
    KeyInfo {
        name: key.name.clone(),
        from: "made".to_owned(),
        state: state.to_owned(),
        fingerprints: alive().map(|secret| fingerprint(&secret.hash)).collect(),
        terms: object(&key.terms),
        metadata: object(&key.metadata),
        expires_at: key.expires_ms.and_then(moment),
        old_secret_until: alive().filter_map(|secret| secret.until_ms).max().and_then(moment),
        created_at: moment(key.created_ms),
        ..used(&key.name, key.secrets.iter().map(|secret| &secret.hash), relay)
    }
}

/// What goes on for a key, and what it has used.
fn used<'a>(name: &str, secrets: impl Iterator<Item = &'a [u8; 32]>, relay: Option<&Relay>) -> KeyInfo {
    let books = relay.and_then(Relay::books);
    let used = books.and_then(|books| books.store().key_use(name).ok());
    KeyInfo {
        in_flight: relay.map(|relay| relay.in_flight_of(secrets)),
        spent_usd: used.map(|used| used.billed.to_string()),
        last_used: used.and_then(|used| used.last_ms).and_then(moment),
        ..KeyInfo::default()
    }
}

fn declared(key: &ClientKey, relay: Option<&Relay>) -> KeyInfo {
    let terms = match serde_json::to_value(key) {
        Ok(Value::Object(mut terms)) => {
            terms.remove("name");
            terms
        }
        _ => Map::new(),
    };
    KeyInfo {
        name: key.name.clone(),
        from: "file".to_owned(),
        state: "active".to_owned(),
        fingerprints: vec![fingerprint(&key.hash.0)],
        terms,
        metadata: Map::new(),
        expires_at: None,
        old_secret_until: None,
        created_at: None,
        ..used(&key.name, [&key.hash.0].into_iter(), relay)
    }
}

fn fingerprint(hash: &[u8; 32]) -> String {
    hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

fn moment(ms: i64) -> Option<String> {
    Some(jiff::Timestamp::from_millisecond(ms).ok()?.to_string())
}

impl From<KeyError> for NotDone {
    fn from(error: KeyError) -> Self {
        let (status, kind) = match &error {
            KeyError::Terms(_) | KeyError::NoBooks(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            KeyError::OfTheFile(_) | KeyError::Keys(KeyStoreError::NameTaken(_) | KeyStoreError::SecretTaken(_)) => {
                (StatusCode::CONFLICT, "conflict")
            }
            KeyError::Keys(KeyStoreError::Unknown(_)) => (StatusCode::NOT_FOUND, "not_found"),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        Self { status, kind, message: error.to_string() }
    }
}

pub(crate) fn routes() -> Router<Arc<Operator>> {
    Router::new()
        .route("/admin/api/keys", get(all).post(create))
        .route("/admin/api/keys/{name}", get(show).delete(forget))
        .route("/admin/api/keys/{name}/{act}", post(act))
}

/// Which page of keys is asked for.
#[derive(Debug, Deserialize)]
struct Paging {
    after: Option<String>,
    limit: Option<u32>,
}

async fn all(State(operator): State<Arc<Operator>>, Query(paging): Query<Paging>) -> Response {
    let order = KeyOrder::List { after: paging.after.unwrap_or_default(), limit: paging.limit.unwrap_or(MOST) };
    done(operator, order).await
}

async fn create(State(operator): State<Arc<Operator>>, body: String) -> Response {
    match serde_json::from_str(&body) {
        Ok(wanted) => done(operator, KeyOrder::Create(Box::new(wanted))).await,
        Err(error) => problem(StatusCode::BAD_REQUEST, "bad_request", &format!("the key that is wanted: {error}")),
    }
}

async fn show(State(operator): State<Arc<Operator>>, Path(name): Path<String>) -> Response {
    done(operator, KeyOrder::Show(name)).await
}

async fn forget(State(operator): State<Arc<Operator>>, Path(name): Path<String>) -> Response {
    done(operator, KeyOrder::Delete(name)).await
}

/// What is said beside what is to be done.
#[derive(Debug, Deserialize)]
struct Details {
    at_ms: Option<i64>,
    grace_ms: Option<u64>,
}

async fn act(
    State(operator): State<Arc<Operator>>,
    Path((name, act)): Path<(String, String)>,
    Query(details): Query<Details>,
) -> Response {
    let order = match act.as_str() {
        "disable" => KeyOrder::Disable(name),
        "enable" => KeyOrder::Enable(name),
        "expire" => KeyOrder::Expire(name, details.at_ms),
        "rotate" => KeyOrder::Rotate(name, Duration::from_millis(details.grace_ms.unwrap_or(0))),
        _ => return problem(StatusCode::NOT_FOUND, "not_found", "a key is disabled, enabled, expired or rotated"),
    };
    done(operator, order).await
}

async fn done(operator: Arc<Operator>, order: KeyOrder) -> Response {
    let what = match &order {
        KeyOrder::List { .. } | KeyOrder::Show(_) => None,
        KeyOrder::Create(wanted) => Some(("create", wanted.name.clone())),
        KeyOrder::Disable(name) => Some(("disable", name.clone())),
        KeyOrder::Enable(name) => Some(("enable", name.clone())),
        KeyOrder::Expire(name, _) => Some(("expire", name.clone())),
        KeyOrder::Rotate(name, _) => Some(("rotate", name.clone())),
        KeyOrder::Delete(name) => Some(("delete", name.clone())),
    };
    let asked = Arc::clone(&operator);
    let carried = tokio::task::spawn_blocking(move || {
        let relay = asked.relay();
        carry_out(order, relay.keys(), &relay.config(), Some(relay), |wanted| relay.create_key(wanted))
    });
    match carried.await {
        Ok(Ok(page)) => {
            if let Some((act, key)) = what {
                tracing::info!(act, key, "operator: key");
            }
            crate::books::page(&operator, &page)
        }
        Ok(Err(NotDone { status, kind, message })) => problem(status, kind, &message),
        Err(error) => problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &error.to_string()),
    }
}
