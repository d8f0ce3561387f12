//! How an answer leaves: at what pace, and with what ordered faults.
//!
//! Everything that can go wrong on the way is a change to a list of steps, made before the first byte is sent. The
//! plain case (no pace, no faults) keeps the events as slices of the one buffer they were written into.

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use sluicegate_vocabulary::{Dialect, Format};

use crate::body::Step;
use crate::call::Script;
use crate::markers::Orders;
use crate::refusal::{Refusal, overloaded};

/// The pace of an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pace {
    /// Time to the first token.
    pub(crate) ttft: Duration,
    /// Tokens a second after it; 0 for all at once.
    pub(crate) tps: u32,
}

impl Pace {
    /// How long `tokens` take after the first.
    fn time(self, tokens: u64) -> Duration {
        match self.tps {
            0 => Duration::ZERO,
            tps => Duration::from_secs_f64(tokens as f64 / f64::from(tps)),
        }
    }

    /// How long a buffered answer of `tokens` takes.
    pub(crate) fn whole(self, tokens: u64) -> Duration {
        self.ttft.saturating_add(self.time(tokens.saturating_sub(1)))
    }
}

const PING: &str = "event: ping\ndata: {\"type\": \"ping\"}\n\n";
/// What a proxy says in the provider's place.
pub(crate) const PAGE: &str = "<html>\n<head><title>Please sign in</title></head>\n<body>\n<center><h1>Please sign in</h1></center>\n\
    <hr><center>nginx</center>\n</body>\n</html>\n";
const COMMENT: &str = ": keep-alive\n\n";

/// The steps in which a stream leaves.
pub(crate) fn stream(script: Script, orders: &Orders, pace: Pace, request_id: &str) -> Vec<Step> {
    let Script { format, sse, bytes, cuts } = script;
    let mut rest = Bytes::from(bytes);
    let mut events = Vec::with_capacity(cuts.len());
    let mut before = 0;
    for (end, tokens) in cuts {
        events.push((rest.split_to((end - before).min(rest.len())), tokens));
        before = end;
    }
    let mut end = None;
    if let Some(at) = orders.error_in_stream {
        events.truncate(at as usize);
        let refusal = Refusal::usual(overloaded(format.dialect()), format.dialect());
        let error = if sse {
            refusal.event(format, request_id, events.len())
        } else {
            refusal.body(Dialect::Gemini, request_id).to_string()
        };
        events.push((Bytes::from(error), 0));
    }
    if let Some(event) = orders.malformed.and_then(|at| events.get_mut((at as usize).saturating_sub(1))) {
        event.0 = malformed(&event.0, sse);
    }
    if let Some(at) = orders.truncate {
        events.truncate(at as usize);
    }
    if let Some(at) = orders.reset {
        events.truncate(at as usize);
        end = Some(Step::Break(true));
    }
    if let Some(at) = orders.cut {
        events.truncate(at as usize);
        end = Some(Step::Break(false));
    }
    if orders.empty {
        events.clear();
    }
    if orders.page {
        events = vec![(Bytes::from_static(PAGE.as_bytes()), 0)];
    }
    if orders.keepalive {
        events = kept_alive(events, format, sse);
    }
    if orders.crlf && sse {
        for (event, _) in &mut events {
            *event = crlf(event);
        }
    }
    if orders.gzip {
        events = gzipped(events);
    }
    let mut steps = paced(events, orders, pace);
    steps.extend(end.or(orders.linger.map(Step::Pause)));
    steps
}

/// The steps in which a buffered body leaves, and whether its length can be told beforehand.
pub(crate) fn whole(body: Vec<u8>, orders: &Orders) -> (Vec<Step>, Option<usize>) {
    let mut body = body;
    if orders.malformed.is_some() {
        body.truncate(body.len() / 2);
    }
    if orders.empty {
        body.clear();
    }
    if orders.page {
        body = PAGE.as_bytes().to_vec();
    }
    let mut blank = Bytes::new();
    if orders.keepalive {
        blank = Bytes::from_static(b"\n\n\n");
    }
    if orders.gzip {
        let mut packed = gzipped(vec![(Bytes::from(body), 0)]);
        body = packed.drain(..).flat_map(|(part, _)| part.to_vec()).collect();
        blank = Bytes::new();
    }
    let length = body.len();
    let mut body = Bytes::from(body);
    let half = body.split_to(length / 2);
    let mut steps = Vec::new();
    if !blank.is_empty() {
        steps.extend([Step::Send(blank), Step::Pause(Duration::from_millis(20))]);
    }
    if orders.truncate.or(orders.cut).is_some() {
        steps.extend([Step::Send(half), Step::Pause(Duration::ZERO), Step::Break(false)]);
        return (steps, Some(length));
    }
    if orders.reset.is_some() {
        steps.extend([Step::Send(half), Step::Pause(Duration::from_millis(5)), Step::Break(true)]);
        return (steps, Some(length));
    }
    steps.push(Step::Send(half));
    if let Some((time, _)) = orders.stall {
        steps.push(Step::Pause(time));
    }
    steps.push(Step::Send(body));
    let known = !orders.keepalive || orders.gzip;
    (if orders.split { split(steps) } else { steps }, known.then_some(length))
}

