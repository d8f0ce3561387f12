//! The Responses object and its items, as clients get them.
//!
//! Official clients insist on more than the answer: the object repeats the tools, the tool choice and the sampling
//! parameters of its request, so those are kept from the request in an [`Echo`].

use crate::translate::neutral::{Finish, Output, Part, Prompt, Reasoning, Signature, ToolChoice};
use crate::translate::seal::{self, Sealed};
use crate::translate::{Context, ids};
use crate::usage;
use serde::Serialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use sluicegate_vocabulary::{Fault, FaultKind, Format, Usage};

/// What a Responses object repeats of its request.
#[derive(Debug, Clone, Default)]
pub struct Echo {
    instructions: Option<String>,
    max_output_tokens: Option<u64>,
    parallel_tool_calls: Option<bool>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    reasoning: Option<Box<RawValue>>,
    text: Option<Box<RawValue>>,
    tools: Option<Box<RawValue>>,
    tool_choice: Option<Box<RawValue>>,
    metadata: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct EchoTool<'a> {
    r#type: &'static str,
    name: &'a str,
    description: Option<&'a str>,
    parameters: Option<&'a RawValue>,
    strict: Option<bool>,
}

#[derive(Serialize)]
struct EchoFormat<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
struct EchoText<'a> {
    format: EchoFormat<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<&'a str>,
}

impl Echo {
    /// The parts of this prompt that will be repeated.
    #[must_use]
    pub fn of(prompt: &Prompt) -> Self {
        let tools: Vec<_> = prompt
            .tools
            .iter()
            .map(|tool| EchoTool {
                r#type: "function",
                name: &tool.name,
                description: tool.description.as_deref(),
                parameters: tool.schema.as_deref(),
                strict: tool.strict,
            })
            .collect();
        let effort = match &prompt.reasoning {
            Some(Reasoning::Effort(effort)) => Some(effort.as_str()),
            Some(Reasoning::Disabled) => Some("none"),
            _ => None,
        };
        Self {
            instructions: (!prompt.system.is_empty()).then(|| prompt.system.join("\n")),
            max_output_tokens: prompt.max_output,
            parallel_tool_calls: prompt.parallel_tool_calls,
            temperature: prompt.sampling.temperature,
            top_p: prompt.sampling.top_p,
            reasoning: to_raw_value(&json!({
                "effort": effort,
                "summary": prompt.show_reasoning.filter(|shown| *shown).map(|_| "auto"),
            }))
            .ok(),
            text: to_raw_value(&EchoText { format: format(&prompt.output), verbosity: prompt.verbosity.as_deref() })
                .ok(),
            tools: to_raw_value(&tools).ok(),
            tool_choice: prompt.tool_choice.as_ref().and_then(|choice| to_raw_value(&tool_choice(choice)).ok()),
            metadata: prompt.metadata.clone(),
        }
    }
}

fn format(output: &Output) -> EchoFormat<'_> {
    let plain = |r#type| EchoFormat { r#type, name: None, description: None, schema: None, strict: None };
    match output {
        Output::Text => plain("text"),
        Output::JsonObject => plain("json_object"),
        Output::JsonSchema { name, description, schema, strict } => EchoFormat {
            r#type: "json_schema",
            name: name.as_deref(),
            description: description.as_deref(),
            schema: Some(schema),
            strict: *strict,
        },
    }
}

fn tool_choice(choice: &ToolChoice) -> serde_json::Value {
    let named = |name: &String| json!({"type": "function", "name": name});
    match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => named(name),
        ToolChoice::Allowed { names, required } => json!({
            "type": "allowed_tools",
            "mode": if *required { "required" } else { "auto" },
            "tools": names.iter().map(named).collect::<Vec<_>>(),
        }),
    }
}

/// How far an item or a response has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// Still being written.
    InProgress,
    /// Whole.
    Completed,
    /// Cut off by a limit or a filter.
    Incomplete,
    /// Broken off by an error.
    Failed,
}

/// One output item.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Item {
    /// What the model thought.
    Reasoning {
        id: String,
        summary: Vec<Summary>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<String>,
    },
    /// What the model said.
    Message { id: String, status: Status, role: &'static str, content: Vec<Piece> },
    /// A call of a function.
    FunctionCall { id: String, call_id: String, name: String, arguments: String, status: Status },
}

/// One paragraph of a reasoning summary.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Summary {
    SummaryText { text: String },
}

/// One part of a message.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Piece {
    OutputText { text: String, annotations: [(); 0], logprobs: [(); 0] },
    Refusal { refusal: String },
}

impl Item {
    /// A reasoning item without text. Its `id`, like those of the others, is made from the response's.
    pub(super) fn reasoning(response: &str, index: usize) -> Self {
        Self::Reasoning { id: item_id("rs_", response, index), summary: Vec::new(), encrypted_content: None }
    }

