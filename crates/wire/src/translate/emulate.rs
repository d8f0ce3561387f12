//! A schema for models that know none.
//!
//! An older Claude cannot be bound to a JSON schema, but it can be made to call a tool whose arguments follow one. So
//! the schema becomes the only tool, its use is forced, and on the way back the call's arguments are the text of the
//! answer. That is possible only where no other tools stand in the request, and where the model can be forced.

use super::field::Field;
use super::neutral::{Output, Prompt, Tool, ToolChoice};
use super::notes::Notes;
use crate::quirks::Quirks;
use sluicegate_vocabulary::{Fault, Format};

/// The name of the tool.
pub const TOOL: &str = "sluicegate_json_answer";

/// Turns a schema that the model cannot follow into a forced tool. Returns whether it did.
///
/// # Errors
/// `Unsupported` where that is not possible, unless the caller is lenient.
pub fn schema(prompt: &mut Prompt, upstream: Format, quirks: &Quirks, notes: &mut Notes) -> Result<bool, Fault> {
    if upstream != Format::Messages || quirks.json_schema || !matches!(prompt.output, Output::JsonSchema { .. }) {
        return Ok(false);
    }
    if !quirks.forced_tool_choice || !prompt.tools.is_empty() {
        notes.refuse(
            Field::Output,
            "the chosen model cannot be bound to a JSON schema beside these tools; leave out the schema or the tools, or \
             choose a model with structured output",
        )?;
        prompt.output = Output::JsonObject;
        return Ok(false);
    }
    let Output::JsonSchema { description, schema, .. } = std::mem::take(&mut prompt.output) else { return Ok(false) };
    let description = description.unwrap_or_else(|| "Give the answer by calling this tool, once.".to_owned());
    prompt.tools.push(Tool {
        name: TOOL.to_owned(),
        description: Some(description),
        schema: Some(schema),
        strict: None,
    });
    prompt.tool_choice = Some(ToolChoice::Named(TOOL.to_owned()));
    prompt.parallel_tool_calls = Some(false);
    Ok(true)
}
