//! What can go wrong between us and a provider, before it has answered.

use std::time::Duration;

/// Where on the way a failure happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Resolving the name.
    Resolve,
    /// Opening the TCP connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Sending the request or waiting for the answer's head.
    Exchange,
}

impl Stage {
    /// The word used in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolving its name",
            Self::Connect => "connecting",
            Self::Tls => "the TLS handshake",
            Self::Exchange => "the exchange",
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
        Self::Failed { stage, source: source.into() }
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
}
