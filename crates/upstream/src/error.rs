//! What can go wrong between us and a provider, before it has answered.

use std::time::Duration;

/// Where on the way a failure happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Waiting for one of as many connections as there may be.
    Wait,
    /// Resolving the name.
    Resolve,
    /// Opening the TCP connection.
    Connect,
    /// At the proxy on the way.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// Sending the request or waiting for the answer's head.
    Exchange,
    /// The whole of it, from sending to the answer's last byte.
    Total,
}

impl Stage {
    /// The word used in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wait => "the wait for a connection",
            Self::Resolve => "resolving its name",
            Self::Connect => "connecting",
            Self::Proxy => "the way through the proxy",
            Self::Tls => "the TLS handshake",
            Self::Exchange => "the exchange",
            Self::Total => "the whole call",
        }
    }

    /// The code of a time limit that passed here.
    #[must_use]
    pub const fn timeout_code(self) -> &'static str {
        match self {
            Self::Wait => "connection_wait_timeout",
            Self::Resolve | Self::Connect | Self::Proxy | Self::Tls => "connect_timeout",
            Self::Exchange => "first_byte_timeout",
            Self::Total => "total_timeout",
        }
    }
}

/// No answer from a provider. The blame is always the provider's or the network's.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// Something failed; the source is for the log, not for the client.
    #[error("failed during {}: {source}", .stage.as_str())]
    Failed {
        /// Where.
        stage: Stage,
        /// Whether it is certain that the provider has done nothing with the request.
        untouched: bool,
        /// What the layer below said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A time limit passed.
    #[error("no answer within {} ms during {}", .after.as_millis(), .stage.as_str())]
    Timeout {
        /// Where.
        stage: Stage,
        /// The limit.
        after: Duration,
    },
}

impl UpstreamError {
    pub(crate) fn failed(stage: Stage, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Failed { stage, untouched: !matches!(stage, Stage::Exchange | Stage::Total), source: source.into() }
    }

    /// Whether a time limit passed, as against a failure that was noticed.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. })
    }

    /// Where on the way it happened.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        match self {
            Self::Failed { stage, .. } | Self::Timeout { stage, .. } => *stage,
        }
    }

    /// Whether it is certain that the provider has done nothing with the request, so that sending it again, there or
    /// elsewhere, can do nothing twice: it was never sent, or was refused by HTTP/2's own means (`REFUSED_STREAM`, or
    /// `GOAWAY` before it).
    #[must_use]
    pub const fn is_untouched(&self) -> bool {
        match self {
            Self::Failed { untouched, .. } => *untouched,
            Self::Timeout { stage, .. } => !matches!(stage, Stage::Exchange | Stage::Total),
        }
    }
}
