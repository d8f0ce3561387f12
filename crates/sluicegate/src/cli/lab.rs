//! What is asked of the laboratory, and of the simulated provider.

use super::ConfigArguments;
use clap::{Args, Subcommand, ValueHint};
use sluicegate_config::Period;
use sluicegate_simulate::lab::{ByClass, Shape, Size as LabSize};
use sluicegate_vocabulary::Mode;
use std::net::SocketAddr;
use std::path::PathBuf;

pub(super) const LAB_EXAMPLES: &str = "\
Examples:
  sluicegate simulate                                  traffic that follows from the limits, with spikes
  sluicegate simulate --traffic spike:30/s,factor=3.4,length=8s,every=2m --for 1h
  sluicegate simulate --traffic steady:400/min --mix high=20,normal=60,low=20 --tokens 1200:400
  sluicegate simulate --traffic closed:40 --mode strict    forty clients that never pause
  sluicegate simulate --log data/requests.log              what was logged, under these limits

Traffic:
  steady:RATE                                   always at this rate
  spike:RATE,factor=3.4,length=8s,every=2m      a base rate, and spikes of so many times as much
  diurnal:RATE,swing=0.8,period=24h             a day, highest at noon
  edge:CALLS,window=60s                         so many on each side of each turn of the window
  closed:CLIENTS,think=0ms                      clients that send the next call when the last has ended
  A RATE is 30/s, 1800/min or 100000/h.";

#[derive(Debug, Args)]
pub(crate) struct LabArguments {
    #[command(flatten)]
    pub(crate) config: ConfigArguments,

    /// How calls come; see below. Without this, --trace or --log: 60 % of what the limits allow, with spikes.
    #[arg(long, value_name = "SPEC", value_parser = crate::command::shape, group = "calls")]
    pub(crate) traffic: Option<Shape>,

    /// Calls from a file: counts by second as CSV, or a JSON object a line with at_ms and perhaps class, key, model,
    /// endpoint, tokens_in, tokens_out, deadline_ms.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, group = "calls")]
    pub(crate) trace: Option<PathBuf>,

    /// Calls from a request log that a relay has written.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, group = "calls")]
    pub(crate) log: Option<PathBuf>,

    /// How long calls keep coming; ten minutes when not given.
    #[arg(long = "for", value_name = "TIME", conflicts_with_all = ["trace", "log"])]
    pub(crate) duration: Option<Period>,

    /// Shares of the classes. Without this, the highest class that key and endpoint allow.
    #[arg(long, value_name = "CLASS=SHARE,...", value_parser = crate::command::mix)]
    pub(crate) mix: Option<ByClass<f64>>,

    /// Tokens of input and output of each call; with a tilde (~600:~150) the middle of sizes that vary as real ones do.
    #[arg(long, value_name = "IN:OUT", value_parser = crate::command::tokens)]
    pub(crate) tokens: Option<(LabSize, LabSize)>,

    /// Calls follow one another like a clock, not like those of independent users.
    #[arg(long)]
    pub(crate) even: bool,

    /// What is done with calls that find no room, instead of what the file says: strict, adaptive or graceful.
    #[arg(long, value_name = "MODE")]
    pub(crate) mode: Option<Mode>,

    /// Instances of the relay, each with its share of every limit.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) instances: u32,

    /// How long the provider takes to the first token.
    #[arg(long, value_name = "TIME", default_value = "400ms")]
    pub(crate) ttft: Period,

    /// How fast the provider writes after it.
    #[arg(long, value_name = "NUMBER", default_value_t = 80.0, value_parser = pace)]
    pub(crate) tokens_per_second: f64,

    /// What everything that looks like chance is drawn from.
    #[arg(long, value_name = "NUMBER", default_value_t = 42)]
    pub(crate) seed: u64,

    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn pace(text: &str) -> Result<f64, String> {
    let pace: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.001..=1e6).contains(&pace) { Ok(pace) } else { Err("a pace is from 0.001 to a million".to_owned()) }
}

