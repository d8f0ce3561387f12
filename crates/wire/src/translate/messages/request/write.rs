//! Writing a messages request.
//!
//! Anthropic's models differ more than any other family's in what they refuse, so almost every rule here asks the
//! model's quirks. What is a hint (a temperature, an effort) is brought into the range the model takes and named; what
//! is a promise (a forced tool, a schema, several answers) is refused where the model cannot keep it.

use super::turns;
use crate::quirks::{Quirks, Thinking};
use crate::translate::field::Field;
use crate::translate::json::{self, Number, Object, Side};
use crate::translate::messages::schema;
use crate::translate::neutral::{Output, Part, Prompt, Reasoning, Role, Tool, ToolChoice};
use crate::translate::notes::Notes;
use crate::translate::{Target, effort};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sluicegate_vocabulary::{Fault, Format};
use std::borrow::Cow;

/// The least budget of thinking that Anthropic accepts. Tokens.
const MIN_BUDGET: u64 = 1_024;

/// What stands in for Anthropic's missing mode of free JSON.
const JSON_INSTRUCTION: &str = "Answer with one JSON object and nothing else: no prose, no code fences.";

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<Value>,
    messages: Vec<turns::Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolEntry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
}

#[derive(Serialize)]
struct ToolEntry<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: Cow<'a, RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// Writes the request a provider gets.
///
/// # Errors
/// What this format, or this model, cannot say.
pub fn write(prompt: &Prompt, target: &Target<'_>, notes: &mut Notes) -> Result<Vec<u8>, Fault> {
    let quirks = target.quirks;
    refuse_unknown(prompt, notes)?;
    let max_tokens = max_tokens(prompt, quirks, notes)?;
    let (messages, late_system) = turns::write(prompt, quirks, notes)?;
    let tool_choice = tool_choice(prompt, quirks, notes)?;
    let thinking = thinking(prompt, quirks, max_tokens, tool_choice.as_ref(), notes)?;
    let (temperature, top_p, top_k) = sampling(prompt, quirks, thinking.restricts_sampling, notes)?;
    let body = Body {
        model: target.model,
        max_tokens,
        system: system(prompt, late_system, notes)?,
        messages,
        tools: tools(prompt, notes)?,
        tool_choice,
        thinking: thinking.mode,
        output_config: output_config(prompt, thinking.effort, notes)?,
        temperature,
        top_p,
        top_k,
        stop_sequences: stop_sequences(prompt, notes)?,
        service_tier: service_tier(prompt, notes)?,
        stream: prompt.stream,
    };
    json::to_vec(&body)
}

/// Fields of the neutral form for which Anthropic has no word.
fn refuse_unknown(prompt: &Prompt, notes: &mut Notes) -> Result<(), Fault> {
    if prompt.answers.is_some_and(|n| n > 1) {
        notes.refuse(Field::Answers, "the chosen provider gives one answer to a request; send it several times")?;
    }
    if prompt.logprobs.is_some() {
        notes.refuse(Field::Logprobs, "the chosen provider does not tell log probabilities")?;
    }
    let sampling = &prompt.sampling;
    for (sent, field) in [
        (sampling.seed.is_some(), Field::Seed),
        (sampling.presence_penalty.is_some_and(|p| p != 0.0), Field::PresencePenalty),
        (sampling.frequency_penalty.is_some_and(|p| p != 0.0), Field::FrequencyPenalty),
        (sampling.logit_bias.is_some(), Field::LogitBias),
        (prompt.verbosity.as_deref().is_some_and(|v| v != "medium"), Field::Verbosity),
    ] {
        if sent {
            notes.drop(field)?;
        }
    }
    Ok(())
}

fn max_tokens(prompt: &Prompt, quirks: &Quirks, notes: &mut Notes) -> Result<u64, Fault> {
    match (prompt.max_output, quirks.max_output) {
        (Some(wanted), Some(most)) if wanted > most => {
            notes.drop(Field::MaxOutput)?;
            Ok(most)
        }
        (Some(wanted), _) => Ok(wanted),
        (None, Some(most)) => Ok(quirks.default_max_output.min(most)),
        (None, None) => Ok(quirks.default_max_output),
    }
}

fn system(prompt: &Prompt, late: Vec<&str>, notes: &mut Notes) -> Result<Option<Value>, Fault> {
    let mut texts: Vec<&str> = prompt.system.iter().map(String::as_str).chain(late).filter(|t| !t.is_empty()).collect();
    if matches!(prompt.output, Output::JsonObject) {
        notes.drop(Field::Output)?;
        texts.push(JSON_INSTRUCTION);
    }
    Ok(match texts.as_slice() {
        [] => None,
        [one] => Some(json!(one)),
        many => Some(many.iter().map(|text| json!({"type": "text", "text": text})).collect()),
    })
}

