//! The conversation of a Gemini request: turns, parts, and the rules that tie function calls to their responses.

use std::borrow::Cow;

use serde_json::Value;

use super::field;
use super::read::invalid;
use crate::ask::Ask;
use crate::call::Shared;
use crate::picture::Picture;
use crate::refusal::{Outcome, Refusal};
use crate::seed;

/// The part of a seal that belongs to function calls.
pub(super) const CALL: &str = "call";

/// What a client may send instead of a signature when the call came from another provider.
const SKIP: [&str; 2] = ["skip_thought_signature_validator", "context_engineering_is_the_way_to_go"];

const KINDS: &[&str] =
    &["text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult"];

/// Takes the system instruction into `ask`: text only, in whatever wrapping.
pub(super) fn system(ask: &mut Ask<'_>, system: &Value) -> Outcome<()> {
    if let Some(text) = system.as_str() {
        ask.text(text);
        return Ok(());
    }
    let parts = field(system, "parts").map(|parts| parts.as_array().map_or(std::slice::from_ref(parts), Vec::as_slice));
    for (at, part) in parts.unwrap_or_default().iter().enumerate() {
        let text = part["text"].as_str();
        let text = text.ok_or_else(|| invalid(&format!("system_instruction.parts[{at}]"), "only text is supported"))?;
        ask.text(text);
    }
    Ok(())
}

/// Takes `contents` into `ask`.
pub(super) fn conversation<'v>(ask: &mut Ask<'v>, body: &'v Value, shared: &Shared) -> Outcome<()> {
    let list = match field(body, "contents") {
        Some(Value::Array(list)) if !list.is_empty() => list.as_slice(),
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => return Err(invalid("contents", "contents is not specified")),
    };
    let current = current_turn(list);
    // Function calls that the next turn has to answer.
    let mut open = 0;
    for (at, content) in list.iter().enumerate() {
        let role = field(content, "role").and_then(Value::as_str).unwrap_or("user");
        if !matches!(role, "user" | "model" | "function") {
            return Err(Refusal::bad("Please use a valid role: user, model."));
        }
        if at == 0 && role == "model" {
            return Err(Refusal::bad(
                "Please ensure that the first content has the role 'user' and that a function call turn comes immediately \
                 after a user turn or after a function response turn.",
            ));
        }
        let path = format!("contents[{at}].parts");
        let parts =
            field(content, "parts").map(|parts| parts.as_array().map_or(std::slice::from_ref(parts), Vec::as_slice));
        let parts = parts.filter(|parts| !parts.is_empty());
        let parts = parts.ok_or_else(|| invalid(&path, "contents.parts must not be empty."))?;
        ask.message();
        let turn = Turn { strict: at > current && ask.model.starts_with("gemini-3"), seed: shared.options.seed };
        let read = turn.read(ask, parts, role, &path)?;
        if role != "model" {
            if read.responses != open {
                return Err(Refusal::bad(
                    "Please ensure that the number of function response parts is equal to the number of function call \
                     parts of the function call turn.",
                ));
            }
            if read.texts.is_empty() && read.responses > 0 {
                ask.results = read.results;
            } else {
                ask.results.clear();
                ask.user = Cow::Owned(read.texts.join("\n"));
            }
        } else if open > 0 {
            return Err(Refusal::bad(
                "Please ensure that function response turn comes immediately after a function call turn.",
            ));
        } else {
            ask.results.clear();
        }
        open = read.calls;
        if shared.options.prompt_cache {
            ask.cut();
        }
    }
    if open > 0 {
        return Err(Refusal::bad(
            "Please ensure that function response turn comes immediately after a function call turn.",
        ));
    }
    Ok(())
}

/// Where the current turn begins: the last user content that is no function response. Only there signatures are
/// demanded.
fn current_turn(list: &[Value]) -> usize {
    let speaks = |content: &Value| {
        field(content, "role").is_none_or(|role| role == "user")
            && field(content, "parts")
                .and_then(Value::as_array)
                .is_none_or(|parts| parts.iter().any(|part| field(part, "functionResponse").is_none()))
    };
    list.iter().rposition(speaks).unwrap_or(0)
}

struct Turn {
    /// Function calls must be signed.
    strict: bool,
    seed: u64,
}

#[derive(Default)]
struct Read<'v> {
    calls: usize,
    responses: usize,
    results: Vec<String>,
    texts: Vec<&'v str>,
}

