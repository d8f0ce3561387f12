//! The evening by which flow control is judged, over real sockets: the trace that the laboratory runs on a virtual
//! clock, sent to a running relay before a provider that enforces its limit.
//!
//! An evening of 70 minutes is long, so its clock goes faster: times and longest waits are divided by a factor and
//! limits multiplied by it, which leaves the same number of calls and the same overload. Two things do not scale. A
//! limit's window stays a second long, so a spike meets more room than in the laboratory; and the pauses of a machine
//! stay as long as they are, while the waits they eat into are shorter.
//!
//! Answers are whole and take as long as the provider's first token does, since a deadline is about the first byte.
//!
//! Retries of clients and a semaphore in their place are compared in the laboratory only.

mod load;
mod tables;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use sluicegate_simulate::lab::scenario::{self, Bar};
use sluicegate_simulate::lab::{PATIENCE, Trace, text};

use crate::Outcome;
use crate::flow::order::Order;
use crate::flow::pause::Pauses;
use crate::flow::provider::Provider;
use crate::flow::relay::{CLASSES, Relay};
use crate::report::Page;
use load::{Load, Planned};
use tables::Seen;

/// A call is given up so long after the longest wait that the relay allows.
const GRACE: Duration = Duration::from_secs(30);
const CONTROLS: [&str; 2] = ["none", "sluicegate"];

/// On which clock, and how fast.
#[derive(Debug, clap::Args)]
pub(crate) struct ScenarioArgs {
    /// Over real sockets instead of on a virtual clock.
    #[arg(long, requires = "relay")]
    live: bool,
    /// The relay's binary.
    #[arg(long, requires = "live")]
    relay: Option<PathBuf>,
    /// Times and waits are divided by this, limits multiplied.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=60))]
    faster: u32,
    /// Only one control: none, sluicegate.
    #[arg(long, requires = "live", value_parser = CONTROLS)]
    only: Option<String>,
}

/// An evening over real sockets.
pub(crate) struct Live {
    relay: PathBuf,
    faster: u32,
    only: Option<String>,
}

impl ScenarioArgs {
    /// What is to be run over real sockets, if anything.
    pub(crate) fn live(self) -> Option<Live> {
        let relay = self.relay.filter(|_| self.live)?;
        Some(Live { relay, faster: self.faster, only: self.only })
    }
}

/// Runs the controls one after the other, and prints the tables and the bars.
pub(crate) async fn run(live: Live) -> Outcome<ExitCode> {
    let trace = scenario::trace()?;
    let faster = live.faster;
    let limit = scenario::LIMIT * u64::from(faster);
    let plan = plan(&trace, faster);
    let mut page = Page::default();
    page.say(&format!(
        "## An evening over real sockets, {faster} times as fast: {} calls, limit {limit} calls in any second",
        text::grouped(plan.len() as u64)
    ));
    page.say(&format!(
        "70 minutes take {:.0} s for each control; longest waits are {}",
        4200.0 / f64::from(faster),
        waits(faster).map(|(class, wait)| format!("{class} {} ms", wait.as_millis())).collect::<Vec<_>>().join(", "),
    ));
    let mut held_to: Vec<Bar> = Vec::new();
    for control in CONTROLS.into_iter().filter(|control| live.only.as_deref().is_none_or(|only| only == *control)) {
        let pauses = Pauses::watch();
        let (load, provider) = spend(control, &live.relay, &plan, faster).await?;
        let seen = Seen { plan: &plan, load: &load, arrivals: provider.arrivals(), faster, limit };
        let bars = seen.tell(control, pauses.grain(), &mut page);
        if control != "none" {
            held_to.extend(bars);
        }
    }
    for bar in &held_to {
        page.say(&format!("- {bar}"));
    }
    Ok(if held_to.iter().all(Bar::passed) { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

/// The evening under one control, and the provider as it was left.
async fn spend(control: &str, binary: &Path, plan: &[Planned], faster: u32) -> Outcome<(Load, Provider)> {
    let limit = scenario::LIMIT * u64::from(faster);
    let provider = Provider::start(Some(usize::try_from(limit)?))?;
    let [.., longest] = PATIENCE.0;
    let patience = longest / faster + GRACE;
    if control == "none" {
        let load = load::drive(provider.address, plan, patience).await?;
        return Ok((load, provider));
    }
    let limits = format!("limits: {{ requests_per_second: {limit} }}");
    let rules: Vec<_> =
        waits(faster).map(|(class, wait)| format!("{class}: {{ max_wait: {}ms }}", wait.as_millis())).collect();
    let rest = format!("priorities: {{ classes: {{ {} }} }}", rules.join(", "));
    let mut relay = Relay::before(provider, binary, "adaptive", &limits, &rest)?;
    let load = load::drive(relay.address(), plan, patience).await?;
    match relay.problem()? {
        Some(problem) => Err(problem.into()),
        None => Ok((load, relay.provider)),
    }
}

/// How long each class may wait.
fn waits(faster: u32) -> impl Iterator<Item = (&'static str, Duration)> {
    CLASSES.into_iter().zip(PATIENCE.0).map(move |((class, _), wait)| (class, wait / faster))
}

/// The calls of the trace at their times.
fn plan(trace: &Trace, faster: u32) -> Vec<Planned> {
    let takes = scenario::provider().first_token / faster;
    let calls = trace.calls.iter().zip(0..);
    calls
        .map(|(call, number)| Planned {
            at: Duration::from_nanos(call.at.0) / faster,
            // Each class has a key of its own, numbered as the class is.
            class: call.key as usize,
            order: Order {
                number,
                takes,
                input: u64::from(call.tokens_in),
                output: u64::from(call.tokens_out),
                ..Order::default()
            },
        })
        .collect()
}
