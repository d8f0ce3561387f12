//! How a call ended.

use serde::{Deserialize, Serialize};

/// The one reason a call ended, whatever ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The whole answer went to the client.
    Done,
    /// We refused it before any provider was asked: bad request, key, limit, money.
    Refused,
    /// The provider answered with an error of the caller's making, passed on.
    ClientError,
    /// No provider gave an answer: errors, timeouts, refusals upstream.
    UpstreamError,
    /// The answer broke off after it had begun; the client was told by an error event.
    Truncated,
    /// A deadline or time limit passed.
    TimedOut,
    /// The client went away before the answer was complete.
    ClientGone,
    /// The relay shut down and its grace period ran out.
    Shutdown,
    /// A defect of ours: a panic or a broken promise.
    #[default]
    Internal,
}

impl EndReason {
    /// All reasons, in the order metrics number them.
    pub const ALL: [Self; 9] = [
        Self::Done,
        Self::Refused,
        Self::ClientError,
        Self::UpstreamError,
        Self::Truncated,
        Self::TimedOut,
        Self::ClientGone,
        Self::Shutdown,
        Self::Internal,
    ];

    /// The word used in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::ClientError => "client_error",
            Self::UpstreamError => "upstream_error",
            Self::Truncated => "truncated",
            Self::TimedOut => "timed_out",
            Self::ClientGone => "client_gone",
            Self::Shutdown => "shutdown",
            Self::Internal => "internal",
        }
    }
}