impl Turn {
    fn read<'v>(&self, ask: &mut Ask<'v>, parts: &'v [Value], role: &str, path: &str) -> Outcome<Read<'v>> {
        let mut out = Read::default();
        for (at, part) in parts.iter().enumerate() {
            let path = format!("{path}[{at}]");
            let mut kinds = KINDS.iter().filter_map(|kind| Some((*kind, field(part, kind)?)));
            let Some((kind, value)) = kinds.next() else {
                return Err(invalid(
                    &format!("{path}.data"),
                    "required oneof field 'data' must have one initialized field",
                ));
            };
            if kinds.next().is_some() {
                return Err(Refusal::bad(format!("Invalid value at '{path}': oneof field 'data' is already set.")));
            }
            match kind {
                "text" => {
                    let text = value.as_str();
                    let text = text.ok_or_else(|| {
                        Refusal::bad(format!("Invalid value at '{path}.text' (TYPE_STRING), {value}"))
                    })?;
                    if field(part, "thought") == Some(&Value::Bool(true)) {
                        continue;
                    }
                    ask.text(text);
                    if role != "model" {
                        out.texts.push(text);
                    }
                }
                "inlineData" => inline(ask, value, &path)?,
                "fileData" => {
                    let uri = field(value, "fileUri").and_then(Value::as_str);
                    let uri = uri.ok_or_else(|| invalid(&format!("{path}.file_data.file_uri"), "must be set"))?;
                    let kind = field(value, "mimeType").and_then(Value::as_str).unwrap_or("image/");
                    if kind.starts_with("image/") {
                        ask.picture(Picture::at(uri));
                    } else {
                        ask.text("(file)");
                    }
                }
                "functionCall" => {
                    self.signed(part, value, out.calls, &path)?;
                    ask.text(value["name"].as_str().unwrap_or_default());
                    ask.text(&value["args"].to_string());
                    out.calls += 1;
                }
                "functionResponse" => {
                    if value["name"].as_str().is_none_or(str::is_empty) {
                        return Err(invalid(&format!("{path}.function_response.name"), "Name cannot be empty."));
                    }
                    let response = value.get("response").filter(|response| response.is_object());
                    let response = response.ok_or_else(|| {
                        Refusal::bad(format!(
                            "Invalid value at '{path}.function_response.response' (type.googleapis.com/google.protobuf.Struct)"
                        ))
                    })?;
                    let only = ["output", "error", "result"].iter().find_map(|key| response.get(key)?.as_str());
                    let told = only.map_or_else(|| response.to_string(), str::to_owned);
                    ask.text(&told);
                    out.results.push(told);
                    out.responses += 1;
                }
                _ => {}
            }
        }
        Ok(out)
    }

    /// Refuses a function call whose signature is missing or not ours. Of parallel calls only the first has one.
    fn signed(&self, part: &Value, call: &Value, before: usize, path: &str) -> Outcome<()> {
        let name = call["name"].as_str().unwrap_or_default();
        match field(part, "thoughtSignature").and_then(Value::as_str) {
            Some(signature) if SKIP.contains(&signature) => Ok(()),
            // Clients write base64 in the URL's alphabet or the ordinary one.
            Some(signature) if signature.replace('-', "+").replace('_', "/") == self.seal(name, &call["args"]) => {
                Ok(())
            }
            Some(_) => Err(Refusal::bad("Corrupted thought signature.")),
            None if self.strict && before == 0 => Err(Refusal::bad(format!(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to work \
                 correctly, and missing thought_signature may lead to degraded model performance. Additional data, \
                 function call `{name}`, position {path}."
            ))),
            None => Ok(()),
        }
    }

    fn seal(&self, name: &str, args: &Value) -> String {
        seal(self.seed, name, args)
    }
}

/// The signature of a function call. It covers the arguments by meaning: their order may change on the way.
pub(super) fn seal(seed: u64, name: &str, args: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let mut names: Vec<&String> = fields.keys().collect();
                names.sort();
                names.into_iter().map(|name| (name.clone(), sorted(&fields[name]))).collect()
            }
            Value::Array(items) => items.iter().map(sorted).collect(),
            // 1.0 and 1 are the same number to a protobuf Struct.
            Value::Number(number) => Value::String(number.as_f64().unwrap_or_default().to_string()),
            other => other.clone(),
        }
    }
    seed::seal(seed, &[CALL, name, &sorted(args).to_string()])
}

fn inline(ask: &mut Ask<'_>, value: &Value, path: &str) -> Outcome<()> {
    let kind = field(value, "mimeType").and_then(Value::as_str);
    let kind = kind.ok_or_else(|| invalid(&format!("{path}.inline_data.mime_type"), "must be set"))?;
    let data = value["data"].as_str().unwrap_or_default().replace('-', "+").replace('_', "/");
    let picture = Picture::inline(kind, &data).ok_or_else(|| {
        Refusal::bad(format!("Invalid value at '{path}.inline_data.data' (TYPE_BYTES), Base64 decoding failed"))
    })?;
    if kind.starts_with("image/") {
        ask.picture(picture);
    } else {
        ask.text("(file)");
    }
    Ok(())
}
