//! One call on its way through the simulator, and what a format's module makes of it.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;
use serde_json::Value;
use sluicegate_vocabulary::{Dialect, Format};

use crate::answer::{self, Answer};
use crate::ask::Ask;
use crate::json;
use crate::markers::{self, Orders, USUAL_EVENT};
use crate::options::{Faults, Options};
use crate::prefixes::Prefixes;
use crate::quota::{Full, Levels, Permit, Quota};
use crate::refusal::{Outcome, Refusal, overloaded};
use crate::rules::Rules;
use crate::seed::{self, Digest};
use crate::stats::Counters;
use crate::throttling::Throttling;

/// Bytes of a request that can be echoed: as a stream it becomes fifty times as long.
const LARGEST_ECHO: usize = 1 << 20;

/// Tokens that all answers to one request may have together, where markers order their length.
const MOST_TOKENS: u64 = 200_000;

/// Orders a fault that was drawn.
type Order = fn(&mut Orders, &Faults, Dialect);

/// What all calls share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) counters: Arc<Counters>,
    pub(crate) rules: Rules,
    pub(crate) quota: Mutex<Quota>,
    pub(crate) prefixes: Mutex<Prefixes>,
    pub(crate) responses: Mutex<crate::openai::Stored>,
    pub(crate) started: Instant,
}

/// One call, read but not yet understood.
pub(crate) struct Call<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) method: &'a http::Method,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Bytes,
    pub(crate) dialect: Dialect,
    /// The number of this call since the start; ids and drawn faults come from it.
    pub(crate) serial: u64,
    pub(crate) key: Option<&'a str>,
    /// The digest of that key, which has the quota.
    pub(crate) account: u64,
    pub(crate) orders: Orders,
    pub(crate) levels: Levels,
    /// Its place among the calls at once of that key, where there is any limit.
    pub(crate) permit: Option<Permit>,
    /// Input tokens read from the cache, and written to it.
    pub(crate) cached: (u64, u64),
}

/// The answer to a call.
pub(crate) enum Reply {
    /// A whole body of JSON, and the output tokens in it, which take their time.
    Json(Vec<u8>, u64),
    /// A stream.
    Events(Script),
}

/// The events of a stream, back to back in one buffer.
pub(crate) struct Script {
    pub(crate) format: Format,
    /// Whether events are SSE; else they are pieces of one JSON array (Gemini without `alt=sse`).
    pub(crate) sse: bool,
    pub(crate) bytes: Vec<u8>,
    /// Where each event ends, and how many tokens it brings.
    pub(crate) cuts: Vec<(usize, u64)>,
}

impl Script {
    pub(crate) fn new(format: Format, capacity: usize) -> Self {
        Self { format, sse: true, bytes: Vec::with_capacity(capacity), cuts: Vec::new() }
    }

    /// Ends the event that was written into `bytes`.
    pub(crate) fn end(&mut self, tokens: u64) {
        self.cuts.push((self.bytes.len(), tokens));
    }

    /// Adds an SSE event with a name (as Anthropic and Responses have) or without.
    pub(crate) fn event(&mut self, name: Option<&str>, data: &Value, tokens: u64) {
        if let Some(name) = name {
            self.bytes.extend_from_slice(b"event: ");
            self.bytes.extend_from_slice(name.as_bytes());
            self.bytes.push(b'\n');
        }
        self.bytes.extend_from_slice(b"data: ");
        json::write(&mut self.bytes, data);
        self.bytes.extend_from_slice(b"\n\n");
        self.end(tokens);
    }
}

impl Reply {
    /// A body of JSON that takes no time.
    pub(crate) fn json(value: &Value) -> Self {
        Self::timed(value, 0)
    }

    /// A body of JSON with `tokens` of output.
    pub(crate) fn timed(value: &Value, tokens: u64) -> Self {
        let mut body = Vec::with_capacity(1024);
        json::write(&mut body, value);
        Self::Json(body, tokens)
    }
}