#[derive(Debug, Subcommand)]
pub(crate) enum SimulateCommand {
    /// A provider that answers like the real ones, alone, until Ctrl-C.
    ///
    /// It speaks OpenAI, Anthropic and Gemini. Its address is the first line of standard output.
    #[command(after_help = PROVIDER_EXAMPLES)]
    Provider(ProviderArguments),
}

pub(super) const PROVIDER_EXAMPLES: &str = "\
Examples:
  sluicegate simulate provider --listen 127.0.0.1:9100
  sluicegate simulate provider --ttft 300ms --tokens-per-second 60
  sluicegate simulate provider --error-rate 0.01 --fault stall=0.005";

#[derive(Debug, Args)]
pub(crate) struct ProviderArguments {
    /// Address to listen on. Port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,

    /// What every word, call and fault is drawn from.
    #[arg(long, value_name = "NUMBER", default_value_t = 42)]
    pub(crate) seed: u64,

    /// Time before every answer, refusals too.
    #[arg(long, value_name = "TIME", default_value = "0ms")]
    pub(crate) latency: Period,

    /// Time to the first token.
    #[arg(long, value_name = "TIME", default_value = "0ms")]
    pub(crate) ttft: Period,

    /// Pace of the tokens after the first; 0 sends them at once.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) tokens_per_second: u32,

    /// Tokens in an answer; by the request's content when not given.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) answer_tokens: Option<u32>,

    /// Share of requests (0 to 1) answered with a server error.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub(crate) error_rate: f64,

    /// Share of requests that break in one way: reset, stall, truncate, error_in_stream, empty, slow_headers or
    /// malformed_chunk. May be given several times.
    #[arg(long = "fault", value_name = "NAME=SHARE", value_parser = fault)]
    pub(crate) faults: Vec<(Fault, f64)>,

    /// Requests a minute for each key before it answers 429.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) requests_per_minute: Option<u32>,

    /// Tokens a minute for each key before it answers 429.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) tokens_per_minute: Option<u32>,

    /// Calls at once for each key before it answers 429.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) concurrency: Option<u32>,

    /// The names of models it answers to; any name when not given.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) models: Vec<String>,

    /// Environment variable with the key that every request must bring.
    #[arg(long, value_name = "NAME")]
    pub(crate) key_env: Option<String>,

    /// Call the model of every answer sim/NAME, as inside `serve`.
    #[arg(long)]
    pub(crate) label: bool,

    /// Count what repeats in prompts as read from a cache. Usage then depends on what came before.
    #[arg(long)]
    pub(crate) prompt_cache: bool,
}

/// The faults that can be ordered here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Reset,
    Stall,
    Truncate,
    ErrorInStream,
    Empty,
    SlowHeaders,
    MalformedChunk,
}

const FAULTS: [(&str, Fault); 7] = [
    ("reset", Fault::Reset),
    ("stall", Fault::Stall),
    ("truncate", Fault::Truncate),
    ("error_in_stream", Fault::ErrorInStream),
    ("empty", Fault::Empty),
    ("slow_headers", Fault::SlowHeaders),
    ("malformed_chunk", Fault::MalformedChunk),
];

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("a share is between 0 and 1".to_owned()) }
}

fn fault(text: &str) -> Result<(Fault, f64), String> {
    let (name, amount) = text.split_once('=').ok_or_else(|| "write it as NAME=SHARE, such as stall=0.01".to_owned())?;
    let wanted = name.replace('-', "_");
    let found = FAULTS.iter().find(|(name, _)| *name == wanted).map(|(_, fault)| *fault);
    let found = found.ok_or_else(|| format!("no such fault; known: {}", FAULTS.map(|(name, _)| name).join(", ")))?;
    Ok((found, share(amount)?))
}

#[cfg(test)]
#[path = "lab_tests.rs"]
mod tests;
