//! One configured provider, compiled: everything a request to it needs, ready to copy.

use crate::adapter::{self, Speaks};
use crate::body::RequestBody;
use crate::destination::{Destination, Settings};
use crate::origin::{Origin, ParseOriginError};
use crate::proxy::Proxy;
use crate::tls::{Trust, TrustError};
use http::header::{ACCEPT, ACCEPT_ENCODING, HOST};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Request};
use secrecy::{ExposeSecret, SecretString};
use sluicegate_vocabulary::{Endpoint, ProviderKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Time limits towards a provider, beside those of its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From sending the request to the first byte of the answer.
    pub first_byte: Duration,
    /// Between two pieces of a stream.
    pub stream_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { first_byte: Duration::from_secs(600), stream_idle: Duration::from_secs(120) }
    }
}

/// What a provider is made from.
#[derive(Debug)]
pub struct ProviderSpec {
    /// Its configured name.
    pub name: Arc<str>,
    /// Its kind.
    pub kind: ProviderKind,
    /// Where its API begins, such as `https://api.openai.com/v1`.
    pub base_url: String,
    /// Its keys by name; empty for a provider that wants none.
    pub keys: Vec<(Arc<str>, SecretString)>,
    /// Endpoints it answers natively.
    pub speaks: Speaks,
    /// Azure's `api-version`.
    pub api_version: Option<String>,
    /// Headers sent with every request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Time limits.
    pub timeouts: Timeouts,
    /// Tries at one candidate after the first.
    pub max_retries: u32,
    /// Whether a stream of chat completions may be asked for its usage.
    pub stream_usage: bool,
    /// How connections to it are made and kept.
    pub settings: Settings,
    /// The proxy on the way.
    pub proxy: Option<Proxy>,
    /// PEM file with certificates that are trusted beside the machine's own.
    pub ca_file: Option<PathBuf>,
}

/// A provider key as it is sent.
#[derive(Debug)]
pub struct Credential {
    /// Its configured name.
    pub name: Arc<str>,
    /// The header it goes in, and the value, marked as sensitive.
    pub header: (HeaderName, HeaderValue),
}

/// One configured provider.
#[derive(Debug)]
pub struct Provider {
    /// Its configured name.
    pub name: Arc<str>,
    /// The name as a header value.
    pub name_header: HeaderValue,
    /// Its kind.
    pub kind: ProviderKind,
    /// Where it is, and how it is reached.
    pub destination: Arc<Destination>,
    /// The `host` header.
    pub host: HeaderValue,
    /// Endpoints it answers natively.
    pub speaks: Speaks,
    /// Headers sent with every request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Time limits.
    pub timeouts: Timeouts,
    /// Tries at one candidate after the first.
    pub max_retries: u32,
    /// Whether a stream of chat completions may be asked for its usage.
    pub stream_usage: bool,
    base_path: String,
    api_version: Option<String>,
    credentials: Vec<Arc<Credential>>,
    turn: AtomicUsize,
}

