//! One function for each fuzz target: any bytes in, no panic out, and the promises that hold for any bytes.
//!
//! The first byte or two of an input choose endpoint, direction or cut; the rest is what came over the wire. A promise
//! that does not hold panics, which is how a fuzzer and a test both learn of it.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use sluicegate_vocabulary::{Dialect, Endpoint, Format};
use sluicegate_wire::error::{self, UpstreamHeaders};
use sluicegate_wire::fingerprint::{self, Secret};
use sluicegate_wire::quirks::Table;
use sluicegate_wire::sse::{Decoder, Event};
use sluicegate_wire::tap::{Out, StreamEnd, Tap};
use sluicegate_wire::translate::{self, Context, Job, Policy, StreamTranslator};
use sluicegate_wire::{peek, splice, usage};
use std::sync::LazyLock;

static QUIRKS: LazyLock<Table> = LazyLock::new(Table::bundled);

/// The first byte, 0 if there is none, and the rest.
fn choice(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (*first, rest))
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// What is accepted is JSON, names the model that others read in it, and stays the same but for the edits.
pub fn peek(data: &[u8]) {
    #[derive(Deserialize)]
    struct Named {
        model: Option<String>,
    }
    let (choice, body) = choice(data);
    let endpoint = Endpoint::ALL[usize::from(choice) % Endpoint::ALL.len()];
    let body = Bytes::copy_from_slice(body);
    let _ = usage::from_body(endpoint, &body);
    let Ok(head) = peek::peek(&body, endpoint, peek::MAX_DEPTH) else { return };
    assert!(is_json(&body), "accepted what is not JSON");
    let ours = head.model(&body).map(|model| model.into_owned());
    if ours.is_some() {
        let theirs: Named = serde_json::from_slice(&body).expect("the model is read by others too");
        assert_eq!(ours, theirs.model, "two parsers disagree");
    }
    let spliced = splice::model(&body, &head, "new \"name\"", choice & 0x80 != 0);
    let text = spliced.to_vec();
    assert_eq!(spliced.len(), text.len());
    assert!(is_json(&text), "spliced into what is not JSON");
    let again = peek::peek(&text, endpoint, peek::MAX_DEPTH).expect("what was accepted stays acceptable");
    if ours.is_some() && !matches!(endpoint.dialect(), Dialect::Gemini) {
        assert_eq!(again.model(&text).as_deref(), Some("new \"name\""));
    }
    assert_eq!((again.stream, again.max_output, again.input_bytes), (head.stream, head.max_output, head.input_bytes));
}

static SECRET: LazyLock<Secret> = LazyLock::new(Secret::random);

/// White space after everything that stands between strings.
fn spaced(text: &[u8]) -> Vec<u8> {
    let (mut out, mut quoted, mut escaped) = (Vec::new(), false, false);
    for &byte in text {
        out.push(byte);
        match byte {
            b'"' if !escaped => quoted = !quoted,
            b'{' | b'}' | b'[' | b']' | b':' | b',' if !quoted => out.extend_from_slice(b" \n"),
            _ => {}
        }
        escaped = quoted && byte == b'\\' && !escaped;
    }
    out
}

