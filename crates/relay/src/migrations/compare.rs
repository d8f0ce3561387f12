//! Reading two answers to the same call, whatever form they came in, as far as they are compared.
//!
//! Both are in the client's own format by the time they get here, whole or as a stream of events; so there are two formats
//! to read, each in two forms. What cannot be read compares as an answer without words.

use serde::Deserialize;
use sluicegate_migration::mirror::Answer;
use sluicegate_vocabulary::Endpoint;

/// Whether answers of an endpoint can be compared.
pub(super) const fn is_read(endpoint: Endpoint) -> bool {
    matches!(endpoint, Endpoint::ChatCompletions | Endpoint::Messages)
}

/// Why it ended, its text, and the tools it calls.
pub(super) fn read(endpoint: Endpoint, status: u16, body: &[u8]) -> Answer {
    let mut answer = Answer { status, ..Answer::default() };
    if body.trim_ascii_start().first() == Some(&b'{') {
        take(endpoint, body, &mut answer);
        return answer;
    }
    for line in body.split(|byte| *byte == b'\n') {
        if let Some(event) = line.trim_ascii_end().strip_prefix(b"data:") {
            take(endpoint, event, &mut answer);
        }
    }
    answer
}

fn take(endpoint: Endpoint, piece: &[u8], answer: &mut Answer) {
    match endpoint {
        Endpoint::Messages => {
            if let Ok(piece) = serde_json::from_slice::<Message>(piece) {
                message(piece, answer);
            }
        }
        _ => {
            if let Ok(piece) = serde_json::from_slice::<Chat>(piece) {
                chat(piece, answer);
            }
        }
    }
}

#[derive(Deserialize)]
struct Chat {
    #[serde(default)]
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u32,
    finish_reason: Option<String>,
    #[serde(alias = "delta")]
    message: Option<Said>,
}

#[derive(Deserialize)]
struct Said {
    content: Option<String>,
    tool_calls: Option<Vec<Tool>>,
}

#[derive(Deserialize)]
struct Tool {
    #[serde(default)]
    index: Option<usize>,
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: Option<String>,
    arguments: Option<String>,
}

/// The first choice of a whole answer, or a piece of it.
fn chat(piece: Chat, answer: &mut Answer) {
    let Some(choice) = piece.choices.into_iter().find(|choice| choice.index == 0) else { return };
    if let Some(reason) = choice.finish_reason {
        answer.finish = Some(reason);
    }
    let Some(said) = choice.message else { return };
    answer.text.push_str(said.content.as_deref().unwrap_or_default());
    for (at, tool) in said.tool_calls.into_iter().flatten().enumerate() {
        let at = tool.index.unwrap_or(at).min(127);
        if answer.tools.len() <= at {
            answer.tools.resize_with(at + 1, Default::default);
        }
        if let (Some((name, arguments)), Some(function)) = (answer.tools.get_mut(at), tool.function) {
            name.push_str(function.name.as_deref().unwrap_or_default());
            arguments.push_str(function.arguments.as_deref().unwrap_or_default());
        }
    }
}

#[derive(Deserialize)]
struct Message {
    stop_reason: Option<String>,
    content: Option<Vec<Block>>,
    content_block: Option<Block>,
    delta: Option<Delta>,
}

#[derive(Deserialize)]
struct Block {
    text: Option<String>,
    name: Option<String>,
    input: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Delta {
    text: Option<String>,
    partial_json: Option<String>,
    stop_reason: Option<String>,
}

/// A whole message, or an event of its stream.
fn message(piece: Message, answer: &mut Answer) {
    if let Some(reason) = piece.stop_reason.or_else(|| piece.delta.as_ref()?.stop_reason.clone()) {
        answer.finish = Some(reason);
    }
    let streamed = piece.content_block.is_some();
    for block in piece.content.into_iter().flatten().chain(piece.content_block) {
        answer.text.push_str(block.text.as_deref().unwrap_or_default());
        if let Some(name) = block.name {
            // A streamed block begins with an empty input, and its text follows.
            let input = block.input.filter(|_| !streamed).map(|input| input.to_string());
            answer.tools.push((name, input.unwrap_or_default()));
        }
    }
    if let Some(delta) = piece.delta {
        answer.text.push_str(delta.text.as_deref().unwrap_or_default());
        if let (Some((_, arguments)), Some(more)) = (answer.tools.last_mut(), delta.partial_json) {
            arguments.push_str(&more);
        }
    }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
