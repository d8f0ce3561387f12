//! Reading the parameters of a messages request; the conversation has a file of its own.

use super::conversation;
use crate::translate::json::{self, Object, first_byte};
use crate::translate::neutral::{Output, Prompt, Reasoning, Sampling, Tool, ToolChoice};
use crate::translate::notes::{Notes, bad_request, unsupported};
use sluicegate_vocabulary::{Fault, Format};

/// Members that say where a request goes, how it is cached or what is logged: nothing about its answer.
const SILENT: [&str; 5] = ["model", "cache_control", "diagnostics", "inference_geo", "anthropic_version"];

/// Members of a tool that tune how it is delivered, not what it is.
const SILENT_IN_TOOL: [&str; 4] = ["type", "cache_control", "defer_loading", "eager_input_streaming"];

/// Reads a client's request.
///
/// # Errors
/// The client's mistakes and what cannot be translated, each with its path.
pub fn read(body: &[u8], stream: Option<bool>, notes: &mut Notes) -> Result<Prompt, Fault> {
    let mut root = Object::request(body)?;
    let mut prompt = Prompt { source: Some(Format::Messages), ..Prompt::default() };
    prompt.system = system(&mut root)?;
    let messages = root
        .objects("messages")?
        .ok_or_else(|| bad_request("messages", "`messages` is missing; it must be a list of messages"))?;
    conversation::read(messages, &mut prompt, notes)?;
    tools(&mut root, &mut prompt, notes)?;
    prompt.max_output = root.u64("max_tokens")?;
    prompt.stop = root.strings("stop_sequences")?.unwrap_or_default();
    prompt.sampling = Sampling {
        temperature: root.f64("temperature")?,
        top_p: root.f64("top_p")?,
        top_k: root.u64("top_k")?,
        ..Sampling::default()
    };
    thinking(&mut root, &mut prompt)?;
    output(&mut root, &mut prompt, notes)?;
    prompt.stream = root.bool("stream")?.or(stream).unwrap_or(false);
    if let Some(mut metadata) = root.object("metadata")? {
        prompt.user = metadata.string("user_id")?;
    }
    prompt.service_tier = root.string("service_tier")?;
    for (key, why) in [
        ("mcp_servers", "tools of an MCP server are run by Anthropic itself; describe them as tools of your own"),
        ("container", "a container is kept by Anthropic itself and means nothing to the chosen provider"),
    ] {
        if root.raw(key).is_some() {
            notes.refuse_named(key, why)?;
        }
    }
    root.ignore(&SILENT);
    root.note_rest(notes)?;
    Ok(prompt)
}

/// `system`: a string, or text blocks.
fn system(root: &mut Object<'_>) -> Result<Vec<String>, Fault> {
    if root.has("system") {
        let parts = conversation::texts(root, "system")?;
        return Ok(parts.into_iter().filter(|text| !text.is_empty()).collect());
    }
    Ok(Vec::new())
}

fn tools(root: &mut Object<'_>, prompt: &mut Prompt, notes: &mut Notes) -> Result<(), Fault> {
    for mut tool in root.objects("tools")?.unwrap_or_default() {
        if let Some(kind) = tool.text("type")?.filter(|kind| kind != "custom") {
            let path = tool.at("type");
            notes.refuse_named(
                path,
                format!("the tool `{kind}` is run by Anthropic itself and cannot be carried to the chosen provider"),
            )?;
            continue;
        }
        prompt.tools.push(Tool {
            name: tool.required_string("name")?,
            description: tool.string("description")?,
            schema: tool.raw("input_schema").map(ToOwned::to_owned),
            strict: tool.bool("strict")?,
        });
        tool.ignore(&SILENT_IN_TOOL);
        tool.note_rest(notes)?;
    }
    let Some(mut choice) = root.object("tool_choice")? else { return Ok(()) };
    prompt.tool_choice = Some(match choice.required_string("type")?.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(choice.required_string("name")?),
        other => {
            let why = format!("`tool_choice.type` is `{other}`; it must be auto, any, tool or none");
            return Err(bad_request("tool_choice.type", why));
        }
    });
    if choice.bool("disable_parallel_tool_use")? == Some(true) {
        prompt.parallel_tool_calls = Some(false);
    }
    Ok(())
}

/// `thinking`, and the effort beside it in `output_config`.
fn thinking(root: &mut Object<'_>, prompt: &mut Prompt) -> Result<(), Fault> {
    let Some(mut thinking) = root.object("thinking")? else { return Ok(()) };
    let display = thinking.string("display")?;
    prompt.reasoning = Some(match thinking.required_string("type")?.as_str() {
        "disabled" => Reasoning::Disabled,
        "enabled" => thinking.u64("budget_tokens")?.map_or(Reasoning::Adaptive, Reasoning::Budget),
        "adaptive" | "between_tools" => Reasoning::Adaptive,
        other => {
            let why = format!("`thinking.type` is `{other}`; it must be enabled, disabled, adaptive or between_tools");
            return Err(bad_request("thinking.type", why));
        }
    });
    prompt.show_reasoning =
        Some(prompt.reasoning != Some(Reasoning::Disabled) && display.as_deref() != Some("omitted"));
    Ok(())
}

fn output(root: &mut Object<'_>, prompt: &mut Prompt, notes: &mut Notes) -> Result<(), Fault> {
    // The name it had in beta.
    let mut format = root.object("output_format")?;
    if let Some(mut config) = root.object("output_config")? {
        if let Some(effort) = config.string("effort")?
            && !matches!(prompt.reasoning, Some(Reasoning::Disabled | Reasoning::Budget(_)))
        {
            prompt.reasoning = Some(Reasoning::Effort(effort));
        }
        format = config.object("format")?.or(format);
        config.note_rest(notes)?;
    }
    let Some(mut format) = format else { return Ok(()) };
    let kind = format.required_string("type")?;
    if kind != "json_schema" {
        let path = format.at("type");
        let why = format!("`{path}` is `{kind}`; only `json_schema` is known");
        return Err(unsupported(path, why));
    }
    let path = format.at("schema");
    let schema = format.raw("schema").filter(|raw| first_byte(raw) == b'{');
    prompt.output = Output::JsonSchema {
        name: format.string("name")?,
        description: None,
        schema: schema.ok_or_else(|| json::mistyped(&path, "a JSON schema"))?.to_owned(),
        // Anthropic has no loose form: a schema is always kept.
        strict: Some(true),
    };
    Ok(())
}
