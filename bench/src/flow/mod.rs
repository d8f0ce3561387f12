//! The promises of flow control, held against the running relay over real sockets.
//!
//! What the laboratory and the property tests show of the code is shown here of the program: a provider writes down
//! when each request really arrives, callers want more than there is, and what was promised is checked on what was
//! seen. Figures depend on the machine; the laws do not, and a law that is broken makes the exit code 1.

pub(crate) mod caller;
mod cancel;
mod classes;
mod law;
pub(crate) mod order;
pub(crate) mod pause;
pub(crate) mod provider;
pub(crate) mod relay;
mod requests;
mod tokens;
pub(crate) mod window;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::Outcome;
use crate::priority::Ahead;
use crate::report::{Page, line};
use law::Law;
use pause::Pauses;

/// Which promises, and how long.
#[derive(Debug, clap::Args)]
pub(crate) struct FlowArgs {
    /// The relay's binary.
    #[arg(long)]
    relay: PathBuf,
    /// Only the proof of this name: requests, tokens, classes, cancel.
    #[arg(long)]
    only: Option<String>,
    /// Seconds instead of minutes.
    #[arg(long)]
    short: bool,
}

/// What every proof is given.
struct Bench {
    relay: PathBuf,
    short: bool,
    pauses: Pauses,
}

/// Runs the proofs one after the other.
pub(crate) async fn run(args: FlowArgs) -> Outcome<ExitCode> {
    const NAMES: [&str; 4] = ["requests", "tokens", "classes", "cancel"];
    let wanted = |name: &str| args.only.as_deref().is_none_or(|only| only == name);
    if !NAMES.into_iter().any(wanted) {
        return Err(format!("no such proof; there are {}", NAMES.join(", ")).into());
    }
    // What it starts runs under the policy that it has itself.
    let ahead = Ahead::of(&[std::process::id()]);
    let bench = Bench { relay: args.relay.clone(), short: args.short, pauses: Pauses::watch() };
    let mut page = Page::default();
    let mut laws: Vec<Law> = Vec::new();
    for name in NAMES.into_iter().filter(|name| wanted(name)) {
        page.say(&format!("## {name}\n"));
        let judged = match name {
            "requests" => requests::run(&bench, &mut page).await,
            "tokens" => tokens::run(&bench, &mut page).await,
            "classes" => classes::run(&bench, &mut page).await,
            _ => cancel::run(&bench, &mut page).await,
        }?;
        for law in &judged {
            page.say(&format!("- {law}"));
        }
        page.say("");
        laws.extend(judged);
    }
    page.say(&format!(
        "times were held to {} ms, by the pauses seen; real-time policy of the kernel: {}",
        bench.pauses.grain().as_millis(),
        if ahead.is_some() { "yes" } else { "not allowed here" },
    ));
    let broken = laws.iter().filter(|law| !law.holds()).count();
    line(&format!("{} passed, {broken} failed", laws.len() - broken));
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A row of a table.
fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

/// A time, or a dash for none.
fn seconds(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| format!("{:.3} s", time.as_secs_f64()))
}

/// A number, or a dash for none.
fn told(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}
