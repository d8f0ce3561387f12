//! Writing the Responses request a provider gets.
//!
//! The provider is asked to store nothing and to hand out its reasoning encrypted, because the conversation lives with
//! the client: what the model thought comes back with the next request or not at all.

use crate::quirks::{Quirks, Thinking};
use crate::translate::effort;
use crate::translate::field::Field;
use crate::translate::json::{Number, to_vec};
use crate::translate::media;
use crate::translate::neutral::{Media, Output, Part, Prompt, Reasoning, Role, Tool, ToolChoice, ToolResult, Turn};
use crate::translate::notes::Notes;
use crate::translate::{Target, schema, seal};
use serde::Serialize;
use serde_json::value::RawValue;
use sluicegate_vocabulary::{Fault, Format};
use std::borrow::Cow;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: Vec<Item<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<FunctionTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Effort<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    store: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    include: &'static [&'static str],
    stream: bool,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Item<'a> {
    Message { role: &'static str, content: Vec<Content<'a>> },
    FunctionCall { call_id: &'a str, name: &'a str, arguments: &'a str },
    FunctionCallOutput { call_id: &'a str, output: Outcome<'a> },
    Reasoning { summary: Vec<Content<'a>>, encrypted_content: &'a str },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Content<'a> {
    InputText { text: &'a str },
    OutputText { text: &'a str },
    SummaryText { text: &'a str },
    Refusal { refusal: &'a str },
    InputImage(Image<'a>),
    InputFile(File<'a>),
}

#[derive(Serialize)]
struct Image<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    image_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_id: Option<&'a str>,
    detail: &'a str,
}

#[derive(Serialize, Default)]
struct File<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<'a> {
    Text(String),
    Parts(Vec<Content<'a>>),
}

#[derive(Serialize)]
struct FunctionTool<'a> {
    r#type: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    parameters: Schema<'a>,
    strict: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Schema<'a> {
    Given(Cow<'a, RawValue>),
    Empty { r#type: &'static str, properties: Nothing },
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
#[serde(untagged)]
enum Choice<'a> {
    Word(&'static str),
    Named(Named<'a>),
    Allowed { r#type: &'static str, mode: &'static str, tools: Vec<Named<'a>> },
}

#[derive(Serialize)]
struct Named<'a> {
    r#type: &'static str,
    name: &'a str,
}

#[derive(Serialize)]
struct Text<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Shape<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Shape<'a> {
    JsonObject,
    JsonSchema {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        schema: &'a RawValue,
        #[serde(skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
    },
}

#[derive(Serialize)]
struct Effort<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'static str>,
}

const ENCRYPTED_REASONING: [&str; 1] = ["reasoning.encrypted_content"];

/// Writes the request a provider gets.
///
/// # Errors
/// What this format, or this model, cannot say.
pub fn write(prompt: &Prompt, target: &Target<'_>, notes: &mut Notes) -> Result<Vec<u8>, Fault> {
    refuse_what_has_no_place(prompt, notes)?;
    let quirks = target.quirks;
    // Who speaks OpenAI's words already means OpenAI's rules.
    let own = matches!(prompt.source, Some(Format::Chat | Format::Responses));
    let reasoning = reasoning(prompt, quirks, notes)?;
    let (temperature, top_p) = sampling(prompt, quirks, reasoning.as_ref(), notes)?;
    let body = Body {
        model: target.model,
        input: input(prompt, quirks, notes)?,
        tools: prompt.tools.iter().map(|one| tool(one, own)).collect(),
        tool_choice: tool_choice(prompt, quirks, notes)?,
        parallel_tool_calls: prompt.parallel_tool_calls.filter(|_| !prompt.tools.is_empty()),
        max_output_tokens: max_output(prompt, quirks, notes)?,
        temperature,
        top_p,
        text: text(prompt, quirks, notes)?,
        reasoning,
        service_tier: service_tier(prompt, notes)?,
        store: false,
        // A model that does not reason refuses to be asked for its reasoning.
        include: if quirks.thinking == Thinking::None { &[] } else { &ENCRYPTED_REASONING },
        stream: prompt.stream,
    };
    to_vec(&body)
}

fn refuse_what_has_no_place(prompt: &Prompt, notes: &mut Notes) -> Result<(), Fault> {
    if prompt.answers.is_some_and(|n| n > 1) {
        notes.refuse(
            Field::Answers,
            "the chosen provider's Responses API gives one answer at a time; ask several times",
        )?;
    }
    if !prompt.stop.is_empty() {
        notes.refuse(Field::Stop, "the chosen provider's Responses API has no stop strings")?;
    }
    if prompt.logprobs.is_some() {
        notes.refuse(Field::Logprobs, "log probabilities cannot be translated from the Responses API")?;
    }
    let sampling = &prompt.sampling;
    let hints = [
        (sampling.top_k.is_some(), Field::TopK),
        (sampling.seed.is_some(), Field::Seed),
        (sampling.presence_penalty.is_some_and(|p| p != 0.0), Field::PresencePenalty),
        (sampling.frequency_penalty.is_some_and(|p| p != 0.0), Field::FrequencyPenalty),
        (sampling.logit_bias.is_some(), Field::LogitBias),
        (prompt.turns.iter().any(|turn| turn.name.is_some()), Field::ParticipantName),
    ];
    for (given, field) in hints {
        if given {
            notes.drop(field)?;
        }
    }
    // Where it came from, an answer begun by the caller is continued; here it counts as said.
    if prompt.turns.last().is_some_and(|turn| turn.role == Role::Assistant) && prompt.source != Some(Format::Chat) {
        notes.drop_named(format!("{}.prefill", Field::Turns.path(notes.client())))?;
    }
    Ok(())
}

/// Temperature and `top_p`. A model that reasons samples as it likes; told not to reason, it takes orders.
fn sampling(
    prompt: &Prompt,
    quirks: &Quirks,
    reasoning: Option<&Effort<'_>>,
    notes: &mut Notes,
) -> Result<(Option<Number>, Option<Number>), Fault> {
    let sampling = &prompt.sampling;
    if !quirks.sampling_params && reasoning.and_then(|reasoning| reasoning.effort) != Some("none") {
        // 1 is what such a model does anyway.
        for (asked, field) in [(sampling.temperature, Field::Temperature), (sampling.top_p, Field::TopP)] {
            if asked.is_some_and(|asked| asked != 1.0) {
                notes.drop(field)?;
            }
        }
        return Ok((None, None));
    }
    if sampling.temperature.is_some_and(|asked| asked > quirks.temperature_max) {
        notes.drop(Field::Temperature)?;
    }
    let temperature = sampling.temperature.map(|asked| Number(asked.min(quirks.temperature_max)));
    Ok((temperature, sampling.top_p.map(Number)))
}

fn input<'a>(prompt: &'a Prompt, quirks: &Quirks, notes: &mut Notes) -> Result<Vec<Item<'a>>, Fault> {
    let instructor = if quirks.developer_role { "developer" } else { "system" };
    let mut items = Vec::with_capacity(prompt.turns.len() + 1);
    let system: Vec<_> =
        prompt.system.iter().filter(|text| !text.is_empty()).map(|text| Content::InputText { text }).collect();
    if !system.is_empty() {
        items.push(Item::Message { role: instructor, content: system });
    }
    for turn in &prompt.turns {
        let role = match turn.role {
            Role::System => instructor,
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        lay_out(turn, role, &mut items, prompt.source, notes)?;
    }
    if items.is_empty() {
        return Err(notes.fault(Field::Turns, "the conversation is empty; send at least one message with content"));
    }
    Ok(items)
}

/// One turn as items: what is said between two calls or results is one message.
fn lay_out<'a>(
    turn: &'a Turn,
    role: &'static str,
    items: &mut Vec<Item<'a>>,
    source: Option<Format>,
    notes: &mut Notes,
) -> Result<(), Fault> {
    let mut said = Vec::new();
    for part in &turn.parts {
        let item = match part {
            Part::ToolCall(call) => {
                Item::FunctionCall { call_id: &call.id, name: &call.name, arguments: &call.arguments }
            }
            Part::ToolResult(result) => tool_result(result, source, notes)?,
            Part::Thinking { text, signature } => {
                let Some(encrypted_content) = seal::native(signature.as_ref(), Format::Responses) else { continue };
                let summary = if text.is_empty() { Vec::new() } else { vec![Content::SummaryText { text }] };
                Item::Reasoning { summary, encrypted_content }
            }
            Part::RedactedThinking(_) => continue,
            Part::Text(text) if text.is_empty() => continue,
            Part::Text(text) if turn.role == Role::Assistant => {
                said.push(Content::OutputText { text });
                continue;
            }
            Part::Refusal(refusal) if turn.role == Role::Assistant => {
                said.push(Content::Refusal { refusal });
                continue;
            }
            other => {
                said.push(content(other, source, notes)?);
                continue;
            }
        };
        if !said.is_empty() {
            items.push(Item::Message { role, content: std::mem::take(&mut said) });
        }
        items.push(item);
    }
    if !said.is_empty() {
        items.push(Item::Message { role, content: said });
    }
    Ok(())
}

fn tool_result<'a>(result: &'a ToolResult, source: Option<Format>, notes: &mut Notes) -> Result<Item<'a>, Fault> {
    let texts: Option<Vec<&str>> = result
        .parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let output = match texts {
        Some(texts) if result.is_error => {
            note_error(notes)?;
            Outcome::Text(format!("Error: {}", texts.join("\n")))
        }
        Some(texts) => Outcome::Text(texts.join("\n")),
        None => {
            let mut parts = Vec::with_capacity(result.parts.len() + 1);
            if result.is_error {
                note_error(notes)?;
                parts.push(Content::InputText { text: "Error:" });
            }
            for part in &result.parts {
                parts.push(content(part, source, notes)?);
            }
            Outcome::Parts(parts)
        }
    };
    Ok(Item::FunctionCallOutput { call_id: &result.id, output })
}

/// Whether a result is an error has no place of its own here; its text says so.
fn note_error(notes: &mut Notes) -> Result<(), Fault> {
    notes.drop_named(format!("{}.tool_result.is_error", Field::Turns.path(notes.client())))
}

fn content<'a>(part: &'a Part, source: Option<Format>, notes: &mut Notes) -> Result<Content<'a>, Fault> {
    Ok(match part {
        Part::Text(text) | Part::Refusal(text) => Content::InputText { text },
        Part::Image { source: media, detail } => {
            let (image_url, file_id) = match media {
                Media::Base64 { mime, data } => (Some(media::data_url(mime, data)), None),
                Media::Url { url, .. } => (Some(url.clone()), None),
                Media::File(id) => (None, Some(own_file(id, source, notes)?)),
                Media::Text(_) => return Err(notes.fault(Field::Turns, "an image cannot be text")),
            };
            Content::InputImage(Image { image_url, file_id, detail: detail.as_deref().unwrap_or("auto") })
        }
        Part::Document { source: media, name } => {
            let name = name.as_deref();
            Content::InputFile(match media {
                Media::Text(text) => return Ok(Content::InputText { text }),
                Media::Base64 { mime, data } => File {
                    filename: Some(name.unwrap_or("document.pdf")),
                    file_data: Some(media::data_url(mime, data)),
                    ..File::default()
                },
                Media::Url { url, .. } => File { file_url: Some(url), ..File::default() },
                Media::File(id) => File { file_id: Some(own_file(id, source, notes)?), ..File::default() },
            })
        }
        Part::Audio { .. } => {
            return Err(notes.fault(Field::Turns, "the chosen provider's Responses API takes no audio"));
        }
        Part::ToolCall(_) | Part::ToolResult(_) | Part::Thinking { .. } | Part::RedactedThinking(_) => {
            return Err(notes.fault(Field::Turns, "a tool result can hold text, images and documents only"));
        }
    })
}

