//! Writing the Gemini request a provider gets.
//!
//! Results follow the order of the calls they answer, because Gemini knows no other bond between the two; ids are left
//! out. A call that another provider made has no thought signature, and the models that insist on one are given the
//! word that Google reserves for such a history.

use crate::quirks::{Quirks, Thinking};
use crate::translate::field::Field;
use crate::translate::json::{Number, is_object, to_vec};
use crate::translate::neutral::{Media, Output, Part, Prompt, Reasoning, Role, Tool, ToolCall, ToolChoice, ToolResult};
use crate::translate::notes::Notes;
use crate::translate::{Target, effort, schema, seal};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sluicegate_vocabulary::{Fault, Format};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<System<'a>>,
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<[Declarations<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation_config: Option<Config<'a>>,
}

#[derive(Serialize)]
struct System<'a> {
    parts: Vec<Piece<'a>>,
}

#[derive(Serialize)]
struct Content<'a> {
    role: &'static str,
    parts: Vec<Piece<'a>>,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Piece<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inline_data: Option<Blob<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_data: Option<File<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_response: Option<Answer<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Blob<'a> {
    mime_type: &'a str,
    data: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'a str>,
    file_uri: &'a str,
}

#[derive(Serialize)]
struct Call<'a> {
    name: &'a str,
    args: &'a RawValue,
}

#[derive(Serialize)]
struct Answer<'a> {
    name: &'a str,
    response: Outcome,
    #[serde(skip)]
    id: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Object(Box<RawValue>),
    Output { output: String },
    Error { error: String },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Declarations<'a> {
    function_declarations: Vec<Declaration<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Declaration<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig<'a> {
    function_calling_config: Calling<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Calling<'a> {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_function_names: Option<&'a [String]>,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_sequences: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_schema: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<ThinkingConfig>,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct ThinkingConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    include_thoughts: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<String>,
}

/// Stands for the signature of a call that no Gemini model made. Google's own word.
const FOREIGN: &str = "skip_thought_signature_validator";

/// Stop strings Gemini takes at most.
const MAX_STOP: usize = 5;

/// Addresses that Gemini reads itself.
const READABLE: [&str; 2] = ["gs://", "https://generativelanguage.googleapis.com/"];

/// The smallest budget that models which cannot stop thinking accept. Tokens.
const LEAST_BUDGET: i64 = 128;

/// Writes the request a provider gets.
///
/// # Errors
/// What this format, or this model, cannot say.
pub fn write(prompt: &Prompt, target: &Target<'_>, notes: &mut Notes) -> Result<Vec<u8>, Fault> {
    let quirks = target.quirks;
    note_what_is_lost(prompt, notes)?;
    let system: Vec<_> = prompt.system.iter().filter(|text| !text.is_empty()).map(|text| text_piece(text)).collect();
    let body = Body {
        system_instruction: (!system.is_empty()).then_some(System { parts: system }),
        contents: contents(prompt, quirks, notes)?,
        tools: tools(prompt, quirks, notes)?,
        tool_config: tool_choice(prompt, quirks, notes)?
            .map(|function_calling_config| ToolConfig { function_calling_config }),
        generation_config: config(prompt, quirks, notes)?,
    };
    to_vec(&body)
}

fn note_what_is_lost(prompt: &Prompt, notes: &mut Notes) -> Result<(), Fault> {
    if prompt.logprobs.is_some() {
        notes.refuse(Field::Logprobs, "log probabilities cannot be translated from Gemini")?;
    }
    let lost = [
        (prompt.sampling.logit_bias.is_some(), Field::LogitBias),
        (prompt.parallel_tool_calls == Some(false) && !prompt.tools.is_empty(), Field::ParallelToolCalls),
        (prompt.verbosity.is_some(), Field::Verbosity),
        (prompt.turns.iter().any(|turn| turn.name.is_some()), Field::ParticipantName),
    ];
    for (given, field) in lost {
        if given {
            notes.drop(field)?;
        }
    }
    if prompt.turns.iter().any(|turn| turn.role == Role::System) {
        notes.drop_named(format!("{}.role", Field::Turns.path(notes.client())))?;
    }
    if prompt.tools.iter().any(|tool| tool.strict == Some(true)) {
        notes.drop_named("tools.strict")?;
    }
    Ok(())
}

fn text_piece(text: &str) -> Piece<'_> {
    Piece { text: Some(text), ..Piece::default() }
}

