//! The relay beside nginx, both in front of the simulated provider, on one machine.
//!
//! Absolute numbers of a shared machine say little, so everything here is a comparison: nginx as a plain keep-alive
//! proxy and the relay with all its work on (key check, model name exchanged, metrics, request log) take turns, A B A B,
//! under the same load, and what is reported is the median of the pairs' ratios with its interval.
//!
//! What it promises:
//! - **CPU is read from the kernel** (nanoseconds on a CPU, all threads, all of nginx's workers), not guessed from load.
//! - **Waiting counts.** In the open loop a call's time begins when it was due, not when a connection was free for it.
//! - **A wrong answer is a failure**: status, end marker and number of events are checked for every call.
//! - **A bar that is missed is printed as missed.** The exit code is 3 then.

mod answer;
mod bars;
mod clients;
mod closed;
mod compare;
mod exercise;
mod flow;
mod gameday;
mod hammer;
mod held;
mod instructions;
mod numbers;
mod open;
mod priority;
mod report;
mod scenario;
mod scenario_live;
mod servers;
mod smoke;
mod template;
mod usage;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Anything that ends the program early, as a sentence.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// The relay beside nginx, both in front of the simulated provider.
#[derive(Debug, Parser)]
#[command(name = "sluicegate-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measures both and prints the ratios and the bars.
    Compare(CompareArgs),
    /// A run of seconds that shows that the harness and both proxies work. Counts passed and failed checks.
    Smoke {
        /// The relay's binary, or the word `nginx` to run nginx against itself.
        #[arg(long)]
        relay: PathBuf,
    },
    /// Minutes of mixed load with faults and clients that leave; the relay must come out whole.
    Hammer {
        /// The relay's binary.
        #[arg(long)]
        relay: PathBuf,
        /// How long.
        #[arg(long, default_value_t = 3)]
        minutes: u64,
    },
    /// Calls of every kind, for a binary that takes notes of how it is used.
    #[command(hide = true)]
    Exercise {
        /// The relay's binary.
        #[arg(long)]
        relay: PathBuf,
    },
    /// Instructions of a relayed call under callgrind: alone, with limits, prices, books, and from the cache.
    Instructions(instructions::InstructionsArgs),
    /// The promises of flow control over real sockets: limits, shares of classes, clients that leave.
    Flow(flow::FlowArgs),
    /// An hour of spikes and ten minutes of overload, under several controls: on a virtual clock, or over real sockets.
    Scenario(scenario_live::ScenarioArgs),
    /// Providers that die, slow down, throttle and recover by script, while clients go on calling.
    Gameday(gameday::GamedayArgs),
    /// The simulated provider on a free port, without a label on its answers. Started by the other commands.
    #[command(hide = true)]
    Upstream,
}

/// What to measure and how long.
#[derive(Debug, clap::Args)]
pub(crate) struct CompareArgs {
    /// The relay's binary, or the word `nginx` to run nginx against itself: every ratio must then be near 1.
    #[arg(long)]
    pub(crate) relay: PathBuf,
    /// Writes the report to docs/results/bench-<date>.md.
    #[arg(long)]
    pub(crate) write: bool,
    /// A third of the time, for a first look.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only the parts whose name contains this: buffered, streamed, open, memory, everything, cached.
    #[arg(long)]
    pub(crate) only: Option<String>,
    /// Interleaved pairs of the main measurement and of the open loop; the others take a third of them.
    #[arg(long, default_value_t = 20)]
    pub(crate) rounds: usize,
    /// Streams held open for the memory bar.
    #[arg(long, default_value_t = 8_000)]
    pub(crate) streams: usize,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Compare(args) => local(compare::run(args)),
        Command::Smoke { relay } => local(smoke::run(relay)),
        Command::Hammer { relay, minutes } => local(hammer::run(relay, minutes)),
        Command::Exercise { relay } => local(exercise::run(relay)),
        Command::Instructions(args) => local(instructions::run(args)),
        Command::Flow(args) => local(flow::run(args)),
        Command::Scenario(args) => match args.live() {
            Some(live) => local(scenario_live::run(live)),
            None => scenario::run(),
        },
        Command::Gameday(args) => local(gameday::run(args)),
        Command::Upstream => servers::be_the_upstream(),
    };
    result.unwrap_or_else(|error| {
        report::complain(&error.to_string());
        ExitCode::FAILURE
    })
}

/// Runs on one thread: the load must not take both cores from what it loads.
fn local(work: impl Future<Output = Outcome<ExitCode>>) -> Outcome<ExitCode> {
    usage::allow_many_files()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, work)
}