/// A file's id means something to OpenAI only when it came from an OpenAI client.
fn own_file<'a>(id: &'a str, source: Option<Format>, notes: &Notes) -> Result<&'a str, Fault> {
    match source {
        Some(Format::Chat | Format::Responses) => Ok(id),
        _ => Err(notes.fault(
            Field::Turns,
            format!("the file `{id}` lies with another provider than the chosen one; send its bytes"),
        )),
    }
}

fn tool(tool: &Tool, own: bool) -> FunctionTool<'_> {
    FunctionTool {
        r#type: "function",
        name: &tool.name,
        description: tool.description.as_deref(),
        parameters: match &tool.schema {
            Some(schema) => Schema::Given(schema::with_properties(schema)),
            None => Schema::Empty { r#type: "object", properties: Nothing {} },
        },
        // Left out, Responses would make the schema strict, which the other formats do not.
        strict: tool.strict.unwrap_or(false) && (own || tool.schema.as_deref().is_some_and(schema::fits_strict)),
    }
}

fn tool_choice<'a>(prompt: &'a Prompt, quirks: &Quirks, notes: &mut Notes) -> Result<Option<Choice<'a>>, Fault> {
    let Some(choice) = &prompt.tool_choice else { return Ok(None) };
    if prompt.tools.is_empty() {
        return match choice {
            ToolChoice::Auto | ToolChoice::None => Ok(None),
            _ => Err(notes.fault(Field::ToolChoice, "a tool is asked for but no tools are given")),
        };
    }
    let forced =
        matches!(choice, ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Allowed { required: true, .. });
    if forced && !quirks.forced_tool_choice {
        notes.refuse(Field::ToolChoice, "the chosen model cannot be forced to call a tool; use `auto`")?;
        return Ok(None);
    }
    Ok(Some(match choice {
        ToolChoice::Auto => Choice::Word("auto"),
        ToolChoice::None => Choice::Word("none"),
        ToolChoice::Required => Choice::Word("required"),
        ToolChoice::Named(name) => Choice::Named(Named { r#type: "function", name }),
        ToolChoice::Allowed { names, required } => Choice::Allowed {
            r#type: "allowed_tools",
            mode: if *required { "required" } else { "auto" },
            tools: names.iter().map(|name| Named { r#type: "function", name }).collect(),
        },
    }))
}

fn max_output(prompt: &Prompt, quirks: &Quirks, notes: &mut Notes) -> Result<Option<u64>, Fault> {
    match (prompt.max_output, quirks.max_output) {
        (Some(asked), Some(most)) if asked > most => {
            notes.drop(Field::MaxOutput)?;
            Ok(Some(most))
        }
        (asked, _) => Ok(asked),
    }
}

fn text<'a>(prompt: &'a Prompt, quirks: &Quirks, notes: &mut Notes) -> Result<Option<Text<'a>>, Fault> {
    let format = match &prompt.output {
        Output::Text => None,
        Output::JsonObject => Some(Shape::JsonObject),
        Output::JsonSchema { .. } if !quirks.json_schema => {
            notes.refuse(Field::Output, "the chosen model cannot bind its output to a schema")?;
            None
        }
        Output::JsonSchema { name, description, schema, strict } => Some(Shape::JsonSchema {
            name: name.as_deref().unwrap_or("response"),
            description: description.as_deref(),
            schema,
            strict: strict.map(|strict| {
                strict
                    && (matches!(prompt.source, Some(Format::Chat | Format::Responses)) || schema::fits_strict(schema))
            }),
        }),
    };
    let verbosity = prompt.verbosity.as_deref();
    Ok((format.is_some() || verbosity.is_some()).then_some(Text { format, verbosity }))
}

fn reasoning<'a>(prompt: &'a Prompt, quirks: &'a Quirks, notes: &mut Notes) -> Result<Option<Effort<'a>>, Fault> {
    if quirks.thinking == Thinking::None {
        if !matches!(prompt.reasoning, None | Some(Reasoning::Disabled)) {
            notes.drop(Field::Reasoning)?;
        }
        return Ok(None);
    }
    let effort = match &prompt.reasoning {
        None | Some(Reasoning::Adaptive) => None,
        Some(Reasoning::Disabled) if quirks.disable_thinking => Some("none"),
        Some(Reasoning::Disabled) => {
            notes.drop(Field::Reasoning)?;
            Some(effort::nearest("minimal", &quirks.efforts))
        }
        Some(Reasoning::Effort(effort)) => {
            let nearest = effort::nearest(effort, &quirks.efforts);
            if nearest != effort {
                notes.drop(Field::Reasoning)?;
            }
            Some(nearest)
        }
        Some(Reasoning::Budget(tokens)) => Some(effort::nearest(effort::of_budget(*tokens), &quirks.efforts)),
    };
    let summary = (prompt.show_reasoning == Some(true)).then_some("auto");
    Ok((effort.is_some() || summary.is_some()).then_some(Effort { effort, summary }))
}

/// A service tier means something to OpenAI only when it came from an OpenAI client.
fn service_tier<'a>(prompt: &'a Prompt, notes: &mut Notes) -> Result<Option<&'a str>, Fault> {
    let tier = prompt.service_tier.as_deref();
    match prompt.source {
        Some(Format::Chat | Format::Responses) => Ok(tier),
        _ if matches!(tier, Some("flex" | "priority")) => notes.drop(Field::ServiceTier).map(|()| None),
        _ => Ok(None),
    }
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
