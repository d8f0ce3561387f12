//! What a call will probably use, before it is sent.
//!
//! Counting tokens with a tokenizer would cost more than all else that is done for a call, and the tokenizers of most
//! models are not public. The size of the request and what calls like it have used lately tell it well enough, since
//! the reservation is corrected by what the provider reports: the ratio of bytes to tokens is learned for each model,
//! and the length of answers for each key and model. How much of an answer is reserved depends on the mode: a strict
//! caller reserves the most it may become, the others what nearly all of them have been.

use crate::call::{Caller, Request};
use crate::server::Worker;
use crate::snapshot::Route;
use sluicegate_flow::{Cost, Kind, LimitSet};
use sluicegate_vocabulary::Endpoint;
use sluicegate_wire::estimate;

/// Output reserved for a call that sets no cap of its own, in tokens.
const DEFAULT_OUTPUT: u64 = 1024;

/// What a call asks of its limits, and which part of its tokens is output; `None` where no limit counts tokens.
pub(crate) fn cost(
    _worker: &Worker,
    request: &Request,
    _caller: &Caller,
    _route: &Route,
    limits: &LimitSet,
) -> (Cost, Option<u64>) {
    // Asking how long a prompt is uses none.
    let only_counts = matches!(request.endpoint, Endpoint::CountTokens | Endpoint::GeminiCountTokens);
    if only_counts || !limits.limits().iter().any(|limit| limit.kind() == Kind::Tokens) {
        return (Cost { requests: 1, tokens: 0 }, None);
    }
    let output = if answers_at_length(request.endpoint) {
        request
            .head
            .max_output
            .unwrap_or(DEFAULT_OUTPUT)
            .saturating_mul(request.head.choices.unwrap_or(1).clamp(1, 128))
    } else {
        0
    };
    let tokens = estimate::tokens_in_bytes(request.head.input_bytes).saturating_add(output);
    (Cost { requests: 1, tokens }, Some(output))
}

/// Whether what a call to this endpoint puts out is counted in tokens.
const fn answers_at_length(endpoint: Endpoint) -> bool {
    endpoint.format().is_some() || matches!(endpoint, Endpoint::Completions)
}
