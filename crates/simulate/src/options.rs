//! How a simulator is set up.

use std::time::Duration;

/// What the simulated provider is like. [`Options::default`] answers anything at once, without limits or faults.
#[derive(Clone)]
pub struct Options {
    /// What every word, call and fault is drawn from.
    pub seed: u64,
    /// Time from the request to the first token.
    pub ttft: Duration,
    /// Pace of the tokens after the first; 0 sends them at once. A buffered answer takes as long as its stream would.
    pub tokens_per_second: u32,
    /// Time that every answer takes before anything else, refusals too: the way through the network.
    pub latency: Duration,
    /// Share of requests (0 to 1) that are answered with a server error.
    pub error_rate: f64,
    /// Other faults.
    pub faults: Faults,
    /// Requests a minute for each key, as a bucket that is full at the start; `None` for no limit.
    pub requests_per_minute: Option<u32>,
    /// Tokens a minute for each key, in and out together, likewise.
    pub tokens_per_minute: Option<u32>,
    /// Calls at once for each key, until the answer has ended or its client has gone; `None` for no limit.
    pub concurrency: Option<u32>,
    /// The names it answers to; empty for any name.
    pub models: Vec<String>,
    /// The key that must come with every request; `None` for any or none.
    pub require_key: Option<String>,
    /// Says `sim/<model>` as the model of every answer. Off, only the model `sim` is answered so.
    pub label: bool,
    /// Whether markers in the last user message are obeyed.
    pub markers: bool,
    /// Whether a caller on this machine may change limits and faults while it runs, at `/_simulate/faults`.
    pub control: bool,
    /// Refuses fields that the provider does not know, as the real ones do.
    pub strict: bool,
    /// Tokens in an answer of text; `None` lets the request's content decide (some dozens).
    pub answer_tokens: Option<u32>,
    /// Remembers prompts, and counts what repeats as read from the provider's cache. Usage then depends on history.
    pub prompt_cache: bool,
}

/// Probabilities (0 to 1) of the faults that a provider can have. At most one is drawn for a request, in this order and
/// after [`Options::error_rate`]; what goes beyond 1 together is never drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Faults {
    /// The connection is reset before the answer.
    pub reset: f64,
    /// The answer begins and then stands still for [`Faults::stall_for`].
    pub stall: f64,
    /// The answer ends in the middle.
    pub truncate: f64,
    /// A stream carries an error event after its third event.
    pub error_in_stream: f64,
    /// 200 with nothing in it.
    pub empty: f64,
    /// The answer's head is late by [`Faults::slow_headers_for`].
    pub slow_headers: f64,
    /// An event, or the whole buffered answer, is not JSON.
    pub malformed: f64,
    /// 429 with the provider's own body and headers, whatever room its limits have.
    pub rate_limited: f64,
    /// 529 (Anthropic) or 503 with the provider's own body.
    pub overloaded: f64,
    /// How long a stall lasts.
    pub stall_for: Duration,
    /// How late a slow head is.
    pub slow_headers_for: Duration,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            reset: 0.0,
            stall: 0.0,
            truncate: 0.0,
            error_in_stream: 0.0,
            empty: 0.0,
            slow_headers: 0.0,
            malformed: 0.0,
            rate_limited: 0.0,
            overloaded: 0.0,
            stall_for: Duration::from_secs(30),
            slow_headers_for: Duration::from_secs(5),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 42,
            ttft: Duration::ZERO,
            tokens_per_second: 0,
            latency: Duration::ZERO,
            error_rate: 0.0,
            faults: Faults::default(),
            requests_per_minute: None,
            tokens_per_minute: None,
            concurrency: None,
            models: Vec::new(),
            require_key: None,
            label: true,
            markers: true,
            control: false,
            strict: true,
            answer_tokens: None,
            prompt_cache: false,
        }
    }
}

/// Without the key.
impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("seed", &self.seed)
            .field("ttft", &self.ttft)
            .field("tokens_per_second", &self.tokens_per_second)
            .field("latency", &self.latency)
            .field("error_rate", &self.error_rate)
            .field("faults", &self.faults)
            .field("requests_per_minute", &self.requests_per_minute)
            .field("tokens_per_minute", &self.tokens_per_minute)
            .field("concurrency", &self.concurrency)
            .field("models", &self.models)
            .field("require_key", &self.require_key.is_some())
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// The name under which an answer for `asked` is given.
    pub(crate) fn model_name(&self, asked: &str) -> String {
        if (self.label || asked == "sim") && !asked.starts_with("sim/") {
            format!("sim/{asked}")
        } else {
            asked.to_owned()
        }
    }

    /// The names that lists of models have.
    pub(crate) fn listed(&self) -> Vec<&str> {
        if self.models.is_empty() {
            vec!["sim", "sim-embedding", "sim-image"]
        } else {
            self.models.iter().map(String::as_str).collect()
        }
    }

    /// Whether `asked` is a model of this provider.
    pub(crate) fn knows(&self, asked: &str) -> bool {
        self.models.is_empty() || asked == "sim" || self.models.iter().any(|m| m == asked)
    }
}
