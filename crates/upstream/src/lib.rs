//! Who answers: the providers, how each wants to be addressed, and the connections to them.
//!
//! [`Provider`] is one configured provider, compiled: where it is, which endpoints it speaks natively and at which
//! path, and the credentials it takes, as header values ready to send. [`Pool`] holds the connections. One pool
//! belongs to one worker thread, so its lock is never contended; what is shared between workers is only the immutable
//! [`Provider`].
//!
//! This crate knows how to reach a provider and says plainly what went wrong; whether to try again is the relay's
//! decision.

mod adapter;
mod body;
mod connect;
mod connections;
mod error;
pub mod http1;
mod inflate;
mod origin;
mod pool;
mod provider;
mod tls;

pub use adapter::{Kind, Speaks};
pub use body::{BodyError, RequestBody, ResponseBody};
pub use connect::{Connector, Http2};
pub use error::{Stage, UpstreamError};
pub use inflate::Inflate;
pub use origin::{Origin, ParseOriginError, Scheme};
pub use pool::{Pool, PoolSettings};
pub use provider::{Credential, Provider, ProviderError, ProviderSpec, Timeouts};
