//! The fault matrix: every fault that a provider can have, buffered and streamed, for clients of every format, before one
//! provider, one with several keys, several providers, and several that all fail; over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy.toml allows these in tests, but not in what tests call"
)]

mod client;
mod judge;
mod resumed;
mod stand;
#[path = "../support/mod.rs"]
mod support;
mod table;

use judge::{Texts, judge, strikes_all_keys};
use sluicegate_vocabulary::Format;
use stand::{Cell, Choice, Stand};
use std::fmt::Write;
use std::sync::Mutex;

/// Cells under way at once.
const AT_ONCE: usize = 48;

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for fault in table::FAULTS {
        for stream in [false, true] {
            for choice in Choice::ALL {
                let all_keys = strikes_all_keys(if stream { fault.streamed } else { fault.buffered });
                cells.push(Cell { number: cells.len(), fault, stream, choice, all_keys });
            }
        }
    }
    cells
}

fn text(stand: &Stand, model: &str) -> String {
    let got = client::call(stand.relay.address, stand.format, false, model, model).unwrap();
    let read = got.read(stand.format);
    assert!(got.status == 200 && read.ended && stand.receipts(model).len() == 1, "{}", got.shown());
    read.text
}

fn matrix(format: Format) {
    let cells = cells();
    let stand = Stand::new(format, &cells);
    let texts = Texts { first: text(&stand, "good-a"), second: text(&stand, "good-b") };
    assert_ne!(texts.first, texts.second, "the two answers cannot be told apart");
    let (queue, failed) = (Mutex::new(cells.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some(cell) = next else { return };
                    let wrong = judge(&stand, cell, &texts);
                    if !wrong.is_empty() {
                        failed.lock().unwrap().push((cell, wrong));
                    }
                }
            });
        }
    });
    let mut report = String::new();
    let mut failed = failed.into_inner().unwrap();
    failed.sort_by_key(|(cell, _)| cell.number);
    for (cell, wrong) in &failed {
        let form = if cell.stream { "streamed" } else { "buffered" };
        let _ = writeln!(report, "{} | {form} | {:?} | {}", cell.fault.name, cell.choice, wrong.join("; "));
    }
    assert!(failed.is_empty(), "{} of {} cells for {}:\n{report}", failed.len(), cells.len(), format.as_str());
    assert_eq!(stand.left_over(), Vec::<String>::new(), "a call has a second receipt");
}

#[test]
fn every_fault_has_its_outcome_for_openai_chat() {
    matrix(Format::Chat);
}

#[test]
fn every_fault_has_its_outcome_for_openai_responses() {
    matrix(Format::Responses);
}

#[test]
fn every_fault_has_its_outcome_for_anthropic() {
    matrix(Format::Messages);
}

#[test]
fn every_fault_has_its_outcome_for_gemini() {
    matrix(Format::Generate);
}
