//! What translating a stream costs: every direction, for an answer of 400 pieces of text and one tool call.
//!
//! The counter says events; a line's time over 400 is the cost of one.

#![expect(clippy::expect_used, reason = "a benchmark that cannot run should stop")]

use divan::Bencher;
use divan::counter::ItemsCount;
use sluicegate_vocabulary::{Format, Usage, UsageSource};
use sluicegate_wire::quirks::Quirks;
use sluicegate_wire::translate::neutral::{Delta, Finish};
use sluicegate_wire::translate::{self, Context, Job, Policy, StreamTranslator, chat, generate, messages, responses};

const PIECES: u32 = 400;

fn main() {
    divan::main();
}

/// Every direction, as indexes into [`Format::ALL`]: client and upstream.
const DIRECTIONS: [(usize, usize); 12] =
    [(0, 1), (0, 2), (0, 3), (1, 0), (1, 2), (1, 3), (2, 0), (2, 1), (2, 3), (3, 0), (3, 1), (3, 2)];

fn format(index: usize) -> Format {
    Format::ALL.into_iter().nth(index).expect("four formats")
}

fn context(client: Format, upstream: Format) -> Context {
    let quirks = Quirks::default();
    let body: &[u8] = match client {
        Format::Responses => br#"{"input":"Hi","stream":true}"#,
        Format::Generate => br#"{"contents":[{"role":"user","parts":[{"text":"Hi"}]}]}"#,
        Format::Chat | Format::Messages => {
            br#"{"max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"stream":true}"#
        }
    };
    let job = Job {
        client,
        upstream,
        model: "m",
        public_model: "m",
        stream: Some(true),
        quirks: &quirks,
        policy: Policy::Default,
        now: 1_790_000_000,
        call_id: "c0ffee",
    };
    translate::request(body, &job).expect("a request").context
}

/// A provider's stream.
fn stream(upstream: Format) -> Vec<u8> {
    let mut steps = vec![Delta::Start { id: "x1".into(), model: "a-model".into(), usage: None }];
    steps.extend((0..PIECES).map(|i| Delta::Text { choice: 0, text: format!(" word{i}") }));
    steps.push(Delta::ToolStart { choice: 0, call: 0, id: "call_1".into(), name: "look".into(), signature: None });
    steps.push(Delta::ToolArguments { choice: 0, call: 0, fragment: "{\"at\":\"sky\"}".into() });
    steps.push(Delta::Finish { choice: 0, finish: Finish::ToolCalls });
    steps.push(Delta::Usage(Usage { input: 100, output: 400, source: UsageSource::Reported, ..Usage::default() }));
    steps.push(Delta::End);
    let context = context(upstream, upstream);
    let mut out = Vec::new();
    macro_rules! all {
        ($writer:expr) => {{
            let mut writer = $writer;
            for step in steps {
                writer.write(step, &mut out).expect("a step");
            }
        }};
    }
    match upstream {
        Format::Chat => all!(chat::stream::Writer::new(&context)),
        Format::Responses => all!(responses::stream::Writer::new(&context)),
        Format::Messages => all!(messages::stream::Writer::new(&context)),
        Format::Generate => all!(generate::stream::Writer::new(&context)),
    }
    out
}

/// Client from upstream.
#[divan::bench(args = DIRECTIONS.map(|(client, upstream)| format!("{}<-{}", format(client).as_str(), format(upstream).as_str())))]
fn streams(bencher: Bencher<'_, '_>, direction: &str) {
    let (client, upstream) = direction.split_once("<-").expect("a direction");
    let find = |word: &str| Format::ALL.into_iter().find(|format| format.as_str() == word).expect("a format");
    let (client, upstream) = (find(client), find(upstream));
    let bytes = stream(upstream);
    let context = context(client, upstream);
    bencher.counter(ItemsCount::new(PIECES)).bench_local(|| {
        let mut translator = StreamTranslator::new(context.clone());
        let mut out = Vec::new();
        // The size of a read from a socket when pieces come one by one.
        for chunk in bytes.chunks(300) {
            out.clear();
            translator.push(chunk, &mut out).expect("a good stream");
        }
        translator.finish(&mut out)
    });
}

/// A conversation of 40 turns with a tool, from chat to messages.
#[divan::bench]
fn request_of_40_turns(bencher: Bencher<'_, '_>) {
    let mut turns = Vec::new();
    for i in 0..20 {
        turns.push(serde_json::json!({"role": "user", "content": "word ".repeat(40)}));
        turns.push(serde_json::json!({"role": "assistant", "content": format!("answer {i} ").repeat(40)}));
    }
    turns.push(serde_json::json!({"role": "user", "content": "And now?"}));
    let tool = serde_json::json!({"type": "function", "function": {"name": "look", "parameters":
        {"type": "object", "properties": {"at": {"type": "string"}}}}});
    let body = serde_json::json!({"model": "m", "messages": turns, "tools": [tool]}).to_string().into_bytes();
    let quirks = Quirks::default();
    bencher.counter(divan::counter::BytesCount::new(body.len())).bench_local(|| {
        let job = Job {
            client: Format::Chat,
            upstream: Format::Messages,
            model: "m",
            public_model: "m",
            stream: None,
            quirks: &quirks,
            policy: Policy::Default,
            now: 0,
            call_id: "c0ffee",
        };
        translate::request(&body, &job).expect("a request")
    });
}