/// Whatever comes is read without a panic; of what a call may say, white space and members that do not count leave the
/// fingerprint as it is, and any other member changes it.
pub fn fingerprint(data: &[u8]) {
    let (choice, body) = choice(data);
    let endpoint = Endpoint::ALL[usize::from(choice) % Endpoint::ALL.len()];
    let digest = |text: &[u8]| fingerprint::read(text, peek::MAX_DEPTH, &SECRET).map(|found| found.digest);
    let found = digest(body);
    if peek::peek(body, endpoint, peek::MAX_DEPTH).is_err() {
        return;
    }
    let Some(found) = found else { return };
    assert_eq!(digest(&spaced(body)), Some(found), "white space counts");
    let inside = body.iter().position(|byte| *byte == b'{').expect("it is an object") + 1;
    let rest = &body[inside..];
    let comma: &[u8] = if rest.trim_ascii_start().starts_with(b"}") { b"" } else { b"," };
    let with = |member: &[u8]| digest(&[&body[..inside], member, comma, rest].concat());
    assert_eq!(with(br#""user":{"a":[1]}"#), Some(found), "what does not count counts");
    assert_ne!(with(br#""a member of no request":null"#), Some(found), "a member was not seen");
}

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<(Option<String>, String)> {
    let own = |event: Event<'_>| (event.name.map(str::to_owned), event.data.to_owned());
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        while let Some(event) = decoder.next().expect("nothing here is over the limit") {
            events.push(own(event));
        }
    }
    while let Some(event) = decoder.finish().expect("nothing here is over the limit") {
        events.push(own(event));
    }
    events
}

/// Any cut of the same bytes gives the same events, and none is empty.
pub fn sse(data: &[u8]) {
    let (choice, bytes) = choice(data);
    let whole = decode(std::iter::once(bytes));
    assert_eq!(decode(bytes.chunks(usize::from(choice).max(1))), whole);
    assert!(whole.iter().all(|(_, data)| !data.trim_ascii().is_empty()));
}

/// Any cut of the same bytes gives the same stream, whose events are a beginning of those that came.
pub fn tap(data: &[u8]) {
    let (choice, rest) = choice(data);
    let (size, bytes) = self::choice(rest);
    let endpoint = Endpoint::ALL[usize::from(choice & 0x0f) % Endpoint::ALL.len()];
    let hide = choice & 0x10 != 0;
    let run = |size: usize| {
        let mut tap = Tap::new(endpoint, hide)?;
        let mut out = Out::new();
        for piece in bytes.chunks(size) {
            if tap.feed(Bytes::copy_from_slice(piece), &mut out).is_err() {
                break;
            }
        }
        let end = tap.finish(&mut out);
        assert_eq!(end == StreamEnd::Failed, tap.error().is_some());
        assert!(tap.first_event() || !tap.first_token());
        Some((out.concat(), end, tap.usage(), tap.first_token(), tap.error().cloned()))
    };
    assert_eq!(run(usize::from(size).max(1)), run(bytes.len().max(1)));
}

/// Whatever a provider says becomes an answer in every dialect.
pub fn error(data: &[u8]) {
    let (choice, body) = choice(data);
    let status = [200, 400, 401, 403, 404, 429, 500, 529][usize::from(choice & 7)];
    let text = std::str::from_utf8(body).ok();
    let headers = UpstreamHeaders { retry_after: text, retry_after_ms: None, should_retry: text, date: text };
    for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini] {
        let fault = error::read_upstream(status, &headers, body, dialect).into_fault("provider");
        assert!(!fault.message.is_empty());
        assert!(is_json(&error::render(&fault, dialect, "id").body));
    }
    if let Some(text) = text {
        let once = error::scrub(text);
        assert_eq!(error::scrub(&once), once, "scrubbing twice changes nothing more");
        assert!(!is_json(body) || is_json(once.as_bytes()), "scrubbed JSON is JSON");
    }
}

/// Client and provider format: four bits.
fn direction(choice: u8) -> (Format, Format) {
    (Format::ALL[usize::from(choice & 3)], Format::ALL[usize::from(choice >> 2 & 3)])
}

fn translate(body: &[u8], choice: u8, stream: bool) -> Option<translate::Outbound> {
    const MODELS: [&str; 4] = ["gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash", "gpt-5.6"];
    let (client, upstream) = direction(choice);
    let model = MODELS[usize::from(choice >> 4 & 3)];
    let policy = [Policy::Default, Policy::Strict, Policy::Lenient, Policy::Default][usize::from(choice >> 6)];
    let provider = upstream.dialect().as_str();
    let quirks = QUIRKS.for_model(provider, model);
    let stream = (client == Format::Generate).then_some(stream);
    let job = Job {
        client,
        upstream,
        model,
        public_model: "alias",
        stream,
        quirks: &quirks,
        policy,
        now: 1_795_000_000,
        call_id: "0123456789",
    };
    match translate::request(body, &job) {
        Ok(outbound) => Some(outbound),
        Err(fault) => {
            assert!(fault.kind.status() < 500, "a request is never the provider's or our fault: {fault:?}");
            assert!(!fault.message.is_empty());
            None
        }
    }
}

/// The way back of an ordinary request in this direction.
fn context(choice: u8, stream: bool) -> Context {
    let (client, _) = direction(choice);
    let body = match client {
        Format::Chat => serde_json::json!({
            "model": "alias", "messages": [{"role": "user", "content": "hi"}], "stream": stream,
            "stream_options": {"include_usage": choice & 0x10 != 0}, "max_tokens": 64,
        }),
        Format::Responses => serde_json::json!({"model": "alias", "input": "hi", "stream": stream}),
        Format::Messages => serde_json::json!({
            "model": "alias", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 64, "stream": stream,
        }),
        Format::Generate => serde_json::json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
    };
    let body = serde_json::to_vec(&body).expect("a plain value");
    translate(&body, choice & 0x0f, stream).expect("an ordinary request").context
}

/// A request that is translated becomes JSON; one that is not gets a client's fault.
pub fn translate_request(data: &[u8]) {
    let (choice, body) = choice(data);
    if let Some(outbound) = translate(body, choice, true) {
        assert!(is_json(&outbound.body), "translated into what is not JSON");
    }
}

/// An answer that is translated becomes JSON.
pub fn translate_response(data: &[u8]) {
    let (choice, body) = choice(data);
    match translate::response(body, &context(choice, false)) {
        Ok(inbound) => assert!(is_json(&inbound.body), "translated into what is not JSON"),
        Err(fault) => assert!(!fault.message.is_empty()),
    }
}

/// Any cut of a provider's stream gives the same translation, made of whole JSON events.
pub fn translate_stream(data: &[u8]) {
    let (choice, rest) = choice(data);
    let (size, bytes) = self::choice(rest);
    let context = context(choice, true);
    let run = |size: usize| {
        let mut translator = StreamTranslator::new(context.clone());
        let mut out = Vec::new();
        let mut fault = None;
        for piece in bytes.chunks(size) {
            if let Err(error) = translator.push(piece, &mut out) {
                fault = Some(error);
                break;
            }
        }
        let end = match &fault {
            Some(fault) => {
                translator.fail(fault, &mut out);
                StreamEnd::Failed
            }
            None => translator.finish(&mut out),
        };
        (String::from_utf8(out).expect("what we write is UTF-8"), end, translator.usage(), fault)
    };
    let whole = run(bytes.len().max(1));
    assert_eq!(run(usize::from(size).max(1)), whole);
    for (_, data) in decode(std::iter::once(whole.0.as_bytes())) {
        assert!(data == "[DONE]" || is_json(data.as_bytes()), "wrote an event that is not JSON: {data}");
    }
}
