//! The hot path, measured: what the relay does to every body and every stream chunk of the same dialect.

use bytes::Bytes;
use divan::{Bencher, black_box};
use sluicegate_vocabulary::{Dialect, Endpoint, Fault, FaultKind};
use sluicegate_wire::tap::{Out, Tap};
use sluicegate_wire::{error, peek, splice, sse};

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

const CHAT: &str = "data: {\"id\":\"chatcmpl-9xYb2c7e1f\",\"object\":\"chat.completion.chunk\",\"created\":1795000000,\"model\":\"gpt-5.4-mini\",\"service_tier\":\"default\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" harbour\"},\"finish_reason\":null}],\"usage\":null}\n\n";
const MESSAGES: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" harbour\"}}\n\n";
const RESPONSES: &str = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":17,\"item_id\":\"msg_68a1\",\"output_index\":0,\"content_index\":0,\"delta\":\" harbour\",\"logprobs\":[]}\n\n";
const GENERATE: &str = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\" harbour\"}],\"role\":\"model\"},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":12,\"candidatesTokenCount\":40,\"totalTokenCount\":52},\"modelVersion\":\"gemini-2.5-flash\",\"responseId\":\"a1b2c3\"}\r\n\r\n";

/// One ordinary chunk after the first token.
#[divan::bench(sample_size = 1000, args = [Endpoint::ChatCompletions, Endpoint::Messages, Endpoint::Responses, Endpoint::GenerateStream])]
fn tap_chunk(bencher: Bencher<'_, '_>, endpoint: Endpoint) {
    let text = match endpoint {
        Endpoint::Messages => MESSAGES,
        Endpoint::Responses => RESPONSES,
        Endpoint::GenerateStream => GENERATE,
        _ => CHAT,
    };
    let chunk = Bytes::from_static(text.as_bytes());
    let Some(mut tap) = Tap::new(endpoint, true) else { return };
    bencher.bench_local(|| {
        let mut out = Out::new();
        let _ = tap.feed(black_box(chunk.clone()), &mut out);
        out
    });
}

/// An ordinary chunk that arrives in two halves.
#[divan::bench(sample_size = 1000)]
fn tap_split_chunk(bencher: Bencher<'_, '_>) {
    let chunk = Bytes::from_static(CHAT.as_bytes());
    let (first, second) = (chunk.slice(..100), chunk.slice(100..));
    let Some(mut tap) = Tap::new(Endpoint::ChatCompletions, true) else { return };
    bencher.bench_local(|| {
        let mut out = Out::new();
        let _ = tap.feed(black_box(first.clone()), &mut out);
        let _ = tap.feed(black_box(second.clone()), &mut out);
        out
    });
}

/// The decoder that translations use, on the same chunk.
#[divan::bench(sample_size = 1000)]
fn decode_chunk(bencher: Bencher<'_, '_>) {
    let mut decoder = sse::Decoder::new();
    bencher.bench_local(|| {
        decoder.push(black_box(CHAT.as_bytes()));
        decoder.next().map(|event| event.map_or(0, |event| event.data.len()))
    });
}

/// A refusal: what an overloaded relay writes most of.
#[divan::bench(sample_size = 1000)]
fn render_refusal() -> error::Rendered {
    let fault =
        Fault::new(FaultKind::LimitRequests, "Key `ci` may make 60 requests per minute; the next is free in 1.2 s.")
            .retry_after_ms(1200)
            .refused_by("key:requests_per_minute");
    error::render(black_box(&fault), Dialect::OpenAi, "req_0123456789abcdef")
}