    /// A message without content.
    pub(super) fn message(response: &str, index: usize) -> Self {
        Self::Message {
            id: item_id("msg_", response, index),
            status: Status::InProgress,
            role: "assistant",
            content: Vec::new(),
        }
    }

    /// A call without arguments.
    pub(super) fn call(response: &str, index: usize, call_id: String, name: String) -> Self {
        Self::FunctionCall {
            id: item_id("fc_", response, index),
            call_id,
            name,
            arguments: String::new(),
            status: Status::InProgress,
        }
    }

    /// Marks how far it has come; reasoning carries no mark.
    pub(super) fn set_status(&mut self, to: Status) {
        match self {
            Self::Reasoning { .. } => {}
            Self::Message { status, .. } | Self::FunctionCall { status, .. } => *status = to,
        }
    }
}

impl Piece {
    /// Text, as far as it has come.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::OutputText { text: text.into(), annotations: [], logprobs: [] }
    }
}

fn item_id(prefix: &str, response: &str, index: usize) -> String {
    format!("{prefix}{}_{index}", response.strip_prefix("resp_").unwrap_or(response))
}

/// The opaque text of a reasoning item for this signature of thinking.
pub(super) fn seal_thinking(signature: &Signature) -> String {
    seal::seal(&Sealed::Thinking(signature.clone()), Format::Responses)
}

/// The opaque text of a reasoning item for a signature that belongs to the call after it.
pub(super) fn seal_call(signature: &Signature) -> String {
    seal::seal(&Sealed::Call(signature.clone()), Format::Responses)
}

/// The opaque text of a reasoning item for thinking that came encrypted.
pub(super) fn seal_redacted(data: &str) -> String {
    seal::seal(&Sealed::Redacted(data.to_owned()), Format::Responses)
}

/// The output items of a whole answer.
pub(super) fn items(parts: &[Part], response: &str) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::with_capacity(parts.len());
    for part in parts {
        let index = items.len();
        match part {
            Part::Text(text) | Part::Refusal(text) if text.is_empty() => {}
            Part::Text(text) => match message(&mut items, response) {
                Some(Piece::OutputText { text: said, .. }) => said.push_str(text),
                _ => add_piece(&mut items, Piece::text(text.as_str())),
            },
            Part::Refusal(text) => match message(&mut items, response) {
                Some(Piece::Refusal { refusal }) => refusal.push_str(text),
                _ => add_piece(&mut items, Piece::Refusal { refusal: text.clone() }),
            },
            Part::Thinking { text, signature } => {
                if text.is_empty() && signature.is_none() {
                    continue;
                }
                let sealed = signature.as_ref().map(seal_thinking);
                match items.last_mut() {
                    // Thinking without a signature between is one thought.
                    Some(Item::Reasoning { summary, encrypted_content: open @ None, .. }) => {
                        add_summary(summary, text);
                        *open = sealed;
                    }
                    _ => items.push(reasoning(response, index, text, sealed)),
                }
            }
            Part::RedactedThinking(data) => items.push(reasoning(response, index, "", Some(seal_redacted(data)))),
            Part::ToolCall(call) => {
                if let Some(signature) = &call.signature {
                    items.push(reasoning(response, index, "", Some(seal_call(signature))));
                }
                let mut item = Item::call(response, items.len(), call.id.clone(), call.name.clone());
                if let Item::FunctionCall { arguments, .. } = &mut item {
                    arguments.clone_from(&call.arguments);
                }
                items.push(item);
            }
            // An answer holds no results, and no provider that is asked for text answers with media.
            Part::Image { .. } | Part::Audio { .. } | Part::Document { .. } | Part::ToolResult(_) => {}
        }
    }
    items
}

fn reasoning(response: &str, index: usize, text: &str, sealed: Option<String>) -> Item {
    let mut item = Item::reasoning(response, index);
    if let Item::Reasoning { summary, encrypted_content, .. } = &mut item {
        add_summary(summary, text);
        *encrypted_content = sealed;
    }
    item
}

/// Adds to the one paragraph of a summary.
pub(super) fn add_summary(summary: &mut Vec<Summary>, more: &str) {
    match summary.last_mut() {
        _ if more.is_empty() => {}
        Some(Summary::SummaryText { text }) => text.push_str(more),
        None => summary.push(Summary::SummaryText { text: more.to_owned() }),
    }
}

/// The last part of the message that is being written, which is begun if there is none.
fn message<'a>(items: &'a mut Vec<Item>, response: &str) -> Option<&'a mut Piece> {
    if !matches!(items.last(), Some(Item::Message { .. })) {
        items.push(Item::message(response, items.len()));
    }
    match items.last_mut() {
        Some(Item::Message { content, .. }) => content.last_mut(),
        _ => None,
    }
}

