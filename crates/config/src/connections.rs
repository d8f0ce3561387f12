//! The connections to a provider: how many, which protocol, whom to trust, and through which proxy.
//!
//! A proxy named by the usual variables (`HTTPS_PROXY`, `NO_PROXY`, ...) is resolved here, for each provider, so that
//! nobody behind this point reads the environment and `config show` can say what came of it.

use crate::units::Period;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::path::PathBuf;

/// How a provider is connected to.
#[derive(Debug, Clone, Serialize)]
pub struct Connections {
    /// The proxy its connections go through; `None` for straight to the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
    /// PEM file with certificates that are trusted beside the machine's own. Was readable when the file was checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Most connections at once, over all workers; `None` for as many as calls need.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u32>,
    /// How long a call waits while there are that many.
    #[serde(rename = "connection_wait_timeout")]
    pub wait_timeout: Period,
    /// Unused HTTP/1 connections that each worker keeps open.
    #[serde(rename = "max_idle_connections")]
    pub max_idle: u32,
    /// Calls that go over one HTTP/2 connection at once before another is opened.
    #[serde(rename = "max_streams_per_connection")]
    pub max_streams: u32,
    /// Whether HTTP/2 is spoken.
    pub http2: UseHttp2,
    /// How long a connection may lie unused before it is closed.
    #[serde(rename = "connection_idle_timeout")]
    pub idle_timeout: Period,
    /// How old a connection may be when a call is sent on it, so that a name which has come to lead elsewhere is followed.
    #[serde(rename = "connection_max_age")]
    pub max_age: Period,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            proxy: None,
            ca_file: None,
            max_connections: None,
            wait_timeout: Period::from_secs(60),
            max_idle: 1024,
            max_streams: 90,
            http2: UseHttp2::Auto,
            idle_timeout: Period::from_secs(50),
            max_age: Period::from_secs(600),
        }
    }
}

/// Whether HTTP/2 is spoken to a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "snake_case")]
pub enum UseHttp2 {
    /// Where the TLS handshake agrees on it.
    #[default]
    Auto,
    /// Never.
    Never,
    /// Always, without asking, on clear text too.
    Always,
}

/// A proxy.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Whether it is itself spoken to over TLS.
    pub secure: bool,
    /// Its name or address; an IPv6 address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `user:password`, as they are sent after decoding.
    pub user: Option<SecretString>,
    /// The variable that named it; `None` for the file.
    pub variable: Option<&'static str>,
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        let brackets = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{}{}{}:{}", brackets.0, self.host, brackets.1, self.port)
    }
}

/// Its address and where that came from; never the user.
impl Serialize for Proxy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.variable {
            Some(variable) => serializer.collect_str(&format_args!("{self} ({variable})")),
            None => serializer.collect_str(self),
        }
    }
}
