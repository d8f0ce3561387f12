//! What must hold of a request whoever it is for.
//!
//! Each of these would be refused by every provider, after the whole conversation had been sent and in words about
//! a body the caller never saw.

use super::field::Field;
use super::json;
use super::neutral::{Part, Prompt, ToolChoice};
use super::notes::{Notes, bad_request};
use sluicegate_vocabulary::{Fault, Format};

/// Checks the request before anything is made of it.
///
/// # Errors
/// `BadRequest` with the path of the field.
pub fn request(prompt: &Prompt, upstream: Format, notes: &Notes) -> Result<(), Fault> {
    let path = |field: Field| field.path(notes.client());
    if prompt.turns.is_empty() {
        let path = path(Field::Turns);
        return Err(bad_request(path, format!("`{path}` holds no message that a model could answer")));
    }
    if let Some(choice) = &prompt.tool_choice {
        let path = path(Field::ToolChoice);
        if prompt.tools.is_empty() {
            return Err(bad_request(path, format!("`{path}` is only allowed beside `tools`")));
        }
        let unknown = |name: &&String| !prompt.tools.iter().any(|tool| tool.name == **name);
        let missing = match choice {
            ToolChoice::Named(name) => Some(name).filter(unknown),
            ToolChoice::Allowed { names, .. } => names.iter().find(unknown),
            _ => None,
        };
        if let Some(name) = missing {
            return Err(bad_request(path, format!("`{path}` names the tool `{name}`, which is not among `tools`")));
        }
    }
    // These two carry arguments as an object; the others as text, in which a model's mistakes may stand.
    if matches!(upstream, Format::Messages | Format::Generate) {
        for part in prompt.turns.iter().flat_map(|turn| &turn.parts) {
            if let Part::ToolCall(call) = part
                && !json::is_object(&call.arguments)
            {
                let path = path(Field::Turns);
                let why = format!("the arguments of an earlier call of `{}` are not a JSON object", call.name);
                return Err(bad_request(path, why));
            }
        }
    }
    Ok(())
}
