//! What a call will probably use, before it is sent.
//!
//! Counting tokens with a tokenizer would cost more than all else that is done for a call, and the tokenizers of most
//! models are not public. The size of the request and what calls like it have used lately tell it well enough, since
//! the reservation is corrected by what the provider reports: the ratio of bytes to tokens is learned for each model,
//! and the length of answers for each key and model. How much of an answer is reserved depends on the mode: a strict
//! caller reserves the most it may become, the others what nearly all of them have been.
//!
//! A guess never refuses a call for good. Where the caller says nothing of the length, no more is reserved than the
//! smallest limit ever has; what the answer uses beyond that is charged while it comes. Of a passthrough call the relay
//! reads nothing, so all of it is a guess: the input by the size of its body, the output by what such calls have used.

use crate::call::{Caller, Plan, Request};
use crate::server::Worker;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use sluicegate_flow::estimate::{Usual, reserve_output};
use sluicegate_flow::{Algorithm, Cost, Kind, Limit, LimitSet};
use sluicegate_vocabulary::{EndReason, Endpoint, Usage, UsageSource};
use std::sync::Arc;

const JSON: &[u8] = b"application/json";
/// More answers than this in one call are no longer believed.
const MOST_CHOICES: u64 = 128;

/// What a call asks of its limits, and which part of its tokens is output; `None` where no limit counts tokens.
pub(crate) fn cost(
    worker: &Worker,
    request: &Request,
    caller: &Caller,
    plan: &Plan,
    limits: &LimitSet,
) -> (Cost, Option<u64>) {
    let most = limits.limits().iter().filter(|limit| limit.kind() == Kind::Tokens).map(|limit| most(limit)).min();
    let Some(most) = most.filter(|_| uses_tokens(request.endpoint)) else {
        return (Cost { requests: 1, tokens: 0 }, None);
    };
    let (input, output) = tokens(worker, request, caller, plan);
    let input = if request.endpoint == Endpoint::Passthrough { input.min(most) } else { input };
    let output = if request.head.max_output.is_none() { output.min(most.saturating_sub(input)) } else { output };
    (Cost { requests: 1, tokens: input.saturating_add(output) }, Some(output))
}

/// What a call asks that has to wait. Shares are by tokens also where no limit counts them: whoever waits for a request or
/// a permit is to be served as much as others, not as often. A limit takes only what it counts.
pub(crate) fn to_wait(worker: &Worker, request: &Request, caller: &Caller, plan: &Plan, cost: Cost) -> Cost {
    if cost.tokens > 0 || !uses_tokens(request.endpoint) {
        return cost;
    }
    let (input, output) = tokens(worker, request, caller, plan);
    Cost { tokens: input.saturating_add(output), ..cost }
}

/// What a call will probably use, worked out when somebody asks and not again.
#[derive(Debug)]
pub(crate) struct Likely {
    input: u64,
    output: u64,
    learning: Learning,
}

/// What is learned from a call that was estimated: what is usual for its caller and model, and the bytes of its input.
#[derive(Debug, Clone)]
pub(crate) struct Learning {
    usual: Arc<Usual>,
    bytes: u64,
}

/// Tokens of input and of output.
#[inline]
pub(crate) fn tokens(worker: &Worker, request: &Request, caller: &Caller, plan: &Plan) -> (u64, u64) {
    let mut likely = plan.likely.lock();
    let likely = likely.get_or_insert_with(|| estimate(worker, request, caller, plan));
    (likely.input, likely.output)
}

fn estimate(worker: &Worker, request: &Request, caller: &Caller, plan: &Plan) -> Likely {
    let usual = worker.shared.estimates.of(caller.live.number, plan.route.number);
    let bytes = input_bytes(request);
    let (input, learned) = usual.estimate(bytes);
    let output = match request.endpoint {
        // Not every such call is one that is answered at length.
        Endpoint::Passthrough if learned.is_none() || input == 0 => 0,
        endpoint if !answers_at_length(endpoint) => 0,
        _ => {
            let longest = plan.route.longest_answer();
            of_choices(reserve_output(caller.mode, request.head.max_output, longest, learned), request)
        }
    };
    Likely { input, output, learning: Learning { usual, bytes } }
}

/// As many times this as a call asks for answers.
pub(crate) fn of_choices(each: u64, request: &Request) -> u64 {
    each.saturating_mul(request.head.choices.unwrap_or(1).clamp(1, MOST_CHOICES))
}

/// Bytes of input to a model. Of a passthrough call only the body is known: what is JSON is taken for a question, and
/// anything else, such as a file or nothing, for no input at all.
pub(crate) fn input_bytes(request: &Request) -> u64 {
    if request.endpoint != Endpoint::Passthrough {
        return request.head.input_bytes as u64;
    }
    let kind = request.parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let is_json = kind.get(..JSON.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(JSON));
    if is_json { request.body.len() as u64 } else { 0 }
}

/// The most that a limit ever lets through at once.
fn most(limit: &Limit) -> u64 {
    match limit.quota().algorithm {
        Algorithm::TokenBucket { capacity, .. } => capacity,
        Algorithm::SlidingWindow | Algorithm::Permits => limit.quota().set,
    }
}

impl Likely {
    /// For whoever learns from the call in the end.
    pub(crate) fn learning(&self) -> Learning {
        self.learning.clone()
    }
}

impl Learning {
    /// Learns from the call, if its provider has told what it used.
    pub(crate) fn learn(&self, usage: &Usage, end: EndReason) {
        if usage.source != UsageSource::Reported {
            return;
        }
        let output = (end == EndReason::Done).then(|| usage.total_output());
        self.usual.learn((self.bytes, usage.total_input()), output);
    }
}

/// Asking how long a prompt is uses none.
pub(crate) const fn uses_tokens(endpoint: Endpoint) -> bool {
    !matches!(endpoint, Endpoint::CountTokens | Endpoint::GeminiCountTokens)
}

/// Whether what a call to this endpoint puts out is counted in tokens.
pub(crate) const fn answers_at_length(endpoint: Endpoint) -> bool {
    endpoint.format().is_some() || matches!(endpoint, Endpoint::Completions | Endpoint::Passthrough)
}
