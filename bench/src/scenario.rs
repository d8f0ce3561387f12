//! The evening by which flow control is judged, in the laboratory: an hour of spikes, ten minutes of overload, and what
//! becomes of the calls without any control, with retries, behind a semaphore and behind Sluicegate.
//!
//! The laboratory drives the code that the relay runs, on a virtual clock. What it cannot show (sockets, schedulers,
//! clients that hang up) is for measurements over the wire; what it shows, it shows exactly and in a second.

use std::process::ExitCode;
use std::time::Instant;

use sluicegate_simulate::lab::scenario::{self, Bar, Evening};
use sluicegate_simulate::lab::{Report, Trace, text};

use crate::Outcome;
use crate::report::Page;

/// The control that is held to the bars.
const OURS: &str = "sluicegate";

/// Prints the comparison and the bars.
pub(crate) fn run() -> Outcome<ExitCode> {
    let trace = scenario::trace()?;
    let mut page = Page::default();
    let began = Instant::now();
    let evenings = spend(&trace);
    let took = began.elapsed().as_secs_f64();
    page.say(&format!(
        "## An evening: {} calls, limit {} calls/s; 70 minutes under each control, {took:.1} s in all",
        text::grouped(trace.calls.len() as u64),
        scenario::LIMIT,
    ));
    let mut stretch = |title: &str, of: fn(&Evening) -> &Report| {
        let rows: Vec<_> = evenings.iter().map(|(name, evening)| (*name, of(evening))).collect();
        page.say(&format!("\n### {title}\n\n```"));
        page.say(&text::comparison(&rows, scenario::LIMIT as f64));
        page.say(&text::comparison_by_class(&rows));
        page.say("```");
    };
    stretch("An hour at 60 % of the limit, spikes of 3.4 times as much for 8 s every 2 min", |evening| &evening.spikes);
    stretch("Ten minutes at 1.5 times the limit", |evening| &evening.sustained);
    page.say("");
    let bars = |evenings: &[(&str, Evening)]| -> Vec<Bar> {
        let ours = evenings.iter().filter(|(name, _)| *name == OURS);
        ours.flat_map(|(_, evening)| evening.bars()).collect()
    };
    let held_to = bars(&evenings);
    for bar in &held_to {
        page.say(&format!("- {bar}"));
    }
    // Told, and not held against anybody: how unequal callers are is not part of the evening.
    page.say("\nThe same evening from 20 callers, of whom the largest makes every fourth call:\n");
    for bar in bars(&spend(&scenario::trace_of_many()?)) {
        page.say(&format!("- {bar}"));
    }
    Ok(if held_to.iter().all(Bar::passed) { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

/// The evening under every control.
fn spend(trace: &Trace) -> Vec<(&'static str, Evening)> {
    let controls = scenario::controls().into_iter();
    controls.map(|(name, control)| (name, Evening::spend(trace, control))).collect()
}
