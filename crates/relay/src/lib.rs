//! The way of one call, and the snapshot it runs under.
//!
//! `pipeline` shows the whole way in one function; each stage it names is a file beside it. `snapshot` is the
//! configuration as calls use it, `server` the threads that carry them, `record` the guard that makes a receipt of
//! every call whatever ends it.

mod accept;
mod admit;
mod array;
mod aside;
mod attempt;
mod authenticate;
mod books;
mod budget;
mod cache;
mod call;
mod choose;
mod cost;
mod count;
mod digits;
mod dispatch;
mod drain;
mod egress;
mod estimate;
mod headers;
mod hedge;
pub mod http1;
mod inbound;
mod keepalive;
mod keys;
mod limit_headers;
pub mod metrics;
mod migrations;
mod models;
mod pipeline;
mod prepare;
pub mod providers;
mod quota;
mod receipts;
mod record;
mod repeat;
mod reply;
mod report;
mod resume;
mod room;
mod route;
mod server;
mod settle;
mod snapshot;
mod stream;
mod surface;
mod validate;

pub use books::{AccountReport, Books, BudgetReport, CreditError, Payments, payment_outcome};
pub use cache::{CacheReport, Purge};
pub use keys::{KeyError, Keys, MadeKey, WantedKey};
pub use metrics::Metrics;
pub use migrations::{
    EntryReport, MigrationError, MigrationOrder, MigrationReport, MirrorReport, SampleReport, StepReport, WatchReport,
};
pub use providers::{
    AdaptiveReport, BreakerReport, FailoverReport, KeyReport, Learned, LearnedLimit, LoadReport, ModelReport,
    ProviderReport, Providers, ProvidersReport, QuotaReport, Tested, TransitionReport, UnknownTarget,
};
pub use reply::ReplyBody;
pub use report::{CallerReport, ClassReport, FlowReport, LimitReport};
pub use server::{LocalReceiver, LocalRequest, Relay, Reloaded, Settings, StartError, TlsError};
pub use snapshot::{CompileError, Simulators};
