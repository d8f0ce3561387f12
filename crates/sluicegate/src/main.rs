//! The `sluicegate` program: its commands, and nothing that another crate could do.
//!
//! A command reads its arguments, calls the crates below, and says what happened: results to standard output, everything
//! else to standard error, and an exit code that a script can rely on ([`outcome`]). The long-running ones share
//! [`engine`], which is a relay with all that stands around it.

mod cli;
mod command;
mod engine;
mod outcome;
mod source;
mod terminal;
mod tracer;

use clap::Parser as _;
use cli::{Cli, Command};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The program's version.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit it was built from, when the build said so.
const COMMIT: Option<&str> = option_env!("SLUICEGATE_COMMIT");

fn main() -> ExitCode {
    let Cli { command, color, verbose } = Cli::parse();
    color.write_global();
    let outcome = match command {
        None => command::welcome(),
        Some(Command::Serve(arguments)) => command::serve(arguments, verbose),
        Some(Command::Run(arguments)) => command::run(arguments, verbose),
        Some(Command::Demo(arguments)) => command::demo(&arguments, verbose),
        Some(Command::Check(arguments)) => command::check(&arguments),
        Some(Command::Config { command }) => command::config(&command),
        Some(Command::Explain { code }) => command::explain(code.as_deref()),
        Some(Command::Reload(arguments)) => command::reload(&arguments),
        Some(Command::Status(arguments)) => command::status(&arguments),
        Some(Command::Quota(arguments)) => command::quota(&arguments),
        Some(Command::Providers { command, arguments }) => command::providers(command.as_ref(), &arguments),
        Some(Command::Keys { command }) => command::keys(&command),
        Some(Command::Migrate { command }) => command::migrate(&command),
        Some(Command::Usage(arguments)) => command::usage(&arguments),
        Some(Command::Calls(arguments)) => command::calls(&arguments),
        Some(Command::Prices { command }) => command::prices(&command),
        Some(Command::Ledger { command }) => command::ledger(&command),
        Some(Command::Credits { command }) => command::credits(&command),
        Some(Command::Backup(arguments)) => command::backup(&arguments),
        Some(Command::Restore(arguments)) => command::restore(&arguments),
        Some(Command::Cache { command }) => command::cache(&command),
        Some(Command::Route { command }) => command::route(&command),
        Some(Command::Top(arguments)) => command::top(&arguments),
        Some(Command::Audit(arguments)) => command::audit(&arguments),
        Some(Command::Verify(arguments)) => command::verify(&arguments),
        Some(Command::Simulate { command, arguments }) => command::simulate(command, &arguments, verbose),
        Some(Command::Completions { shell }) => command::completions(shell),
        Some(Command::Man { folder }) => command::man(folder.as_deref()),
        Some(Command::Version { json }) => command::version(json),
    };
    outcome
        .unwrap_or_else(|failure| {
            failure.report();
            failure.code
        })
        .into()
}