fn add_piece(items: &mut [Item], piece: Piece) {
    if let Some(Item::Message { content, .. }) = items.last_mut() {
        content.push(piece);
    }
}

/// What stays the same over all states of one response.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// `resp_...`
    pub(super) id: String,
    /// The model as the provider names it.
    pub(super) model: String,
    /// Seconds since the Unix epoch.
    pub(super) created_at: u64,
    echo: Echo,
}

impl Head {
    pub(super) fn new(id: &str, model: &str, created: Option<u64>, context: &Context) -> Self {
        Self {
            id: ids::answer_id(if id.is_empty() { &context.call_id } else { id }, "resp_"),
            model: if model.is_empty() { context.model.clone() } else { model.to_owned() },
            created_at: created.unwrap_or(context.now),
            echo: context.echo.as_deref().cloned().unwrap_or_default(),
        }
    }
}

/// How a response stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct State<'a> {
    pub(super) status: Status,
    /// Why it is incomplete.
    pub(super) reason: Option<&'static str>,
    /// Why it failed.
    pub(super) fault: Option<&'a Fault>,
    pub(super) usage: Option<&'a Usage>,
}

impl State<'_> {
    /// Just begun.
    pub(super) const BEGUN: Self = Self { status: Status::InProgress, reason: None, fault: None, usage: None };
}

/// How a response stands that ended so.
pub(super) fn ended<'a>(finish: Option<&Finish>, usage: Option<&'a Usage>) -> State<'a> {
    let reason = match finish {
        Some(Finish::Length) => Some("max_output_tokens"),
        Some(Finish::Filtered) => Some("content_filter"),
        _ => None,
    };
    let status = if reason.is_some() { Status::Incomplete } else { Status::Completed };
    State { status, reason, fault: None, usage }
}

#[derive(Serialize)]
struct Details {
    reason: &'static str,
}

#[derive(Serialize)]
struct Failure<'a> {
    code: &'a str,
    message: &'a str,
}

/// The response object in this state.
#[derive(Serialize)]
pub(super) struct Response<'a> {
    id: &'a str,
    object: &'static str,
    created_at: u64,
    status: Status,
    background: bool,
    error: Option<Failure<'a>>,
    incomplete_details: Option<Details>,
    instructions: Option<&'a str>,
    max_output_tokens: Option<u64>,
    model: &'a str,
    output: &'a [Item],
    parallel_tool_calls: bool,
    previous_response_id: Option<()>,
    reasoning: Option<&'a RawValue>,
    store: bool,
    temperature: Option<f64>,
    text: Option<&'a RawValue>,
    tool_choice: ToolChoiceEcho<'a>,
    tools: ToolsEcho<'a>,
    top_p: Option<f64>,
    truncation: &'static str,
    usage: Option<usage::ResponsesUsage>,
    user: Option<()>,
    metadata: MetadataEcho<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ToolChoiceEcho<'a> {
    Given(&'a RawValue),
    Default(&'static str),
}

#[derive(Serialize)]
#[serde(untagged)]
enum ToolsEcho<'a> {
    Given(&'a RawValue),
    None([(); 0]),
}

#[derive(Serialize)]
#[serde(untagged)]
enum MetadataEcho<'a> {
    Given(&'a RawValue),
    None {},
}

impl<'a> Response<'a> {
    pub(super) fn new(head: &'a Head, output: &'a [Item], state: State<'a>) -> Self {
        let echo = &head.echo;
        Self {
            id: &head.id,
            object: "response",
            created_at: head.created_at,
            status: state.status,
            background: false,
            error: state.fault.map(|fault| Failure {
                code: match fault.kind {
                    FaultKind::UpstreamRateLimited => "rate_limit_exceeded",
                    _ => "server_error",
                },
                message: &fault.message,
            }),
            incomplete_details: state.reason.map(|reason| Details { reason }),
            instructions: echo.instructions.as_deref(),
            max_output_tokens: echo.max_output_tokens,
            model: &head.model,
            output,
            parallel_tool_calls: echo.parallel_tool_calls.unwrap_or(true),
            previous_response_id: None,
            reasoning: echo.reasoning.as_deref(),
            store: false,
            temperature: echo.temperature,
            text: echo.text.as_deref(),
            tool_choice: echo.tool_choice.as_deref().map_or(ToolChoiceEcho::Default("auto"), ToolChoiceEcho::Given),
            tools: echo.tools.as_deref().map_or(ToolsEcho::None([]), ToolsEcho::Given),
            top_p: echo.top_p,
            truncation: "disabled",
            usage: state.usage.map(usage::write_responses),
            user: None,
            metadata: echo.metadata.as_deref().map_or(MetadataEcho::None {}, MetadataEcho::Given),
        }
    }
}
