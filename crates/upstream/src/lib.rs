//! Who answers: the providers, how each wants to be addressed, and the connections to them.
//!
//! [`Provider`] is one configured provider, compiled: where it is, which endpoints it speaks natively and at which
//! path, and the credentials it takes, as header values ready to send. [`Pool`] holds the connections. One pool
//! belongs to one worker thread, so its lock is not contended. What workers share is the immutable [`Provider`], the
//! [`Connector`], which looks names up and knows whom to trust, and the count of connections where it is limited.
//!
//! This crate knows how to reach a provider and says plainly what went wrong; whether to try again is the relay's
//! decision.

mod adapter;
mod body;
mod connect;
mod connections;
mod destination;
mod error;
pub mod fields;
pub mod http1;
mod inflate;
mod origin;
mod places;
mod pool;
mod provider;
mod proxy;
mod resolve;
mod socket;
mod tls;

pub use adapter::Speaks;
pub use body::{BodyError, RequestBody, ResponseBody};
pub use connect::{Connector, Http2};
pub use destination::{Destination, Settings};
pub use error::{Stage, UpstreamError};
pub use fields::Fields;
pub use inflate::Inflate;
pub use origin::{Origin, ParseOriginError, Scheme};
pub use pool::{Answer, Pool};
pub use provider::{Credential, Provider, ProviderError, ProviderSpec, Timeouts};
pub use proxy::Proxy;
pub use tls::{Trust, TrustError};
