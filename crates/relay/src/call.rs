//! The values that one stage hands to the next.
//!
//! [`Call`] comes in, becomes a [`Request`] once its body is read, gets a [`Caller`] and a [`Plan`], holds a [`Ticket`]
//! while it is served, and leaves a receipt. Each value is made by one stage and only read by those after it.

use crate::budget::Share;
use crate::estimate::Likely;
use crate::inbound::Inbound;
use crate::migrations::Mover;
use crate::room::Held;
use crate::snapshot::{Candidate, Key, Live, Route, Tenant};
use bytes::Bytes;
use http::HeaderValue;
use http::request::Parts;
use parking_lot::Mutex;
use sluicegate_flow::Cost;
use sluicegate_vocabulary::{Dialect, Endpoint, Mode, Priority};
use sluicegate_wire::peek::Head;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What arrived: everything that can be known before the body is read.
#[derive(Debug)]
pub(crate) struct Call {
    /// What is called.
    pub(crate) endpoint: Endpoint,
    /// How answers to it look.
    pub(crate) dialect: Dialect,
    /// When it must be answered: the first byte for streams, the whole otherwise.
    pub(crate) deadline: Option<Instant>,
    /// How long the client's SDK says it waits.
    pub(crate) client_timeout: Option<Duration>,
    /// Method, path and headers as they came; boxed, because they go along from stage to stage.
    pub(crate) parts: Box<Parts>,
    /// The body, unread.
    pub(crate) body: Inbound,
    /// What the path says beside the endpoint.
    pub(crate) target: PathTarget,
}

/// What a path can name beside an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PathTarget {
    /// Nothing: the body names the model.
    None,
    /// A model: Gemini's calls, and `GET /v1/models/{id}`.
    Model(String),
    /// A provider and what follows it: `/p/{provider}/...`.
    Provider {
        /// The provider.
        name: String,
        /// The rest of the path, without its first slash.
        rest: String,
    },
}

/// Who calls, and what that one may do.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The key, or `None` on a keyless loopback listener.
    pub(crate) key: Option<Arc<Key>>,
    /// The class of the call.
    pub(crate) priority: Priority,
    /// What is done with the call if it finds no room.
    pub(crate) mode: Mode,
    /// What goes on for this caller.
    pub(crate) live: Arc<Live>,
    /// By which the sets of this caller's limits are kept.
    pub(crate) limits: u64,
}

impl Caller {
    /// The tenant it belongs to.
    pub(crate) fn tenant(&self) -> Option<&Arc<Tenant>> {
        self.key.as_ref()?.tenant.as_ref()
    }

    /// Whether its calls may be answered by a lower tier.
    pub(crate) fn accepts_lower_tier(&self) -> bool {
        self.key.as_ref().is_some_and(|key| key.accepts_lower_tier())
    }
}

/// A call whose body has been read and looked into.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) endpoint: Endpoint,
    pub(crate) dialect: Dialect,
    pub(crate) deadline: Option<Instant>,
    pub(crate) client_timeout: Option<Duration>,
    pub(crate) parts: Box<Parts>,
    pub(crate) target: PathTarget,
    /// The whole body.
    pub(crate) body: Bytes,
    /// Its part of the memory for bodies.
    #[expect(dead_code, reason = "held for its drop, which gives the memory back")]
    pub(crate) share: Share,
    /// What was seen in it without parsing it.
    pub(crate) head: Head,
    /// Whether the answer is to be streamed.
    pub(crate) stream: bool,
}

impl Request {
    /// Whether the stream is to be one JSON array instead of events, as Gemini's clients without `alt=sse` expect.
    pub(crate) fn wants_array(&self) -> bool {
        self.endpoint == Endpoint::GenerateStream
            && !self.parts.uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"))
    }

    /// The model as the client names it.
    pub(crate) fn model(&self) -> Option<Cow<'_, str>> {
        match &self.target {
            PathTarget::Model(model) => Some(Cow::Borrowed(model)),
            PathTarget::None => self.head.model(&self.body).or_else(|| usual_model(self.endpoint).map(Cow::Borrowed)),
            PathTarget::Provider { .. } => None,
        }
    }
}

/// What OpenAI asks where a client may leave the model out and does.
const fn usual_model(endpoint: Endpoint) -> Option<&'static str> {
    match endpoint {
        Endpoint::Moderations => Some("omni-moderation-latest"),
        _ => None,
    }
}

/// Where a call may go, in order.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The name it was resolved from, with its metrics.
    pub(crate) route: Arc<Route>,
    /// Whom to ask, best first; never empty.
    pub(crate) candidates: Vec<Arc<Candidate>>,
    /// The migration by which the call is on a new side, which is asked first and once.
    pub(crate) mover: Option<Arc<Mover>>,
    /// What the call will probably use there, once somebody has asked. A lock because futures go from thread to thread, and
    /// it is cheaper to fill than a `OnceLock`; nobody waits for it.
    pub(crate) likely: Mutex<Option<Likely>>,
}

impl Plan {
    pub(crate) const fn new(route: Arc<Route>, candidates: Vec<Arc<Candidate>>, mover: Option<Arc<Mover>>) -> Self {
        Self { route, candidates, mover, likely: Mutex::new(None) }
    }

    /// Whether a candidate is the new side of a migration, whose failures are the old side's to answer.
    pub(crate) fn is_new_side(&self, candidate: &Arc<Candidate>) -> bool {
        self.mover.as_ref().is_some_and(|mover| mover.is_new(candidate))
    }
}

/// All that is held for a call. Dropping it gives everything back.
#[derive(Debug)]
pub(crate) struct Ticket {
    /// Room taken in the caller's limits.
    pub(crate) held: Held,
    /// What was asked for.
    pub(crate) cost: Cost,
    /// The part of its tokens that is output, where a limit counts tokens.
    pub(crate) output: Option<u64>,
}

/// A header value from text of ours; what cannot stand in a header becomes `-`.
pub(crate) fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("-"))
}
