//! `simulate`: what costs money or breaks rarely, played through. `simulate provider` is a provider for others to call;
//! `simulate` alone is the laboratory.

mod lab;
mod plan;
mod provider;
mod spec;

use crate::cli::{LabArguments, SimulateCommand};
use crate::outcome::Outcome;

pub(crate) use spec::{mix, shape, tokens};

pub(crate) fn simulate(command: Option<SimulateCommand>, arguments: &LabArguments, verbose: u8) -> Outcome {
    match command {
        Some(SimulateCommand::Provider(arguments)) => provider::provider(&arguments, verbose),
        None => lab::lab(arguments),
    }
}