fn tools<'a>(prompt: &'a Prompt, notes: &mut Notes) -> Result<Vec<ToolEntry<'a>>, Fault> {
    let allowed = match &prompt.tool_choice {
        Some(ToolChoice::Allowed { names, .. }) => {
            // A smaller list of tools is another beginning of the prompt, and caches notice.
            notes.drop_named(format!("{}.allowed_tools", Field::ToolChoice.path(notes.client())))?;
            Some(names)
        }
        _ => None,
    };
    let mut entries = Vec::with_capacity(prompt.tools.len());
    for tool in prompt.tools.iter().filter(|tool| allowed.is_none_or(|names| names.contains(&tool.name))) {
        entries.push(ToolEntry {
            name: &tool.name,
            description: tool.description.as_deref(),
            input_schema: input_schema(tool)?,
            strict: tool.strict.filter(|strict| *strict),
        });
    }
    Ok(entries)
}

/// The schema of the arguments. Anthropic insists on an object, which OpenAI lets callers leave unsaid.
fn input_schema(tool: &Tool) -> Result<Cow<'_, RawValue>, Fault> {
    let Some(schema) = tool.schema.as_deref() else { return raw("{\"type\":\"object\",\"properties\":{}}".to_owned()) };
    let Some(object) = Object::parse(schema, String::new(), Side::Upstream)? else {
        return raw("{\"type\":\"object\",\"properties\":{}}".to_owned());
    };
    if object.has("type") {
        return Ok(Cow::Borrowed(schema));
    }
    if object.rest().next().is_none() {
        return raw("{\"type\":\"object\",\"properties\":{}}".to_owned());
    }
    let rest = schema.get().trim_start().strip_prefix('{').unwrap_or_default();
    raw(format!("{{\"type\":\"object\",{rest}"))
}

fn raw(text: String) -> Result<Cow<'static, RawValue>, Fault> {
    RawValue::from_string(text).map(Cow::Owned).map_err(|e| {
        Fault::new(sluicegate_vocabulary::FaultKind::Internal, format!("a tool's schema could not be written: {e}"))
    })
}

fn tool_choice(prompt: &Prompt, quirks: &Quirks, notes: &mut Notes) -> Result<Option<Value>, Fault> {
    if prompt.tools.is_empty() {
        return Ok(None);
    }
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
        return Ok(single(prompt, json!({"type": "auto"})));
    }
    let choice = match &prompt.tool_choice {
        Some(ToolChoice::None) => return Ok(Some(json!({"type": "none"}))),
        None if prompt.parallel_tool_calls != Some(false) => return Ok(None),
        None | Some(ToolChoice::Auto | ToolChoice::Allowed { required: false, .. }) => json!({"type": "auto"}),
        Some(ToolChoice::Required | ToolChoice::Allowed { required: true, .. }) => json!({"type": "any"}),
        Some(ToolChoice::Named(name)) => json!({"type": "tool", "name": name}),
    };
    Ok(single(prompt, choice))
}

/// Adds that at most one call is wanted.
fn single(prompt: &Prompt, mut choice: Value) -> Option<Value> {
    if prompt.parallel_tool_calls == Some(false)
        && let Some(fields) = choice.as_object_mut()
    {
        fields.insert("disable_parallel_tool_use".to_owned(), json!(true));
    }
    Some(choice)
}

/// How the model is told to think.
#[derive(Default)]
struct Thought<'a> {
    mode: Option<Value>,
    effort: Option<&'a str>,
    /// With a budget, sampling must be left alone.
    restricts_sampling: bool,
}

fn thinking<'a>(
    prompt: &'a Prompt,
    quirks: &'a Quirks,
    max_tokens: u64,
    tool_choice: Option<&Value>,
    notes: &mut Notes,
) -> Result<Thought<'a>, Fault> {
    let Some(wanted) = &prompt.reasoning else { return Ok(Thought::default()) };
    let known = &quirks.efforts;
    match (quirks.thinking, wanted) {
        (Thinking::None | Thinking::Effort | Thinking::Level | Thinking::Switch, _) => {
            if matches!(wanted, Reasoning::Effort(_) | Reasoning::Budget(_)) {
                notes.drop(Field::Reasoning)?;
            }
            Ok(Thought::default())
        }
        (_, Reasoning::Disabled) if quirks.disable_thinking => {
            Ok(Thought { mode: Some(json!({"type": "disabled"})), ..Thought::default() })
        }
        (_, Reasoning::Disabled) => {
            notes.drop(Field::Reasoning)?;
            Ok(Thought { effort: known.first().map(String::as_str), ..Thought::default() })
        }
        (Thinking::Budget, wanted) => budget(prompt, wanted, max_tokens, tool_choice, notes),
        (Thinking::Adaptive | Thinking::BetweenTools, wanted) => {
            let effort = match wanted {
                Reasoning::Effort(word) => Some(effort::nearest(word, known)),
                Reasoning::Budget(tokens) => Some(effort::nearest(effort::of_budget(*tokens), known)),
                Reasoning::Adaptive | Reasoning::Disabled => None,
            };
            let word = if quirks.thinking == Thinking::Adaptive { "adaptive" } else { "between_tools" };
            let mut mode = json!({"type": word});
            if prompt.show_reasoning == Some(true)
                && quirks.thinking == Thinking::Adaptive
                && let Some(fields) = mode.as_object_mut()
            {
                fields.insert("display".to_owned(), json!("summarized"));
            }
            Ok(Thought { mode: Some(mode), effort, restricts_sampling: false })
        }
    }
}

