//! Writing a chat completion request.
//!
//! A user turn that holds tool results becomes one `tool` message for each, and then a user message with the rest,
//! because OpenAI wants all results directly behind the calls. Only what the caller asked for is sent: compatible
//! servers refuse fields they do not know.

use crate::quirks::{MaxTokensParam, Quirks, Thinking};
use crate::translate::field::Field;
use crate::translate::json::{self, Number};
use crate::translate::neutral::{Media, Output, Part, Prompt, Reasoning, Role, Tool, ToolChoice, ToolResult, Turn};
use crate::translate::notes::Notes;
use crate::translate::{Target, effort, media, schema};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sluicegate_vocabulary::{Fault, Format};

/// The most stop strings accepted.
const MAX_STOPS: usize = 4;

#[derive(Serialize, Default)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logit_bias: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u32>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolEntry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<Value>,
}

#[derive(Serialize, Default)]
struct Message<'a> {
    role: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
    content: Content,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<CallEntry<'a>>,
}

#[derive(Serialize, Default)]
#[serde(untagged)]
enum Content {
    #[default]
    Null,
    Text(String),
    Parts(Vec<Value>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ResponseFormat<'a> {
    JsonObject,
    JsonSchema { json_schema: SchemaEntry<'a> },
}

#[derive(Serialize)]
struct SchemaEntry<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    schema: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
struct ToolEntry<'a> {
    r#type: &'static str,
    function: FunctionEntry<'a>,
}

#[derive(Serialize)]
struct FunctionEntry<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
struct CallEntry<'a> {
    id: &'a str,
    r#type: &'static str,
    function: CalledEntry<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Value>,
}

#[derive(Serialize)]
struct CalledEntry<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// Writes the request a provider gets.
///
/// # Errors
/// What this format, or this model, cannot say.
pub fn write(prompt: &Prompt, target: &Target<'_>, notes: &mut Notes) -> Result<Vec<u8>, Fault> {
    let quirks = target.quirks;
    let mut body = Body { model: target.model, ..Body::default() };
    body.messages = messages(prompt, quirks, notes)?;
    max_tokens(prompt, quirks, &mut body, notes)?;
    reasoning(prompt, quirks, &mut body, notes)?;
    sampling(prompt, quirks, &mut body, notes)?;
    if prompt.stop.len() > MAX_STOPS {
        notes.refuse(Field::Stop, format!("the chosen provider takes at most {MAX_STOPS} stop strings"))?;
    }
    body.stop = prompt.stop.get(..MAX_STOPS).unwrap_or(&prompt.stop);
    body.n = prompt.answers.filter(|n| *n > 1);
    body.logprobs = prompt.logprobs.map(|_| true);
    body.top_logprobs = prompt.logprobs.filter(|n| *n > 0);
    body.response_format = response_format(prompt, quirks, notes)?;
    tools(prompt, quirks, &mut body, notes)?;
    body.verbosity = prompt.verbosity.as_deref();
    if matches!(prompt.source, Some(Format::Chat | Format::Responses)) {
        body.service_tier = prompt.service_tier.as_deref();
    }
    body.stream = prompt.stream;
    if prompt.stream && quirks.stream_usage {
        body.stream_options = Some(json!({"include_usage": true}));
    }
    json::to_vec(&body)
}

fn max_tokens(prompt: &Prompt, quirks: &Quirks, body: &mut Body<'_>, notes: &mut Notes) -> Result<(), Fault> {
    let Some(mut wanted) = prompt.max_output else { return Ok(()) };
    if let Some(most) = quirks.max_output.filter(|most| wanted > *most) {
        notes.drop(Field::MaxOutput)?;
        wanted = most;
    }
    match quirks.max_tokens_param {
        MaxTokensParam::MaxTokens => body.max_tokens = Some(wanted),
        MaxTokensParam::MaxCompletionTokens => body.max_completion_tokens = Some(wanted),
    }
    Ok(())
}

