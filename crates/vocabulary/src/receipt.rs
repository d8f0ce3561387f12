//! How a call ended, in full.
//!
//! Exactly one [`Receipt`] exists for every call, whatever ended it, and everything anyone ever learns about a call is
//! read from it: metrics, the log line, the books. It is made in one place, by the guard that the relay's pipeline
//! holds, and cannot be cloned, so it cannot be counted twice.

use crate::{CallId, ConfigVersion, Dialect, EndReason, Endpoint, FaultKind, Money, Moved, Priority, Usage};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// How one try at a provider went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptResult {
    /// It answered with success.
    Ok,
    /// It answered 429.
    RateLimited,
    /// It answered 503 or 529.
    Overloaded,
    /// It answered another 5xx.
    ServerError,
    /// It answered 401, 402 or 403: our key or our bill.
    AuthError,
    /// It answered another 4xx.
    ClientError,
    /// No connection, or it broke before the answer's head.
    Connect,
    /// A time limit passed.
    Timeout,
    /// An empty, malformed or truncated answer.
    Broken,
    /// The client went away first; no judgement about the provider.
    Cancelled,
}

impl AttemptResult {
    /// All results, in the order metrics number them.
    pub const ALL: [Self; 10] = [
        Self::Ok,
        Self::RateLimited,
        Self::Overloaded,
        Self::ServerError,
        Self::AuthError,
        Self::ClientError,
        Self::Connect,
        Self::Timeout,
        Self::Broken,
        Self::Cancelled,
    ];

    /// The word used in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::ServerError => "server_error",
            Self::AuthError => "auth_error",
            Self::ClientError => "client_error",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One try, as the receipt keeps it.
#[derive(Debug)]
pub struct AttemptRecord {
    /// The provider asked.
    pub provider: Arc<str>,
    /// The credential used, by its configured name.
    pub credential: Arc<str>,
    /// The model asked for upstream.
    pub model: Arc<str>,
    /// How it went.
    pub result: AttemptResult,
    /// The status it answered, 0 for none.
    pub status: u16,
    /// When it began, counted from the call's arrival.
    pub started: Duration,
    /// How long it took to the answer's head, or to failure.
    pub took: Duration,
}

/// The moments of a call, each counted from its arrival.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    /// The request body was complete.
    pub received: Duration,
    /// Time spent waiting for admission.
    pub queued: Duration,
    /// The first byte of the answer's content came from the provider.
    pub first_token: Option<Duration>,
    /// The call was over.
    pub total: Duration,
}

/// What the response cache did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheUse {
    /// The cache was not asked.
    #[default]
    Off,
    /// Asked, and empty.
    Miss,
    /// Answered from the cache.
    Hit,
    /// There is one, and this call had to go around it.
    Bypass,
}

impl CacheUse {
    /// The word used in headers, metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Miss => "miss",
            Self::Hit => "hit",
            Self::Bypass => "bypass",
        }
    }
}

/// Which rule chose the model of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The name that the client sent, under which the rules are.
    pub choice: Arc<str>,
    /// The rule that decided.
    pub rule: Arc<str>,
}

/// How a call ended: the one source for everything told about it.
#[derive(Debug, Default)]
pub struct Receipt {
    /// The call's id.
    pub id: CallId,
    /// Wall-clock arrival, milliseconds since the Unix epoch.
    pub arrived_ms: u64,
    /// The endpoint called, or `None` for a path that is none.
    pub endpoint: Option<Endpoint>,
    /// The client's dialect.
    pub dialect: Dialect,
    /// Whether the client asked for a stream.
    pub stream: bool,
    /// The key's configured name, or `None` when there was none.
    pub key: Option<Arc<str>>,
    /// The call's class.
    pub priority: Priority,
    /// The model as the client named it, bounded in length.
    pub model: Box<str>,
    /// Whether that name is one the configuration knows, and so may be a metric label.
    pub model_known: bool,
    /// The side of a migration that it was given, where its model is being moved. Boxed, since few are.
    pub moved: Option<Box<Moved>>,
    /// Every try, in order. The last one answered, if any did.
    pub attempts: Vec<AttemptRecord>,
    /// Bytes of text that had been sent when the answer broke and was gone on with, each time.
    pub resumed: Vec<u64>,
    /// How it ended.
    pub end: EndReason,
    /// The fault the client was told, if any.
    pub fault: Option<FaultKind>,
    /// Which limit or rule of ours refused, as `x-sluicegate-refused-by` tells it.
    pub refused_by: Option<Cow<'static, str>>,
    /// The model asked for, where the call went to a lower tier instead.
    pub degraded_from: Option<Arc<str>>,
    /// The HTTP status the client saw, 0 if none was sent.
    pub status: u16,
    /// Tokens used.
    pub usage: Usage,
    /// Tokens taken from limits before the call and while it ran, 0 where no limit counts tokens.
    pub reserved: u64,
    /// What it cost, or `None` when the model has no price.
    pub cost: Option<Money>,
    /// What was chosen for it, where the client left the model to us.
    pub chosen: Option<Chosen>,
    /// What it would have cost more without the cache, or at the model that is asked where no rule chooses another; below
    /// zero where it cost more than that, `None` where it is not known.
    pub saved: Option<Money>,
    /// The moments.
    pub times: Times,
    /// Bytes of request body.
    pub bytes_in: u64,
    /// Bytes of response body sent to the client.
    pub bytes_out: u64,
    /// What the cache did.
    pub cache: CacheUse,
    /// The answer came from a simulated provider.
    pub simulated: bool,
    /// The configuration it ran under.
    pub config: ConfigVersion,
}