/// A provider that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// Its base URL cannot be used.
    #[error("base_url: {0}")]
    BaseUrl(#[from] ParseOriginError),
    /// The certificates that are to be trusted cannot be read.
    #[error("ca_file: {0}")]
    Trust(#[from] TrustError),
    /// A key contains bytes that cannot stand in a header.
    #[error("key `{0}` contains characters that cannot be sent in a header")]
    Key(Arc<str>),
    /// A name contains bytes that cannot stand in a header.
    #[error("the name cannot be sent in a header")]
    Name,
}

impl Provider {
    /// Compiles a provider.
    ///
    /// # Errors
    /// Says which part of the description cannot be used.
    pub fn new(spec: ProviderSpec) -> Result<Self, ProviderError> {
        let (origin, base_path) = Origin::split(&spec.base_url)?;
        let trust = spec.ca_file.as_deref().map(Trust::read).transpose()?;
        let (header, prefix) = adapter::key_header(spec.kind);
        let credentials = spec
            .keys
            .into_iter()
            .map(|(name, key)| {
                let text = format!("{prefix}{}", key.expose_secret().trim());
                let mut value = HeaderValue::from_str(&text).map_err(|_| ProviderError::Key(Arc::clone(&name)))?;
                value.set_sensitive(true);
                Ok(Arc::new(Credential { name, header: (header.clone(), value) }))
            })
            .collect::<Result<_, ProviderError>>()?;
        Ok(Self {
            name_header: HeaderValue::from_str(&spec.name).map_err(|_| ProviderError::Name)?,
            name: spec.name,
            kind: spec.kind,
            host: HeaderValue::from_str(&origin.to_string()).map_err(|_| ProviderError::Name)?,
            destination: Arc::new(Destination::new(origin, spec.settings, spec.proxy, trust)),
            speaks: spec.speaks,
            headers: spec.headers,
            timeouts: spec.timeouts,
            max_retries: spec.max_retries,
            stream_usage: spec.stream_usage,
            base_path,
            api_version: spec.api_version,
            credentials,
            turn: AtomicUsize::new(0),
        })
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        self.destination.origin()
    }

    /// The path of an endpoint for a model, query included; `None` where the provider has no such endpoint.
    #[must_use]
    pub fn path(&self, endpoint: Endpoint, model: &str) -> Option<PathAndQuery> {
        let below = adapter::path(self.kind, endpoint, model, &self.base_path, self.api_version.as_deref())?;
        PathAndQuery::try_from(format!("{}{below}", self.base_path)).ok()
    }

    /// The path for anything else below the provider's base, `rest` beginning without a slash. A version that both
    /// the base and `rest` name is said once. `None` for what is no path, or one that could lead out of the base.
    #[must_use]
    pub fn passthrough_path(&self, rest: &str, query: Option<&str>) -> Option<PathAndQuery> {
        if climbs(rest) {
            return None;
        }
        let rest = rest.trim_start_matches('/');
        let first = rest.split('/').next().unwrap_or_default();
        let repeated = !first.is_empty() && self.base_path.rsplit('/').next() == Some(first);
        let rest = if repeated { rest.get(first.len()..).unwrap_or_default().trim_start_matches('/') } else { rest };
        let mut path = format!("{}/{}", self.base_path, rest);
        if let Some(query) = query {
            path.push('?');
            path.push_str(query);
        }
        PathAndQuery::try_from(path).ok()
    }

    /// The request for the provider's list of models, which every provider answers for free; `None` where it has none.
    #[must_use]
    pub fn models_request(&self, credential: Option<&Credential>) -> Option<Request<RequestBody>> {
        let path = self.path(Endpoint::Models, "")?;
        // Lists come in pages; one large page is enough.
        let path = match self.kind {
            ProviderKind::Anthropic => format!("{path}?limit=1000"),
            ProviderKind::Gemini => format!("{path}?pageSize=1000"),
            _ => path.to_string(),
        };
        let mut request = Request::get(path).body(RequestBody::default()).ok()?;
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if self.kind == ProviderKind::Anthropic {
            headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        }
        headers.extend(self.headers.iter().cloned());
        if let Some(credential) = credential {
            let (name, value) = credential.header.clone();
            headers.insert(name, value);
        }
        Some(request)
    }

    /// Which of its credentials is next in turn, by its place in [`Self::credentials`].
    #[must_use]
    pub fn turn(&self) -> usize {
        match self.credentials.len() {
            0 | 1 => 0,
            n => self.turn.fetch_add(1, Ordering::Relaxed) % n,
        }
    }

    /// All its credentials; none for a provider that wants no key.
    #[must_use]
    pub fn credentials(&self) -> &[Arc<Credential>] {
        &self.credentials
    }
}

/// Whether a path has a segment `.` or `..` in the eyes of any server: escaped or not, and where an escaped slash or a
/// backslash is taken for a slash.
fn climbs(path: &str) -> bool {
    const ESCAPES: [(&str, &str); 6] =
        [("%2e", "."), ("%2E", "."), ("%2f", "/"), ("%2F", "/"), ("%5c", "/"), ("%5C", "/")];
    let plain = ESCAPES.iter().fold(path.to_owned(), |path, (escaped, plain)| path.replace(escaped, plain));
    plain.split(['/', '\\']).any(|segment| matches!(segment, "." | ".."))
}

#[cfg(test)]
#[path = "provider_tests.rs"]
mod tests;