fn sampling<'a>(prompt: &'a Prompt, quirks: &Quirks, body: &mut Body<'a>, notes: &mut Notes) -> Result<(), Fault> {
    let sampling = &prompt.sampling;
    if sampling.top_k.is_some() {
        notes.drop(Field::TopK)?;
    }
    body.seed = sampling.seed;
    // A model that reasons samples as it likes; told not to reason, it takes orders.
    if !quirks.sampling_params && body.reasoning_effort != Some("none") {
        for (sent, field) in [
            // 1 is what such a model does anyway.
            (sampling.temperature.is_some_and(|t| t != 1.0), Field::Temperature),
            (sampling.top_p.is_some_and(|p| p != 1.0), Field::TopP),
            (sampling.frequency_penalty.is_some_and(|p| p != 0.0), Field::FrequencyPenalty),
            (sampling.presence_penalty.is_some_and(|p| p != 0.0), Field::PresencePenalty),
            (sampling.logit_bias.is_some(), Field::LogitBias),
        ] {
            if sent {
                notes.drop(field)?;
            }
        }
        return Ok(());
    }
    let mut temperature = sampling.temperature;
    if temperature.is_some_and(|t| t > quirks.temperature_max) {
        notes.drop(Field::Temperature)?;
        temperature = Some(quirks.temperature_max);
    }
    body.temperature = temperature.map(Number);
    body.top_p = sampling.top_p.map(Number);
    body.frequency_penalty = sampling.frequency_penalty.map(Number);
    body.presence_penalty = sampling.presence_penalty.map(Number);
    body.logit_bias = sampling.logit_bias.as_deref();
    Ok(())
}

fn response_format<'a>(
    prompt: &'a Prompt,
    quirks: &Quirks,
    notes: &mut Notes,
) -> Result<Option<ResponseFormat<'a>>, Fault> {
    Ok(match &prompt.output {
        Output::Text => None,
        Output::JsonObject => Some(ResponseFormat::JsonObject),
        Output::JsonSchema { .. } if !quirks.json_schema => {
            notes.refuse(Field::Output, "the chosen model cannot be bound to a JSON schema; ask for a JSON object")?;
            Some(ResponseFormat::JsonObject)
        }
        Output::JsonSchema { name, description, schema, strict } => {
            let own = matches!(prompt.source, Some(Format::Chat | Format::Responses));
            let json_schema = SchemaEntry {
                name: name.as_deref().unwrap_or("response"),
                description: description.as_deref(),
                schema,
                // Another format's callers want the schema kept; OpenAI can promise that only for some.
                strict: strict.map(|strict| strict && (own || schema::fits_strict(schema))),
            };
            Some(ResponseFormat::JsonSchema { json_schema })
        }
    })
}

fn tools<'a>(prompt: &'a Prompt, quirks: &Quirks, body: &mut Body<'a>, notes: &mut Notes) -> Result<(), Fault> {
    let own = matches!(prompt.source, Some(Format::Chat | Format::Responses));
    let fits = |tool: &Tool| tool.schema.as_deref().is_some_and(schema::fits_strict);
    let entry = |tool: &'a Tool| ToolEntry {
        r#type: "function",
        function: FunctionEntry {
            name: &tool.name,
            description: tool.description.as_deref(),
            parameters: tool.schema.as_deref(),
            // Another format's callers mean that the schema is kept as well as can be; OpenAI promises it for some.
            strict: tool.strict.map(|strict| strict && (own || fits(tool))),
        },
    };
    body.tools = prompt.tools.iter().map(entry).collect();
    let named = |name: &String| json!({"type": "function", "function": {"name": name}});
    let forced = matches!(
        prompt.tool_choice,
        Some(ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Allowed { required: true, .. })
    );
    if forced && !quirks.forced_tool_choice {
        notes.refuse(
            Field::ToolChoice,
            "the chosen model decides by itself whether it uses a tool; ask for `auto`, or choose a model that can be \
             forced",
        )?;
        body.tool_choice = Some(json!("auto"));
        return Ok(());
    }
    body.tool_choice = prompt.tool_choice.as_ref().map(|choice| match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => named(name),
        ToolChoice::Allowed { names, required } => {
            let mode = if *required { "required" } else { "auto" };
            let tools: Vec<Value> = names.iter().map(named).collect();
            json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}})
        }
    });
    // True is the default, and servers without the switch refuse it.
    body.parallel_tool_calls = prompt.parallel_tool_calls.filter(|parallel| !parallel && !prompt.tools.is_empty());
    Ok(())
}