fn contents<'a>(prompt: &'a Prompt, quirks: &Quirks, notes: &mut Notes) -> Result<Vec<Content<'a>>, Fault> {
    let mut contents: Vec<Content<'a>> = Vec::with_capacity(prompt.turns.len());
    // The calls of the last turn that made any, in order.
    let mut calls: Vec<&str> = Vec::new();
    for turn in &prompt.turns {
        let (role, parts) = match turn.role {
            Role::Assistant => {
                let parts = model_parts(&turn.parts, quirks, notes)?;
                if turn.parts.iter().any(|part| matches!(part, Part::ToolCall(_))) {
                    calls = turn.parts.iter().filter_map(call_id).collect();
                }
                ("model", parts)
            }
            Role::User | Role::System => ("user", user_parts(&turn.parts, &calls, notes)?),
        };
        match contents.last_mut() {
            _ if parts.is_empty() => {}
            Some(last) if last.role == role => last.parts.extend(parts),
            _ => contents.push(Content { role, parts }),
        }
    }
    match contents.first() {
        Some(first) if first.role == "user" => Ok(contents),
        Some(_) => Err(notes.fault(
            Field::Turns,
            "the conversation begins with the assistant, and Gemini wants it to begin with the user",
        )),
        None => Err(notes.fault(Field::Turns, "the conversation is empty; send at least one message with content")),
    }
}

fn call_id(part: &Part) -> Option<&str> {
    match part {
        Part::ToolCall(call) => Some(&call.id),
        _ => None,
    }
}

fn model_parts<'a>(parts: &'a [Part], quirks: &Quirks, notes: &mut Notes) -> Result<Vec<Piece<'a>>, Fault> {
    let mut pieces = Vec::with_capacity(parts.len());
    let mut first_call = true;
    for part in parts {
        match part {
            Part::Text(text) | Part::Refusal(text) if text.is_empty() => {}
            Part::Text(text) | Part::Refusal(text) => pieces.push(text_piece(text)),
            Part::Thinking { text, signature } => {
                // Another provider's thinking means nothing here; Gemini's own goes back as it came.
                if let Some(signature) = seal::native(signature.as_ref(), Format::Generate) {
                    pieces.push(Piece {
                        text: Some(text),
                        thought: (!text.is_empty()).then_some(true),
                        thought_signature: Some(signature),
                        ..Piece::default()
                    });
                }
            }
            Part::RedactedThinking(_) => {}
            Part::ToolCall(call) => {
                let own = seal::native(call.signature.as_ref(), Format::Generate);
                let needed = quirks.thought_signatures && std::mem::replace(&mut first_call, false);
                pieces.push(Piece {
                    function_call: Some(function_call(call, notes)?),
                    thought_signature: own.or(needed.then_some(FOREIGN)),
                    ..Piece::default()
                });
            }
            other => pieces.push(medium(other, notes)?),
        }
    }
    Ok(pieces)
}

fn function_call<'a>(call: &'a ToolCall, notes: &Notes) -> Result<Call<'a>, Fault> {
    let args = serde_json::from_str(&call.arguments).map_err(|_| {
        notes.fault(Field::Turns, format!("the arguments of the earlier call of `{}` are not a JSON object", call.name))
    })?;
    Ok(Call { name: &call.name, args })
}

/// Results first, in the order of their calls; then what they hold beside text; then the rest.
fn user_parts<'a>(parts: &'a [Part], calls: &[&str], notes: &mut Notes) -> Result<Vec<Piece<'a>>, Fault> {
    let (mut results, mut media, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        match part {
            Part::ToolResult(result) => results.push(tool_result(result, &mut media, notes)?),
            Part::Text(text) | Part::Refusal(text) if text.is_empty() => {}
            Part::Text(text) | Part::Refusal(text) => rest.push(text_piece(text)),
            other => rest.push(medium(other, notes)?),
        }
    }
    results.sort_by_key(|result| calls.iter().position(|id| *id == result.id));
    let results = results.into_iter().map(|result| Piece { function_response: Some(result), ..Piece::default() });
    Ok(results.chain(media).chain(rest).collect())
}

fn tool_result<'a>(result: &'a ToolResult, media: &mut Vec<Piece<'a>>, notes: &mut Notes) -> Result<Answer<'a>, Fault> {
    let mut texts = Vec::new();
    for part in &result.parts {
        match part {
            Part::Text(text) | Part::Refusal(text) => texts.push(text.as_str()),
            Part::Document { source: Media::Text(text), .. } => texts.push(text),
            other => media.push(medium(other, notes)?),
        }
    }
    let text = texts.join("\n");
    let response = if result.is_error {
        Outcome::Error { error: text }
    } else {
        match RawValue::from_string(text) {
            Ok(raw) if is_object(raw.get()) => Outcome::Object(raw),
            Ok(_) | Err(_) => Outcome::Output { output: texts.join("\n") },
        }
    };
    Ok(Answer { name: result.name.as_deref().unwrap_or_default(), response, id: &result.id })
}

