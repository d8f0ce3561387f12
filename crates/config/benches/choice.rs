//! What it costs a call to have its model chosen: to look at the request, and to ask the rules.
//!
//! `cargo bench -p sluicegate-config --bench choice`.

use divan::{Bencher, black_box};
use sluicegate_config::{Choice, load};
use sluicegate_vocabulary::Priority;
use sluicegate_wire::peek::MAX_DEPTH;
use sluicegate_wire::traits;

fn main() {
    divan::main();
}

/// A choice with so many rules of which none holds, so that all are asked.
fn choice(rules: usize) -> Option<Choice> {
    let rules: String = (0..rules)
        .map(|rule| {
            format!("      - {{ name: r{rule}, when: {{ tools: true, shorter_than: {} }}, use: dear }}\n", rule + 1)
        })
        .collect();
    let file = format!(
        "providers: {{ lab: {{ kind: simulated }} }}\nmodels: {{ cheap: {{ to: lab/a }}, dear: {{ to: lab/b }} }}\n\
         choices:\n  auto:\n    default: cheap\n    rules:\n{rules}"
    );
    load(&file, "bench").ok()?.choices.remove("auto")
}

/// A request of a few turns of prose, about so many kilobytes long.
fn body(kilobytes: usize) -> Vec<u8> {
    let prose = "The harbour master wrote down the time, the wind and the name of the ship, as on every other day. ";
    let content = prose.repeat((kilobytes << 10) / prose.len());
    format!(r#"{{"model":"auto","messages":[{{"role":"user","content":"{content}"}}]}}"#).into_bytes()
}

/// Rules alone.
#[divan::bench(args = [1, 8, 32])]
fn rules(bencher: Bencher<'_, '_>, rules: usize) {
    let Some(choice) = choice(rules) else { return };
    let seen = traits::read(&body(1), MAX_DEPTH, &choice.reasoning_words);
    bencher.bench(|| choice.decide(black_box(&seen), Priority::Normal).1.len());
}

/// The look at the request and eight rules.
#[divan::bench(args = [1, 9, 64])]
fn look_and_rules(bencher: Bencher<'_, '_>, kilobytes: usize) {
    let (Some(choice), body) = (choice(8), body(kilobytes)) else { return };
    bencher.counter(divan::counter::BytesCount::new(body.len())).bench(|| {
        let seen = traits::read(black_box(&body), MAX_DEPTH, &choice.reasoning_words);
        choice.decide(&seen, Priority::Normal).1.len()
    });
}
