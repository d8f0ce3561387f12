//! The hot path, measured: what the relay does to every body and every stream chunk of the same dialect.

use bytes::Bytes;
use divan::{Bencher, black_box};
use sluicegate_vocabulary::Endpoint;
use sluicegate_wire::{peek, splice};

fn main() {
    divan::main();
}

/// A chat request of about this many bytes: a few turns of prose with some escapes and a little text beyond ASCII.
fn chat_body(size: usize) -> Bytes {
    let prose = "The harbour master wrote down the time, the wind and the name of the ship, as on every other day. \
                 \\\"She is early,\\\" he said, and went to caf\u{e9} and newspaper.\\nNobody on the quay minded. ";
    let turns = (size / 700).clamp(1, 12);
    let each = (size / turns).saturating_sub(60);
    let mut text = String::from(r#"{"model":"gpt-5.4-mini","temperature":0.7,"messages":["#);
    for turn in 0..turns {
        let role = if turn % 2 == 0 { "user" } else { "assistant" };
        let content: String = prose.repeat((each / prose.len()).max(1));
        text += &format!(r#"{}{{"role":"{role}","content":"{content}"}}"#, if turn > 0 { "," } else { "" });
    }
    text += r#"],"stream":true,"max_completion_tokens":512}"#;
    text.into()
}

#[divan::bench(args = [1, 9, 64])]
fn peek_and_splice(bencher: Bencher<'_, '_>, kilobytes: usize) {
    let body = chat_body(kilobytes << 10);
    bencher.counter(divan::counter::BytesCount::new(body.len())).bench(|| {
        let head = peek::peek(black_box(&body), Endpoint::ChatCompletions, peek::MAX_DEPTH);
        head.map(|head| splice::model(&body, &head, "openai/gpt-5.4-mini-2026", true))
    });
}
