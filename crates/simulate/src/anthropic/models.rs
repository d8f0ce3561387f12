//! `GET /v1/models` in Anthropic's shape, and what its models refuse.

use serde_json::{Value, json};

use crate::call::Call;

/// Which models have a trait: prefixes of names, dots written as dashes.
type Prefixes = &'static [&'static str];

/// Sampling parameters other than the default are refused.
const FIXED_SAMPLING: Prefixes = &[
    "claude-opus-4-7",
    "claude-opus-4-8",
    "claude-opus-5",
    "claude-sonnet-5",
    "claude-haiku-5-5",
    "claude-fable",
    "claude-mythos",
];

/// A forced tool choice is refused.
const NO_FORCED_TOOL: Prefixes = &["claude-fable-5-1", "claude-opus-5-5", "claude-sonnet-5-5"];

/// A conversation may not end with the assistant.
const NO_PREFILL: Prefixes = &[
    "claude-opus-4-6",
    "claude-opus-4-7",
    "claude-opus-4-8",
    "claude-sonnet-4-6",
    "claude-opus-5",
    "claude-sonnet-5",
    "claude-haiku-5",
    "claude-fable",
    "claude-mythos",
];

/// Thinking cannot be given a budget or switched off.
const ADAPTIVE_ONLY: Prefixes = &["claude-opus-5-5", "claude-fable-5-1"];

/// System messages may stand inside a conversation.
const MID_SYSTEM: Prefixes = &["claude-opus-4-8", "claude-opus-5", "claude-fable-5", "claude-mythos-5"];

/// What a model refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Traits {
    pub(super) fixed_sampling: bool,
    pub(super) no_forced_tool: bool,
    pub(super) no_prefill: bool,
    pub(super) adaptive_only: bool,
    pub(super) mid_system: bool,
}

pub(super) fn traits(model: &str) -> Traits {
    let name = model.replace('.', "-");
    let among = |prefixes: Prefixes| prefixes.iter().any(|prefix| name.starts_with(prefix));
    Traits {
        fixed_sampling: among(FIXED_SAMPLING),
        no_forced_tool: among(NO_FORCED_TOOL),
        no_prefill: among(NO_PREFILL),
        adaptive_only: among(ADAPTIVE_ONLY),
        // A name that is no Claude's is this simulator's own, which has every ability.
        mid_system: among(MID_SYSTEM) || !name.starts_with("claude"),
    }
}

/// The list of models.
pub(crate) fn models(call: &Call<'_>) -> Value {
    let ids = call.shared.options.listed();
    let data: Vec<Value> = ids.iter().map(|id| one(id)).collect();
    json!({ "data": data, "has_more": false, "first_id": ids.first(), "last_id": ids.last() })
}

/// One model.
pub(crate) fn one(id: &str) -> Value {
    json!({
        "type": "model",
        "id": id,
        "display_name": format!("{id} (simulated)"),
        "created_at": "2026-10-21T00:00:00Z",
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
    })
}