fn budget<'a>(
    prompt: &Prompt,
    wanted: &Reasoning,
    max_tokens: u64,
    tool_choice: Option<&Value>,
    notes: &mut Notes,
) -> Result<Thought<'a>, Fault> {
    let tokens = match wanted {
        Reasoning::Budget(tokens) => *tokens,
        Reasoning::Effort(word) => effort::to_budget(word),
        Reasoning::Adaptive | Reasoning::Disabled => effort::to_budget("medium"),
    };
    // Half the room at most: the answer needs the rest.
    let tokens = tokens.max(MIN_BUDGET).min(max_tokens / 2);
    let forced = tool_choice.is_some_and(|choice| choice["type"] == "any" || choice["type"] == "tool");
    if tokens < MIN_BUDGET || forced || unsigned_tool_turn(prompt) {
        notes.drop(Field::Reasoning)?;
        return Ok(Thought::default());
    }
    let mode = json!({"type": "enabled", "budget_tokens": tokens});
    Ok(Thought { mode: Some(mode), effort: None, restricts_sampling: true })
}

/// Whether the turn whose tools have just been run lacks the signed thinking that Anthropic then insists on: it was
/// made by another provider, or its thinking was lost on the way.
fn unsigned_tool_turn(prompt: &Prompt) -> bool {
    let answered = prompt.turns.last().is_some_and(|turn| {
        turn.role == Role::User && turn.parts.iter().any(|part| matches!(part, Part::ToolResult(_)))
    });
    let signed = |part: &Part| match part {
        Part::Thinking { signature, .. } => signature.as_ref().is_some_and(|s| s.from == Format::Messages),
        Part::RedactedThinking(_) => true,
        _ => false,
    };
    answered
        && prompt
            .turns
            .iter()
            .rfind(|turn| turn.role == Role::Assistant)
            .is_some_and(|turn| !turn.parts.iter().any(signed))
}

type Sampled = (Option<Number>, Option<Number>, Option<u64>);

fn sampling(prompt: &Prompt, quirks: &Quirks, restricted: bool, notes: &mut Notes) -> Result<Sampled, Fault> {
    let sampling = &prompt.sampling;
    // 1 is what every model does when it is not told.
    let mut temperature = sampling.temperature.filter(|t| *t != 1.0);
    let mut top_p = sampling.top_p.filter(|p| *p != 1.0);
    let mut top_k = sampling.top_k;
    if !quirks.sampling_params || restricted {
        for (sent, field) in [
            (temperature.take().is_some(), Field::Temperature),
            (top_p.take().is_some(), Field::TopP),
            (top_k.take().is_some(), Field::TopK),
        ] {
            if sent {
                notes.drop(field)?;
            }
        }
        return Ok((None, None, None));
    }
    if sampling.temperature == Some(1.0) {
        temperature = Some(1.0);
    }
    if temperature.is_some_and(|t| t > quirks.temperature_max) {
        notes.drop(Field::Temperature)?;
        temperature = Some(quirks.temperature_max);
    }
    if temperature.is_some() && top_p.is_some() && !quirks.temperature_with_top_p {
        notes.drop(Field::TopP)?;
        top_p = None;
    }
    Ok((temperature.map(Number), top_p.map(Number), top_k))
}

fn output_config(prompt: &Prompt, effort: Option<&str>, notes: &mut Notes) -> Result<Option<Value>, Fault> {
    let mut config = serde_json::Map::new();
    if let Some(effort) = effort {
        config.insert("effort".to_owned(), json!(effort));
    }
    if let Output::JsonSchema { schema: text, .. } = &prompt.output {
        let mut schema: Value = serde_json::from_str(text.get()).map_err(|_| {
            notes.fault(Field::Output, "the schema of the answer is not valid JSON, or too deeply nested")
        })?;
        for keyword in schema::close(&mut schema) {
            notes.drop_named(format!("{}.{keyword}", Field::Output.path(notes.client())))?;
        }
        config.insert("format".to_owned(), json!({"type": "json_schema", "schema": schema}));
    }
    Ok((!config.is_empty()).then_some(Value::Object(config)))
}

fn stop_sequences<'a>(prompt: &'a Prompt, notes: &mut Notes) -> Result<Vec<&'a str>, Fault> {
    let mut kept = Vec::with_capacity(prompt.stop.len());
    for stop in &prompt.stop {
        if stop.trim().is_empty() {
            notes.drop(Field::Stop)?;
        } else {
            kept.push(stop.as_str());
        }
    }
    Ok(kept)
}

fn service_tier<'a>(prompt: &'a Prompt, notes: &mut Notes) -> Result<Option<&'a str>, Fault> {
    match (&prompt.service_tier, prompt.source) {
        (Some(tier), Some(Format::Messages)) => Ok(Some(tier)),
        (Some(tier), _) if tier == "flex" || tier == "priority" => {
            notes.drop(Field::ServiceTier)?;
            Ok(None)
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