fn medium<'a>(part: &'a Part, notes: &mut Notes) -> Result<Piece<'a>, Fault> {
    let (Part::Image { source, .. } | Part::Audio { source } | Part::Document { source, .. }) = part else {
        return Err(notes.fault(Field::Turns, "a message holds a part that cannot stand there"));
    };
    Ok(match source {
        Media::Base64 { mime, data } => Piece { inline_data: Some(Blob { mime_type: mime, data }), ..Piece::default() },
        Media::Text(text) => text_piece(text),
        Media::Url { url, mime } if READABLE.iter().any(|start| url.starts_with(start)) => {
            let file = File { mime_type: mime.as_deref().filter(|mime| !mime.contains('*')), file_uri: url };
            Piece { file_data: Some(file), ..Piece::default() }
        }
        Media::Url { .. } => {
            return Err(notes.fault(
                Field::Turns,
                "Gemini does not fetch media from the web; send the bytes as base64 instead of an address",
            ));
        }
        Media::File(id) => {
            return Err(notes.fault(
                Field::Turns,
                format!("the file `{id}` lies with another provider than the chosen one; send its bytes"),
            ));
        }
    })
}

fn tools<'a>(prompt: &'a Prompt, quirks: &Quirks, notes: &mut Notes) -> Result<Option<[Declarations<'a>; 1]>, Fault> {
    if prompt.tools.is_empty() {
        return Ok(None);
    }
    let mut function_declarations = Vec::with_capacity(prompt.tools.len());
    for tool in &prompt.tools {
        function_declarations.push(declaration(tool, quirks, notes)?);
    }
    Ok(Some([Declarations { function_declarations }]))
}

fn declaration<'a>(tool: &'a Tool, quirks: &Quirks, notes: &mut Notes) -> Result<Declaration<'a>, Fault> {
    let (parameters, parameters_json_schema) = match &tool.schema {
        Some(schema) if quirks.whole_schemas => (None, Some(schema.as_ref())),
        Some(schema) => (cleaned(schema, Field::Tools, notes)?, None),
        None => (None, None),
    };
    let description = tool.description.as_deref();
    Ok(Declaration { name: &tool.name, description, parameters, parameters_json_schema })
}

/// A schema for a model that takes the OpenAPI subset only.
fn cleaned(raw: &RawValue, field: Field, notes: &mut Notes) -> Result<Option<Value>, Fault> {
    let Some((clean, lost)) = schema::to_openapi(raw) else {
        notes.refuse(field, "the chosen Gemini model takes no schema that refers to itself or to another document")?;
        return Ok(None);
    };
    if lost {
        notes.drop(field)?;
    }
    Ok(Some(clean))
}

fn tool_choice<'a>(prompt: &'a Prompt, quirks: &Quirks, notes: &mut Notes) -> Result<Option<Calling<'a>>, Fault> {
    let Some(choice) = &prompt.tool_choice else { return Ok(None) };
    let (mode, allowed) = match choice {
        ToolChoice::Auto => ("AUTO", None),
        ToolChoice::None => ("NONE", None),
        ToolChoice::Required => ("ANY", None),
        ToolChoice::Named(name) => ("ANY", Some(std::slice::from_ref(name))),
        ToolChoice::Allowed { names, required: true } => ("ANY", Some(names.as_slice())),
        ToolChoice::Allowed { names, required: false } => ("VALIDATED", Some(names.as_slice())),
    };
    if mode == "ANY" && !quirks.forced_tool_choice {
        notes.refuse(Field::ToolChoice, "the chosen model cannot be forced to call a tool; use `auto`")?;
        return Ok(None);
    }
    Ok(Some(Calling { mode, allowed_function_names: allowed }))
}