fn reasoning<'a>(prompt: &'a Prompt, quirks: &'a Quirks, body: &mut Body<'a>, notes: &mut Notes) -> Result<(), Fault> {
    if !quirks.chat_tools_with_reasoning && !prompt.tools.is_empty() {
        // Such a model takes tools here only when told, in so many words, not to reason.
        if !matches!(prompt.reasoning, None | Some(Reasoning::Disabled)) {
            notes.drop(Field::Reasoning)?;
        }
        body.reasoning_effort = Some("none");
        return Ok(());
    }
    let Some(wanted) = &prompt.reasoning else { return Ok(()) };
    match quirks.thinking {
        Thinking::None => {
            if matches!(wanted, Reasoning::Effort(_) | Reasoning::Budget(_)) {
                notes.drop(Field::Reasoning)?;
            }
        }
        Thinking::Switch => {
            let on = *wanted != Reasoning::Disabled;
            body.thinking = Some(json!({"type": if on { "enabled" } else { "disabled" }}));
            body.reasoning_effort = effort(wanted, quirks);
        }
        _ => match wanted {
            Reasoning::Disabled if quirks.disable_thinking => body.reasoning_effort = Some("none"),
            Reasoning::Disabled => {
                notes.drop(Field::Reasoning)?;
                body.reasoning_effort = Some(effort::nearest("minimal", &quirks.efforts));
            }
            wanted => body.reasoning_effort = effort(wanted, quirks),
        },
    }
    Ok(())
}

/// The effort among those the model knows that is nearest to the wanted amount; `None` where the model decides.
fn effort<'a>(wanted: &'a Reasoning, quirks: &'a Quirks) -> Option<&'a str> {
    match wanted {
        Reasoning::Effort(word) => Some(effort::nearest(word, &quirks.efforts)),
        Reasoning::Budget(tokens) => Some(effort::nearest(effort::of_budget(*tokens), &quirks.efforts)),
        Reasoning::Disabled | Reasoning::Adaptive => None,
    }
}

fn messages<'a>(prompt: &'a Prompt, quirks: &Quirks, notes: &mut Notes) -> Result<Vec<Message<'a>>, Fault> {
    let system = if quirks.developer_role { "developer" } else { "system" };
    let mut messages = Vec::with_capacity(prompt.turns.len() + 1);
    if !prompt.system.is_empty() {
        let content = Content::Text(prompt.system.join("\n"));
        messages.push(Message { role: system, content, ..Message::default() });
    }
    let mut open_calls = false;
    for turn in &prompt.turns {
        match turn.role {
            Role::System => {
                messages.push(Message { role: system, content: content(&turn.parts, notes)?, ..named(turn) });
            }
            Role::User => user(turn, &mut messages, notes)?,
            Role::Assistant => {
                let message = assistant(turn, quirks);
                // Calls that their format spread over several turns belong together here.
                match messages.last_mut().filter(|_| open_calls) {
                    Some(last) => merge(last, message),
                    None => messages.push(message),
                }
            }
        }
        open_calls = turn.role == Role::Assistant && messages.last().is_some_and(|m| !m.tool_calls.is_empty());
    }
    // Where it came from, an answer begun by the caller is continued; here it counts as said.
    if prompt.turns.last().is_some_and(|turn| turn.role == Role::Assistant) && prompt.source != Some(Format::Chat) {
        notes.drop_named(format!("{}.prefill", Field::Turns.path(notes.client())))?;
    }
    Ok(messages)
}

fn named(turn: &Turn) -> Message<'_> {
    Message { name: turn.name.as_deref(), ..Message::default() }
}

fn user<'a>(turn: &'a Turn, messages: &mut Vec<Message<'a>>, notes: &mut Notes) -> Result<(), Fault> {
    // What a tool returned that is not text is shown behind the results: a `tool` message holds text only.
    let mut shown = Vec::new();
    let mut rest = Vec::new();
    for part in &turn.parts {
        match part {
            Part::ToolResult(result) => {
                let content = Content::Text(result_text(result, &mut shown, notes)?);
                messages.push(Message { role: "tool", tool_call_id: Some(&result.id), content, ..Message::default() });
            }
            other => rest.push(other),
        }
    }
    let answered = rest.len() < turn.parts.len();
    shown.extend(rest);
    if !shown.is_empty() || !answered {
        messages.push(Message { role: "user", content: content(shown, notes)?, ..named(turn) });
    }
    Ok(())
}

fn result_text<'a>(result: &'a ToolResult, shown: &mut Vec<&'a Part>, notes: &mut Notes) -> Result<String, Fault> {
    let mut texts = Vec::new();
    for part in &result.parts {
        match part {
            Part::Text(text) | Part::Document { source: Media::Text(text), .. } => texts.push(text.as_str()),
            other => {
                notes.drop_named(format!("{}.tool_result.content", Field::Turns.path(notes.client())))?;
                shown.push(other);
            }
        }
    }
    let text = texts.join("\n");
    if !result.is_error {
        return Ok(text);
    }
    notes.drop_named(format!("{}.tool_result.is_error", Field::Turns.path(notes.client())))?;
    Ok(format!("Error: {text}"))
}

