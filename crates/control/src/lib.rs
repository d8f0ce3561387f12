//! What operators see of a running relay: its pages, its request log, and the socket that its own commands speak to.
//!
//! Nothing here lies on the way of a call. The workers hand over the requests that no provider answers ([`serve_local`])
//! and leave their receipts to be fetched ([`LogWriter`]), so whatever happens here can be slow, or stuck behind a full
//! disk, without a call noticing.

mod alerts;
mod api;
mod books;
mod cache;
mod calls;
mod copies;
mod flow;
mod histogram;
mod key_files;
mod keys;
mod line;
mod load;
mod local;
mod log;
mod memory;
mod metrics;
mod migrations;
mod operator;
mod pages;
mod payments;
mod provider_metrics;
mod providers;
mod recent;
mod serve;
mod socket;
mod watch;
mod webhooks;

pub use api::{LimitLevel, ProviderStatus, ReloadReport, Status, operator_api};
pub use books::{CodesPage, CreditPage, LedgerAccount, LedgerBudget, LedgerPage, UsageLine, UsagePage, VerdictPage};
pub use cache::{CachePage, Purged};
pub use calls::{CallLine, CallsPage};
pub use copies::{CopyPage, MovementCall, MovementLine, MovementsPage};
pub use flow::{AlertLevel, Flow, FlowCaller, FlowClass, FlowLimit, FlowMinute, FlowRefusals, FlowWait, FlowWaiting};
pub use keys::{KeyInfo, KeyOrder, KeyPage, KeysPage, NotDone, Wanted, carry_out};
pub use line::{human, json};
pub use load::watch_load;
pub use local::serve_local;
pub use log::{LogFormat, LogWriter};
pub use memory::Memory;
pub use migrations::{MigrationHistory, MigrationsPage};
pub use operator::{Figures, Operator, Reload};
pub use pages::{OPENAPI, Surface, pages};
pub use payments::{OrderLine, OrdersPage};
pub use providers::{ProvidersPage, Tested, TestsPage};
pub use serve::{serve_tcp, serve_unix};
pub use sluicegate_vocabulary::Stamp;
pub use socket::{AskError, SOCKET_FILE, ask, ask_at, ask_with, bind};
pub use watch::{NOTICE, watch};