impl Call<'_> {
    /// Reads the orders in `ask`, and refuses what is ordered, drawn or over the quota. Every conversational endpoint
    /// passes here once, after its request was found valid.
    pub(crate) fn begin(&mut self, ask: &Ask<'_>) -> Outcome<()> {
        self.begin_with(&ask.model, &ask.user, ask.input_tokens, ask.max_tokens.unwrap_or(0))?;
        self.cached = match self.orders.cached {
            Some(tokens) => (tokens.min(ask.input_tokens), 0),
            None if self.shared.options.prompt_cache && !ask.prefixes.is_empty() => {
                let (known, longest) = self.shared.prefixes.lock().visit(&ask.prefixes);
                (known, longest - known)
            }
            None => (0, 0),
        };
        Ok(())
    }

    /// The same for endpoints without a conversation: `user` is where markers are looked for.
    pub(crate) fn begin_with(&mut self, model: &str, user: &str, input: u64, output: u64) -> Outcome<()> {
        let options = &self.shared.options;
        if let Some(orders) = self.shared.rules.strike(self.key, self.account, self.serial) {
            self.orders = orders;
        }
        if options.markers {
            markers::read(user, &mut self.orders).map_err(Refusal::bad)?;
        }
        if self.orders.echo && self.body.len() > LARGEST_ECHO {
            return Err(Refusal::bad(format!("a request of more than {LARGEST_ECHO} bytes cannot be echoed")));
        }
        self.draw();
        self.refuse_as_ordered(model)?;
        if !options.knows(model) {
            return Err(self.unknown_model(model));
        }
        self.take_quota(model, input.saturating_add(output))
    }

    /// Refuses what was ordered to be refused.
    fn refuse_as_ordered(&mut self, model: &str) -> Outcome<()> {
        let dialect = self.dialect;
        if let Some(kind) = self.orders.throttle {
            let (refusal, levels) = kind.refusal(dialect, self.orders.retry_after);
            self.levels = levels;
            return Err(refusal);
        }
        if self.orders.bad_key {
            return Err(Refusal::bad_key(dialect));
        }
        if self.orders.context_length {
            return Err(Refusal::too_long(dialect));
        }
        if self.orders.no_model {
            return Err(self.unknown_model(model));
        }
        if let Some(status) = self.orders.status {
            let mut refusal = Refusal::usual(status, self.dialect);
            refusal.retry_after = self.orders.retry_after.or((status == 429).then_some(Duration::from_secs(1)));
            if let Some(code) = self.orders.code.take() {
                if code == "insufficient_quota" || code.ends_with("_limit_exceeded") && code != "rate_limit_exceeded" {
                    refusal.kind = Some("insufficient_quota");
                    refusal.retry_after = self.orders.retry_after;
                }
                refusal = refusal.code(code);
            }
            refusal.page = self.orders.page;
            return Err(refusal);
        }
        Ok(())
    }

    fn unknown_model(&self, model: &str) -> Box<Refusal> {
        match self.dialect {
            Dialect::OpenAi => {
                Refusal::new(404, format!("The model `{model}` does not exist or you do not have access to it."))
                    .code("model_not_found")
            }
            Dialect::Anthropic => Refusal::new(404, format!("model: {model}")),
            Dialect::Gemini => Refusal::new(
                404,
                format!("models/{model} is not found for API version v1beta, or is not supported for this method."),
            ),
        }
    }

    fn take_quota(&mut self, model: &str, tokens: u64) -> Outcome<()> {
        let mut quota = self.shared.quota.lock();
        if quota.is_unlimited() {
            return Ok(());
        }
        let (levels, taken) = quota.take(self.account, tokens, self.shared.started.elapsed());
        drop(quota);
        self.levels = levels;
        let full = match taken {
            Ok(permit) => {
                self.permit = Some(permit);
                return Ok(());
            }
            Err(Full::AtOnce(limit)) => return Err(Throttling::at_once(self.dialect, limit)),
            Err(Full::Minute(full)) => full,
        };
        let wait = full.retry_after;
        let mut refusal = Refusal::usual(429, self.dialect);
        if self.dialect == Dialect::OpenAi {
            refusal.message = format!(
                "Rate limit reached for {model} in organization org-simulated on {what} per min: Limit {limit}, Used {used}, \
                 Requested {requested}. Please try again in {wait}.",
                what = full.what,
                limit = full.limit,
                used = full.used,
                requested = full.requested,
                wait = crate::quota::go_duration(wait),
            )
            .into();
            refusal.kind = Some(full.what);
        }
        refusal.retry_after = Some(wait);
        Err(refusal)
    }

    /// Draws this call's fault, if the options want faults. A status that a marker orders stands.
    fn draw(&mut self) {
        let (options, faults) = (&self.shared.options, &self.shared.options.faults);
        let table: [(f64, Order); 9] = [
            (faults.reset, |o, _, _| o.reset = Some(0)),
            (faults.stall, |o, f, _| o.stall = Some((f.stall_for, USUAL_EVENT))),
            (faults.truncate, |o, _, _| o.truncate = Some(USUAL_EVENT)),
            (faults.error_in_stream, |o, _, _| o.error_in_stream = Some(USUAL_EVENT)),
            (faults.empty, |o, _, _| o.empty = true),
            (faults.slow_headers, |o, f, _| o.slow_headers = Some(f.slow_headers_for)),
            (faults.malformed, |o, _, _| o.malformed = Some(USUAL_EVENT)),
            (faults.rate_limited, |o, _, _| o.status = o.status.or(Some(429))),
            (faults.overloaded, |o, _, dialect| o.status = o.status.or(Some(overloaded(dialect)))),
        ];
        if options.error_rate <= 0.0 && table.iter().all(|(share, _)| *share <= 0.0) {
            return;
        }
        let mut rng = fastrand::Rng::with_seed(Digest::new(options.seed ^ 0xfa).with(self.serial).value());
        let mut at = rng.f64();
        if at < options.error_rate {
            let status = if rng.bool() { 500 } else { overloaded(self.dialect) };
            self.orders.status = self.orders.status.or(Some(status));
            return;
        }
        // One draw for all, so that shares add up: those that make 1 together leave no request whole.
        at -= options.error_rate;
        for (share, order) in table {
            if at < share {
                order(&mut self.orders, faults, self.dialect);
                return;
            }
            at -= share;
        }
    }

    /// Refuses more answers to one request than memory shall hold.
    pub(crate) fn allow(&self, answers: u64) -> Outcome<()> {
        let each = self.orders.tokens.or(self.shared.options.answer_tokens).unwrap_or(100);
        if answers.saturating_mul(u64::from(each)) > MOST_TOKENS {
            return Err(Refusal::bad(format!("at most {MOST_TOKENS} tokens are simulated in answer to one request")));
        }
        Ok(())
    }

    /// The answer with number `index`.
    pub(crate) fn answer(&self, ask: &Ask<'_>, index: u64) -> Answer {
        // One echo is enough, however many answers are wanted.
        let echo = (self.orders.echo && index == 0).then(|| self.echo());
        answer::answer(ask, &self.orders, echo, self.shared.options.answer_tokens, index)
    }

    /// An id that no other call gets.
    pub(crate) fn id(&self, prefix: &str, length: usize, index: u64) -> String {
        seed::id(prefix, Digest::new(self.shared.options.seed ^ 0x1d).with(self.serial).with(index), length)
    }

    /// The name under which the answer is given.
    pub(crate) fn model_name(&self, asked: &str) -> String {
        self.shared.options.model_name(asked)
    }

    /// Whether unknown fields are refused.
    pub(crate) fn is_strict(&self) -> bool {
        self.shared.options.strict && !(self.shared.options.markers && markers::is_lenient(self.body))
    }

    /// The body as JSON.
    pub(crate) fn parse(&self) -> Outcome<Value> {
        let parsed = serde_json::from_slice::<Value>(self.body);
        let value = parsed.map_err(|error| match self.dialect {
            Dialect::OpenAi => Refusal::bad(
                "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP \
                 library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)",
            ),
            Dialect::Anthropic => Refusal::bad(format!("The request body is not valid JSON: {error}")),
            Dialect::Gemini => Refusal::bad(format!("Invalid JSON payload received. {error}")),
        })?;
        if value.is_object() { Ok(value) } else { Err(Refusal::bad("The request body must be a JSON object.")) }
    }

    fn echo(&self) -> String {
        let mut headers = serde_json::Map::new();
        for (name, value) in self.headers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            match headers.get_mut(name.as_str()) {
                Some(Value::String(before)) => {
                    before.push_str(", ");
                    before.push_str(&value);
                }
                _ => {
                    headers.insert(name.as_str().to_owned(), Value::String(value));
                }
            }
        }
        let body = serde_json::from_slice(self.body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(self.body).into_owned()));
        serde_json::json!({ "method": self.method.as_str(), "path": self.path, "headers": headers, "body": body })
            .to_string()
    }
}

/// Seconds since 1970.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