/// Content of a user or system message: a string where one text says all, else parts.
fn content<'a>(parts: impl IntoIterator<Item = &'a Part>, notes: &mut Notes) -> Result<Content, Fault> {
    let mut entries = Vec::new();
    let mut only: Option<&str> = None;
    let mut others = false;
    for part in parts {
        let entry = match part {
            Part::Text(text) | Part::Refusal(text) | Part::Document { source: Media::Text(text), .. } => {
                others |= only.replace(text).is_some();
                json!({"type": "text", "text": text})
            }
            other => {
                others = true;
                match medium(other, notes)? {
                    Some(entry) => entry,
                    None => continue,
                }
            }
        };
        entries.push(entry);
    }
    Ok(if others { Content::Parts(entries) } else { Content::Text(only.unwrap_or_default().to_owned()) })
}

fn medium(part: &Part, notes: &mut Notes) -> Result<Option<Value>, Fault> {
    let turns = Field::Turns.path(notes.client());
    Ok(match part {
        Part::Image { source, detail } => {
            let url = match source {
                Media::Base64 { mime, data } => media::data_url(mime, data),
                Media::Url { url, .. } => url.clone(),
                Media::File(_) | Media::Text(_) => {
                    notes.refuse_named(
                        turns,
                        "an image given by a file id is known to one provider only; send it as base64 or by address",
                    )?;
                    return Ok(None);
                }
            };
            Some(match detail {
                Some(detail) => json!({"type": "image_url", "image_url": {"url": url, "detail": detail}}),
                None => json!({"type": "image_url", "image_url": {"url": url}}),
            })
        }
        Part::Audio { source: Media::Base64 { mime, data } } => {
            let format = match mime.as_str() {
                "audio/mpeg" | "audio/mp3" => "mp3",
                "audio/wav" | "audio/x-wav" | "audio/wave" => "wav",
                _ => {
                    notes.refuse_named(turns, format!("the chosen provider takes audio as wav or mp3, not {mime}"))?;
                    return Ok(None);
                }
            };
            Some(json!({"type": "input_audio", "input_audio": {"data": data, "format": format}}))
        }
        Part::Document { source: Media::Base64 { mime, data }, name } => {
            let name = name.as_deref().unwrap_or("document.pdf");
            Some(json!({"type": "file", "file": {"filename": name, "file_data": media::data_url(mime, data)}}))
        }
        Part::Audio { .. } | Part::Document { .. } => {
            notes.refuse_named(
                turns,
                "the chosen provider takes documents and audio inside the request only, as base64",
            )?;
            None
        }
        // Thinking stays with the provider that made it; calls and results are messages of their own.
        _ => None,
    })
}

fn assistant<'a>(turn: &'a Turn, quirks: &Quirks) -> Message<'a> {
    let mut message = Message { role: "assistant", ..named(turn) };
    let mut text: Option<String> = None;
    let mut thinking = String::new();
    for part in &turn.parts {
        match part {
            Part::Text(piece) => text.get_or_insert_default().push_str(piece),
            Part::Refusal(piece) => message.refusal.get_or_insert_default().push_str(piece),
            Part::Thinking { text, .. } => thinking.push_str(text),
            Part::ToolCall(call) => message.tool_calls.push(CallEntry {
                id: &call.id,
                r#type: "function",
                function: CalledEntry { name: &call.name, arguments: &call.arguments },
                extra_content: call
                    .signature
                    .as_ref()
                    .filter(|signature| signature.from == Format::Generate && quirks.thought_signatures)
                    .map(|signature| json!({"google": {"thought_signature": signature.text}})),
            }),
            _ => {}
        }
    }
    message.content = match text {
        Some(text) => Content::Text(text),
        None if message.tool_calls.is_empty() && message.refusal.is_none() => Content::Text(String::new()),
        None => Content::Null,
    };
    // DeepSeek wants the thinking back with the calls it led to, be it empty.
    if quirks.reasoning_history && (!thinking.is_empty() || !message.tool_calls.is_empty()) {
        message.reasoning_content = Some(thinking);
    }
    message
}

fn merge<'a>(last: &mut Message<'a>, next: Message<'a>) {
    last.tool_calls.extend(next.tool_calls);
    if let Content::Text(more) = next.content
        && !more.is_empty()
    {
        match &mut last.content {
            Content::Text(text) => text.push_str(&more),
            other => *other = Content::Text(more),
        }
    }
    if let Some(more) = next.reasoning_content {
        last.reasoning_content.get_or_insert_default().push_str(&more);
    }
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
