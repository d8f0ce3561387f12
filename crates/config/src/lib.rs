//! The configuration file: what it may say, what it means, and how it is told that it is wrong.
//!
//! Three layers of types keep three questions apart. The *file* layer is what may be written; it is plain serde, so the
//! JSON schema and the editor's help come from it. Between it and the rest stands a tree in which every value knows its
//! line, its variable or its flag. The *effective* layer, [`Config`], is what the relay runs: complete, checked, with
//! nothing left to look up. Whatever is wrong is a [`Diagnostic`] with a place and a remedy, and all that is wrong is
//! found at once.
//!
//! ```
//! let config = sluicegate_config::load("providers: { lab: { kind: simulated } }", "sluicegate.yaml").unwrap();
//! assert_eq!(config.providers.len(), 1);
//!
//! let wrong = sluicegate_config::load("server: { lissten: 127.0.0.1:80 }", "sluicegate.yaml").unwrap_err();
//! assert_eq!(wrong[0].code, "E012");
//! ```

mod alert;
mod books;
mod cache;
mod choice;
mod codes;
mod compile;
mod config;
mod connections;
mod diagnostic;
mod document;
mod effective;
mod egress;
mod endpoint;
mod environment;
mod file;
mod interpolate;
mod key;
mod known;
mod limits;
mod load;
mod mask;
mod meaning;
mod migration;
mod model;
mod near;
mod payments;
mod prices;
mod priorities;
mod provider;
mod receiver;
mod schema;
mod server;
mod shape;
#[cfg(test)]
mod testing;
mod units;
mod url;
mod version;

pub use alert::{Alert, AlertMetric, Comparison, Threshold};
pub use books::{Budget, BudgetAmount, Credits, Ledger, OnExceed, OpenCalls, Per, WhenFailing};
pub use cache::{Cache, CacheScope, OnlyWhen};
pub use choice::{Choice, ChoiceRule, DEFAULT_RULE, Unmet, Verdict, When};
pub use codes::{EXPLANATIONS, Explanation, explain};
pub use compile::runtime::BadTerms;
pub use config::Config;
pub use connections::{Connections, Proxy, UseHttp2};
pub use diagnostic::{Diagnostic, Position, Severity};
pub use effective::Setting;
pub use egress::{AdaptiveConcurrency, Breaker, KeyRole};
pub use endpoint::EndpointPath;
pub use environment::{Environment, System};
pub use key::{ClientKey, KeyHash, ModelRule, Tenant};
pub use known::{KNOWN, Known, OLLAMA_URL, by_name};
pub use limits::{EndpointLimit, Limit, Limits, Rate, RateKind, Shape, Window};
pub use load::{Loaded, Loader, SIMULATED_PROVIDER, from_environment, load};
pub use meaning::Line;
pub use migration::{Approval, Migration, Mirror, Start, keys_of_new_sides};
pub use model::{FallbackOn, Model, Resume, Target, Tier, Translation, WeightedTarget};
pub use near::nearest;
pub use payments::{Alipay, Currency, CurrencyError, Payments, Stripe, WeChat};
pub use prices::{Display, Prices, Unpriced};
pub use priorities::{ClassRule, Classes, Priorities};
pub use provider::{
    Azure, AzureStyle, ListedModel, Provider, ProviderKey, SimulatedFault, Simulation, Speaks, Timeouts,
};
pub use receiver::{EVENTS, Receiver};
pub use schema::{schema, starter};
pub use server::{Address, Keepalive, Listen, RequestLog, Server, Tls};
pub use sluicegate_vocabulary::ProviderKind;
pub use units::{ParseQuantityError, Period, Share, Size};
