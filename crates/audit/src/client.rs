//! The way to the endpoint under audit.

use crate::call::read;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, header};
use serde_json::Value;
use sluicegate_upstream::{Answer, Connector, Destination, Origin, Pool, RequestBody, Settings, UpstreamError};
use sluicegate_vocabulary::Dialect;
use std::sync::Arc;

/// How a key is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyForm {
    /// `Authorization: Bearer`, as OpenAI and most others want it.
    Bearer,
    /// `x-api-key`, as Anthropic wants it.
    XApiKey,
    /// `api-key`, as Azure wants it.
    ApiKey,
    /// `x-goog-api-key`, as Gemini wants it.
    Google,
}

impl KeyForm {
    /// All forms, the commonest first.
    pub const ALL: [Self; 4] = [Self::Bearer, Self::XApiKey, Self::ApiKey, Self::Google];

    /// The header it goes in.
    #[must_use]
    pub const fn header(self) -> &'static str {
        match self {
            Self::Bearer => "authorization",
            Self::XApiKey => "x-api-key",
            Self::ApiKey => "api-key",
            Self::Google => "x-goog-api-key",
        }
    }

    /// How people write it.
    #[must_use]
    pub const fn told(self) -> &'static str {
        match self {
            Self::Bearer => "Authorization: Bearer",
            other => other.header(),
        }
    }

    fn value(self, key: &str) -> Option<HeaderValue> {
        let text = if self == Self::Bearer { format!("Bearer {key}") } else { key.to_owned() };
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// The endpoint under audit.
#[derive(Clone)]
pub struct Target {
    /// Where its API begins, such as `https://api.example.com/v1`.
    pub url: String,
    /// What it speaks: OpenAI's dialect or Anthropic's.
    pub dialect: Dialect,
    /// The model to ask for.
    pub model: String,
    /// The key, if it wants one. Never printed.
    pub key: Option<String>,
    /// How the key is sent.
    pub form: KeyForm,
}

/// Without the key.
impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { url, dialect, model, key, form } = self;
        f.debug_struct("Target")
            .field("url", url)
            .field("dialect", dialect)
            .field("model", model)
            .field("key", &key.is_some())
            .field("form", form)
            .finish()
    }
}

/// An endpoint that cannot even be asked.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Its URL cannot be used.
    #[error("{url}: {why}")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The key cannot stand in a header.
    #[error("the key contains characters that cannot be sent in a header; is there a line break in the middle of it?")]
    Key,
    /// A dialect that cannot be audited.
    #[error("only endpoints that speak OpenAI's or Anthropic's dialect can be audited")]
    Dialect,
}

/// A client for one endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pool: Pool,
    destination: Arc<Destination>,
    base: String,
    host: HeaderValue,
    key: Option<(HeaderName, HeaderValue)>,
    anthropic: bool,
}

impl Client {
    pub(crate) fn new(target: &Target) -> Result<Self, TargetError> {
        let wrong = |why: String| TargetError::Url { url: target.url.clone(), why };
        let (origin, base) = Origin::split(&target.url).map_err(|error| wrong(error.to_string()))?;
        let host = if origin.host.contains(':') { format!("[{}]", origin.host) } else { origin.host.to_string() };
        let host =
            HeaderValue::from_str(&format!("{host}:{}", origin.port)).map_err(|error| wrong(error.to_string()))?;
        let key = match target.key.as_deref().map(str::trim) {
            None => None,
            Some(key) => {
                let value = target.form.value(key).ok_or(TargetError::Key)?;
                Some((HeaderName::from_static(target.form.header()), value))
            }
        };
        if target.dialect == Dialect::Gemini {
            return Err(TargetError::Dialect);
        }
        Ok(Self {
            pool: Pool::new(Arc::new(Connector::new())),
            destination: Arc::new(Destination::new(origin, Settings::default(), None, None)),
            base,
            host,
            key,
            anthropic: target.dialect == Dialect::Anthropic,
        })
    }

    /// The same endpoint with its API beginning elsewhere.
    pub(crate) fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// The same with the key in another form, or without one.
    pub(crate) fn with_key(&self, key: Option<(KeyForm, &str)>) -> Self {
        let key = key.and_then(|(form, key)| Some((HeaderName::from_static(form.header()), form.value(key.trim())?)));
        Self { key, ..self.clone() }
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn host(&self) -> &str {
        &self.destination.origin().host
    }

    /// Sends a request; the answer's head.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Bytes>) -> Result<Answer, UpstreamError> {
        let mut request = Request::new(RequestBody::new(body.clone()));
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}{path}", self.base).parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.host.clone());
        headers.insert(
            header::USER_AGENT,
            HeaderValue::from_static(concat!("sluicegate-audit/", env!("CARGO_PKG_VERSION"))),
        );
        if body.is_some() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some((name, value)) = &self.key {
            headers.insert(name, value.clone());
        }
        if self.anthropic {
            headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        }
        self.pool.send(&self.destination, request).await
    }

    /// Whether the endpoint knows a model that it does not list. A relay lists what its providers have, and answers to
    /// more names than that; so it is asked for this one.
    pub(crate) async fn knows(&self, model: &str) -> bool {
        let Ok(mut answer) = self.send(Method::GET, &format!("/models/{}", escaped(model)), None).await else {
            return false;
        };
        let told = read(&mut answer.body).await.and_then(|body| serde_json::from_slice::<Value>(&body).ok());
        answer.status.is_success() && told.is_some_and(|told| told.get("id").is_some_and(Value::is_string))
    }
}

/// A model's name as the end of a path: a slash in it stays one.
fn escaped(name: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~/:@".contains(byte);
    name.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