fn config<'a>(prompt: &'a Prompt, quirks: &Quirks, notes: &mut Notes) -> Result<Option<Config<'a>>, Fault> {
    let sampling = &prompt.sampling;
    let mut config = Config {
        candidate_count: candidates(prompt, notes)?,
        max_output_tokens: prompt.max_output,
        stop_sequences: stop(prompt, notes)?,
        seed: sampling.seed,
        presence_penalty: sampling.presence_penalty.map(Number),
        frequency_penalty: sampling.frequency_penalty.map(Number),
        thinking_config: thinking(prompt, quirks, notes)?,
        ..Config::default()
    };
    if let (Some(asked), Some(most)) = (prompt.max_output, quirks.max_output)
        && asked > most
    {
        notes.drop(Field::MaxOutput)?;
        config.max_output_tokens = Some(most);
    }
    if quirks.sampling_params {
        if sampling.temperature.is_some_and(|asked| asked > quirks.temperature_max) {
            notes.drop(Field::Temperature)?;
        }
        config.temperature = sampling.temperature.map(|asked| Number(asked.min(quirks.temperature_max)));
        config.top_p = sampling.top_p.map(Number);
        config.top_k = sampling.top_k;
    } else {
        let given = [
            (sampling.temperature.is_some(), Field::Temperature),
            (sampling.top_p.is_some(), Field::TopP),
            (sampling.top_k.is_some(), Field::TopK),
        ];
        for (_, field) in given.into_iter().filter(|(given, _)| *given) {
            notes.drop(field)?;
        }
    }
    match &prompt.output {
        Output::Text => {}
        Output::JsonObject => config.response_mime_type = Some("application/json"),
        Output::JsonSchema { .. } if !quirks.json_schema => {
            notes.refuse(Field::Output, "the chosen model cannot bind its output to a schema")?;
        }
        Output::JsonSchema { schema, .. } => {
            config.response_mime_type = Some("application/json");
            if quirks.whole_schemas {
                config.response_json_schema = Some(schema);
            } else {
                config.response_schema = cleaned(schema, Field::Output, notes)?;
            }
        }
    }
    let said_nothing = serde_json::to_string(&config).is_ok_and(|text| text == "{}");
    Ok((!said_nothing).then_some(config))
}

fn candidates(prompt: &Prompt, notes: &mut Notes) -> Result<Option<u32>, Fault> {
    match prompt.answers {
        None | Some(1) => Ok(None),
        Some(_) if prompt.stream => {
            notes.refuse(
                Field::Answers,
                "Gemini streams one answer at a time; ask without streaming, or several times",
            )?;
            Ok(None)
        }
        answers => Ok(answers),
    }
}

fn stop<'a>(prompt: &'a Prompt, notes: &mut Notes) -> Result<Option<&'a [String]>, Fault> {
    if prompt.stop.len() > MAX_STOP {
        notes.refuse(Field::Stop, "Gemini takes at most five stop strings")?;
    }
    Ok(prompt.stop.get(..prompt.stop.len().min(MAX_STOP)).filter(|stop| !stop.is_empty()))
}

fn thinking(prompt: &Prompt, quirks: &Quirks, notes: &mut Notes) -> Result<Option<ThinkingConfig>, Fault> {
    if quirks.thinking == Thinking::None {
        if !matches!(prompt.reasoning, None | Some(Reasoning::Disabled | Reasoning::Adaptive)) {
            notes.drop(Field::Reasoning)?;
        }
        return Ok(None);
    }
    let mut config =
        ThinkingConfig { include_thoughts: prompt.show_reasoning.filter(|shown| *shown), ..ThinkingConfig::default() };
    match (&prompt.reasoning, quirks.thinking == Thinking::Level) {
        (None, _) | (Some(Reasoning::Adaptive), true) => {}
        (Some(Reasoning::Adaptive), false) => config.thinking_budget = Some(-1),
        (Some(Reasoning::Disabled), false) if quirks.disable_thinking => config.thinking_budget = Some(0),
        (Some(Reasoning::Disabled), false) => {
            notes.drop(Field::Reasoning)?;
            config.thinking_budget = Some(LEAST_BUDGET);
        }
        (Some(Reasoning::Disabled), true) => {
            notes.drop(Field::Reasoning)?;
            config.thinking_level = Some(level("minimal", quirks));
        }
        (Some(Reasoning::Effort(effort)), true) => config.thinking_level = Some(level(effort, quirks)),
        (Some(Reasoning::Effort(effort)), false) => {
            config.thinking_budget = i64::try_from(effort::to_budget(effort)).ok();
        }
        (Some(Reasoning::Budget(tokens)), true) => {
            config.thinking_level = Some(level(effort::of_budget(*tokens), quirks));
        }
        (Some(Reasoning::Budget(tokens)), false) => config.thinking_budget = i64::try_from(*tokens).ok(),
    }
    let said = config.include_thoughts.is_some() || config.thinking_budget.is_some() || config.thinking_level.is_some();
    Ok(said.then_some(config))
}

fn level(effort: &str, quirks: &Quirks) -> String {
    effort::nearest(effort, &quirks.efforts).to_ascii_uppercase()
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
