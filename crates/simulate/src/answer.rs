//! What to say.
//!
//! The rules, in order:
//! 1. `refuse` was ordered: a refusal.
//! 2. `echo` was ordered: the request, as text, whole.
//! 3. A tool is forced (by the tool choice or an order): it is called.
//! 4. The conversation ends with tool results: a text about them.
//! 5. Tools may be called and the user's text has a tool's name, or a telling word of it (`weather` for
//!    `get_weather`): those are called; when the text says *two*, *both* or *parallel*, at least two calls are made.
//! 6. JSON is asked for: a value that fits.
//! 7. Otherwise a text.
//!
//! An answer whose beginning the request brings goes on behind that, if it begins so; if not, it is what it is.
//!
//! Then stop strings and the limit on output cut it, as they cut a model's.

use serde_json::{Value, json};

use crate::ask::{Ask, Choice, Output, Tool};
use crate::markers::{self, Orders};
use crate::picture::Picture;
use crate::schema;
use crate::text;
use crate::tokens;

/// A call of a tool.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ToolCall {
    pub(crate) name: String,
    /// The arguments as a value; an object unless the tool takes free text.
    pub(crate) input: Value,
    /// The arguments as they travel in text: JSON, or the free text. Incomplete if the output limit fell inside.
    pub(crate) text: String,
}

/// Why the answer ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Finish {
    Stop,
    /// This stop string came.
    StopString(String),
    Length,
    Calls,
    Refused,
}

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) thinking: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) calls: Vec<ToolCall>,
    pub(crate) finish: Finish,
    /// Tokens of all of it, thinking included.
    pub(crate) output_tokens: u64,
    pub(crate) thinking_tokens: u64,
}

/// Words of tools' names that tell nothing.
const DULL: &[&str] = &["tool", "call", "function", "make", "with", "from", "this", "that", "data", "fetch"];

/// Words of a message that ask for more than one call.
const MANY: &[&str] = &["two", "both", "parallel", "twice"];

const REFUSAL: &str = "This is a simulated refusal from Sluicegate: I can't help with that.";

/// The answer with number `index` to `ask`. `echo` is the text for an ordered echo; `usual_length` the length of a text
/// unless a marker says.
pub(crate) fn answer(
    ask: &Ask<'_>,
    orders: &Orders,
    echo: Option<String>,
    usual_length: Option<u32>,
    index: u64,
) -> Answer {
    let digest = ask.digest.with(index);
    let mut out = Answer {
        thinking: None,
        text: None,
        calls: Vec::new(),
        finish: Finish::Stop,
        output_tokens: 0,
        thinking_tokens: 0,
    };
    if let Some(echo) = echo {
        out.output_tokens = tokens::count(&echo);
        out.text = Some(echo);
        return out;
    }
    if orders.refuse {
        out.text = Some(REFUSAL.to_owned());
        out.finish = Finish::Refused;
        out.output_tokens = tokens::count(REFUSAL);
        return out;
    }
    let question = markers::without(&ask.user);
    if ask.thinking || orders.reasoning {
        out.thinking = Some(text::thought(&question, digest));
    }
    let mut rng = fastrand::Rng::with_seed(digest.value());
    let called = called(ask, orders, &question);
    if called.is_empty() {
        let seen: Vec<String> = ask.pictures.iter().map(Picture::describe).collect();
        let (text, json) = match &ask.output {
            Output::Text => {
                let length = orders.tokens.or(usual_length);
                (text::answer(&question, &seen, &ask.results, digest, length), false)
            }
            Output::JsonObject => (json!({ "simulated": true, "answer": question, "seen": seen }).to_string(), true),
            Output::Schema(schema) => (schema::value(schema, &mut rng).to_string(), true),
        };
        let text = match text.strip_prefix(&*ask.begun) {
            Some(rest) if !json => rest.to_owned(),
            _ => text,
        };
        let hit = first_stop(&text, &ask.stop).filter(|_| !json);
        out.text = Some(match hit {
            Some((at, stop)) => {
                out.finish = Finish::StopString(stop.clone());
                text.get(..at).unwrap_or_default().to_owned()
            }
            None => text,
        });
    } else {
        out.finish = Finish::Calls;
        out.calls = called.into_iter().map(|tool| call(tool, &question, &mut rng)).collect();
    }
    limit(&mut out, ask.max_tokens.unwrap_or(u64::MAX));
    out
}

