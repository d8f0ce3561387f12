//! The commands, one file each, or one file for those that are told in a few lines.

mod audit;
mod books;
mod check;
mod config;
mod copies;
mod explain;
mod papers;
mod prices;
mod providers;
mod quota;
mod remote;
mod run;
mod serve;
mod simulate;
mod top;
mod usage;
mod words;

pub(crate) use audit::{AUDIT_EXAMPLES, AuditArguments, VERIFY_EXAMPLES, VerifyArguments, audit, verify};
pub(crate) use books::{credits, ledger};
pub(crate) use check::check;
pub(crate) use config::config;
pub(crate) use copies::{backup, restore};
pub(crate) use explain::explain;
pub(crate) use papers::{completions, man, version, welcome};
pub(crate) use prices::prices;
pub(crate) use providers::providers;
pub(crate) use quota::quota;
pub(crate) use remote::{reload, status};
pub(crate) use run::run;
pub(crate) use serve::serve;
pub(crate) use simulate::{mix, shape, simulate, tokens};
pub(crate) use top::top;
pub(crate) use usage::usage;
