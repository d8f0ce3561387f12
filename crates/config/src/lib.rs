//! The configuration file: what it may say, what it means, and how it is told that it is wrong.

mod config;
mod endpoint;
mod key;
mod limits;
mod model;
mod near;
mod provider;
mod server;
mod units;

pub use config::{Breaker, Config, MetricAlert, Threshold};
pub use endpoint::EndpointPath;
pub use key::{ClientKey, KeyHash, ModelRule};
pub use limits::{EndpointLimit, Limit, Limits, Rate, Shape};
pub use model::{FallbackOn, Model, Target, Translation, WeightedTarget};
pub use near::nearest;
pub use provider::{
    Azure, AzureStyle, ListedModel, Provider, ProviderKey, ProviderKind, SimulatedFault, Simulation, Speaks, Timeouts,
};
pub use server::{Address, Listen, RequestLog, Server, Tls};
pub use units::{ParseQuantityError, Period, Size};