/// The tools to call, in order.
fn called<'a>(ask: &'a Ask<'_>, orders: &Orders, question: &str) -> Vec<&'a Tool> {
    let named = |name: &str| ask.tools.iter().find(|tool| tool.name == name);
    let lower = question.to_lowercase();
    let many = ask.parallel && lower.split(|c: char| !c.is_alphanumeric()).any(|word| MANY.contains(&word));
    let answered = !ask.results.is_empty();
    let mut tools: Vec<&Tool> = match (&ask.choice, orders.tool.as_deref().and_then(named)) {
        (Choice::Never, _) => Vec::new(),
        (Choice::Named(name), _) => named(name).into_iter().collect(),
        (_, Some(ordered)) if !answered => vec![ordered],
        (Choice::Auto, _) if answered => Vec::new(),
        (choice, _) => {
            let mut found: Vec<&Tool> = ask.tools.iter().filter(|tool| is_meant(&tool.name, &lower)).collect();
            if found.is_empty() && *choice == Choice::Required {
                found.extend(ask.tools.iter().take(if many { 2 } else { 1 }));
            }
            if !many {
                found.truncate(1);
            }
            found
        }
    };
    if let ([only], true) = (tools.as_slice(), many) {
        tools = vec![only, only];
    }
    tools
}

/// Whether `lower`, a text in lower case, has the tool's name or a telling word of it.
fn is_meant(name: &str, lower: &str) -> bool {
    let name = name.to_lowercase();
    lower.contains(&name)
        || name
            .split(|c: char| !c.is_alphanumeric())
            .any(|word| word.len() >= 4 && !DULL.contains(&word) && lower.contains(word))
}

fn call(tool: &Tool, question: &str, rng: &mut fastrand::Rng) -> ToolCall {
    match &tool.schema {
        Some(schema) => {
            let input = match schema::value(schema, rng) {
                Value::Object(input) => Value::Object(input),
                _ => json!({}),
            };
            ToolCall { name: tool.name.clone(), text: input.to_string(), input }
        }
        None => {
            let text = format!("simulated input for: {}", question.trim());
            ToolCall { name: tool.name.clone(), input: Value::String(text.clone()), text }
        }
    }
}

fn first_stop<'s>(text: &str, stops: &'s [String]) -> Option<(usize, &'s String)> {
    stops
        .iter()
        .filter(|stop| !stop.is_empty())
        .filter_map(|stop| Some((text.find(stop.as_str())?, stop)))
        .min_by_key(|(at, _)| *at)
}

/// Cuts the answer after `most` tokens and counts it.
fn limit(out: &mut Answer, most: u64) {
    let mut left = most;
    let mut cut = false;
    let mut take = |text: &mut String| {
        let (kept, taken) = tokens::cut(text, left);
        let end = kept.len();
        cut |= end < text.len();
        text.truncate(end);
        left -= taken;
        taken
    };
    if let Some(thinking) = &mut out.thinking {
        out.thinking_tokens = take(thinking);
        out.output_tokens += out.thinking_tokens;
    }
    if let Some(text) = &mut out.text {
        out.output_tokens += take(text);
    }
    for call in &mut out.calls {
        let mut name = call.name.clone();
        out.output_tokens += take(&mut name) + take(&mut call.text);
    }
    if cut {
        out.finish = Finish::Length;
        out.calls.retain(|call| !call.text.is_empty());
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