/// Whether a buffered body has to leave in steps.
pub(crate) fn needs_steps(orders: &Orders) -> bool {
    orders.malformed.is_some()
        || orders.empty
        || orders.keepalive
        || orders.gzip
        || orders.page
        || orders.truncate.is_some()
        || orders.cut.is_some()
        || orders.reset.is_some()
        || orders.stall.is_some()
        || orders.split
}

fn paced(events: Vec<(Bytes, u64)>, orders: &Orders, pace: Pace) -> Vec<Step> {
    let mut steps = Vec::with_capacity(events.len() + 4);
    if !pace.ttft.is_zero() {
        steps.push(Step::Pause(pace.ttft));
    }
    let mut first = true;
    for (number, (event, tokens)) in events.into_iter().enumerate() {
        if tokens > 0 && pace.tps > 0 {
            let wait = pace.time(tokens - u64::from(first));
            first = false;
            if !wait.is_zero() {
                steps.push(Step::Pause(wait));
            }
        }
        if let Some((time, _)) = orders.stall.filter(|(_, at)| *at as usize == number) {
            steps.push(Step::Pause(time));
        }
        steps.push(Step::Send(event));
    }
    if orders.reset.or(orders.cut).is_some() {
        steps.push(Step::Pause(Duration::from_millis(5)));
    }
    if orders.split { split(steps) } else { steps }
}

/// Bytes that are written one by one; what comes after is written as it is.
const SPLIT: usize = 1 << 18;

fn split(steps: Vec<Step>) -> Vec<Step> {
    let mut out = Vec::new();
    for step in steps {
        match step {
            Step::Send(mut bytes) => {
                while !bytes.is_empty() && out.len() < 2 * SPLIT {
                    out.extend([Step::Send(bytes.split_to(1)), Step::Pause(Duration::ZERO)]);
                }
                if !bytes.is_empty() {
                    out.push(Step::Send(bytes));
                }
            }
            other => out.push(other),
        }
    }
    out
}

/// The event with the second half of its data missing.
fn malformed(event: &Bytes, sse: bool) -> Bytes {
    let (kept, end): (usize, &[u8]) = if sse { (event.len() / 2, b"\n\n") } else { (event.len() / 2, b"") };
    let mut out = event.slice(..kept).to_vec();
    out.extend_from_slice(end);
    Bytes::from(out)
}

fn kept_alive(events: Vec<(Bytes, u64)>, format: Format, sse: bool) -> Vec<(Bytes, u64)> {
    let idle: &[&str] = match (sse, format) {
        (false, _) => &["\r\n"],
        (true, Format::Messages) => &[COMMENT, PING],
        (true, _) => &[COMMENT],
    };
    let mut out = Vec::with_capacity(events.len() * 3);
    for (number, event) in events.into_iter().enumerate() {
        // Anthropic sends no ping before its first event, and no format says anything after its last.
        for alive in idle.iter().filter(|alive| number > 0 || **alive != PING) {
            out.push((Bytes::from_static(alive.as_bytes()), 0));
        }
        out.push(event);
    }
    out
}

fn crlf(event: &Bytes) -> Bytes {
    let mut out = Vec::with_capacity(event.len() + 4);
    let mut before = 0;
    for byte in event {
        if *byte == b'\n' && before != b'\r' {
            out.push(b'\r');
        }
        out.push(*byte);
        before = *byte;
    }
    Bytes::from(out)
}

/// Every event compressed and flushed, so that each can be read when it arrives.
fn gzipped(events: Vec<(Bytes, u64)>) -> Vec<(Bytes, u64)> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    let mut out = Vec::with_capacity(events.len() + 1);
    for (event, tokens) in events {
        let packed = packer.write_all(&event).and_then(|()| packer.flush());
        debug_assert!(packed.is_ok(), "compression into memory");
        out.push((Bytes::from(std::mem::take(packer.get_mut())), tokens));
    }
    out.push((Bytes::from(packer.finish().unwrap_or_default()), 0));
    out
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
