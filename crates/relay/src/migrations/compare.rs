//! Reading answers, whatever form they came in, as far as they are compared or judged.
//!
//! They are in the client's own format by the time they get here, whole or as a stream of events, or as the one growing array
//! that Gemini's older clients ask for. What cannot be read is an answer without words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use sluicegate_migration::mirror::Answer;
use sluicegate_vocabulary::Endpoint;

/// Whether answers of an endpoint can be compared.
pub(super) const fn is_read(endpoint: Endpoint) -> bool {
    calls_tools(endpoint)
        || matches!(
            endpoint,
            Endpoint::Completions | Endpoint::Embeddings | Endpoint::GeminiEmbed | Endpoint::GeminiBatchEmbed
        )
}

/// Whether answers of an endpoint may call tools.
pub(super) const fn calls_tools(endpoint: Endpoint) -> bool {
    matches!(
        endpoint,
        Endpoint::ChatCompletions
            | Endpoint::Messages
            | Endpoint::Responses
            | Endpoint::Generate
            | Endpoint::GenerateStream
    )
}

/// Why it ended, its text, the tools it calls, its vectors.
pub(super) fn read(endpoint: Endpoint, status: u16, body: &[u8]) -> Answer {
    let mut answer = Answer { status, ..Answer::default() };
    match body.trim_ascii_start().first() {
        Some(b'{') => take(endpoint, body, &mut answer),
        Some(b'[') => {
            let pieces: Vec<&serde_json::value::RawValue> = serde_json::from_slice(body).unwrap_or_default();
            pieces.iter().for_each(|piece| take(endpoint, piece.get().as_bytes(), &mut answer));
        }
        _ => {
            for line in body.split(|byte| *byte == b'\n') {
                if let Some(event) = line.trim_ascii_end().strip_prefix(b"data:") {
                    take(endpoint, event, &mut answer);
                }
            }
        }
    }
    if endpoint == Endpoint::Messages {
        // A streamed block without any input has sent none, which is how it says that there is none.
        answer.tools.iter_mut().filter(|(_, input)| input.is_empty()).for_each(|(_, input)| input.push_str("{}"));
    }
    answer
}

/// Whether every tool that an answer calls is one of those that the request offers, and is called with JSON. `None` where
/// none is called.
pub(super) fn valid_tool_calls(endpoint: Endpoint, request: &[u8], answer: &[u8]) -> Option<bool> {
    let called = read(endpoint, 200, answer).tools;
    let offered = offered(request);
    let is_valid = |(name, arguments): &(String, String)| {
        serde_json::from_str::<serde::de::IgnoredAny>(arguments).is_ok()
            && (offered.is_empty() || offered.contains(name))
    };
    (!called.is_empty()).then(|| called.iter().all(is_valid))
}

/// The names of the tools that a request offers, in any format.
fn offered(request: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Asked {
        #[serde(default)]
        tools: Vec<Value>,
    }
    let Ok(Asked { tools }) = serde_json::from_slice(request) else { return Vec::new() };
    let declared = |tool: &Value, key: &str| tool.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let all = tools.into_iter().flat_map(|tool| {
        let gemini =
            declared(&tool, "functionDeclarations").into_iter().chain(declared(&tool, "function_declarations"));
        gemini.chain([tool.get("function").cloned().unwrap_or_default()]).chain([tool.clone()]).collect::<Vec<_>>()
    });
    all.filter_map(|tool| tool.get("name")?.as_str().map(str::to_owned)).collect()
}

fn take(endpoint: Endpoint, piece: &[u8], answer: &mut Answer) {
    /// What is said in a piece of this shape.
    fn said<'a, T: Deserialize<'a>>(piece: &'a [u8], answer: &mut Answer, add: fn(T, &mut Answer)) {
        if let Ok(piece) = serde_json::from_slice(piece) {
            add(piece, answer);
        }
    }
    match endpoint {
        Endpoint::Messages => said(piece, answer, message),
        Endpoint::Responses => said(piece, answer, response),
        Endpoint::Generate | Endpoint::GenerateStream => said(piece, answer, generated),
        Endpoint::Embeddings | Endpoint::GeminiEmbed | Endpoint::GeminiBatchEmbed => said(piece, answer, vectors),
        _ => said(piece, answer, chat),
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
    /// Of the older text endpoint.
    text: Option<String>,
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
    answer.text.push_str(choice.text.as_deref().unwrap_or_default());
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
    input: Option<Value>,
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

/// A whole response, or the event of its stream that has all of it: its last.
#[derive(Deserialize)]
struct Response {
    #[serde(rename = "type")]
    kind: Option<String>,
    response: Option<Box<Response>>,
    status: Option<String>,
    incomplete_details: Option<Incomplete>,
    output: Option<Vec<Output>>,
}

#[derive(Deserialize)]
struct Incomplete {
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Output {
    #[serde(default)]
    content: Option<Vec<Block>>,
    name: Option<String>,
    arguments: Option<String>,
}

fn response(mut piece: Response, answer: &mut Answer) {
    if let Some(whole) = piece.response.take() {
        let kind = piece.kind.as_deref().unwrap_or_default();
        if matches!(kind, "response.completed" | "response.incomplete" | "response.failed") {
            response(*whole, answer);
        }
        return;
    }
    let Some(output) = piece.output else { return };
    answer.finish = piece.incomplete_details.and_then(|details| details.reason).or(piece.status);
    for item in output {
        for block in item.content.into_iter().flatten() {
            answer.text.push_str(block.text.as_deref().unwrap_or_default());
        }
        if let (Some(name), Some(arguments)) = (item.name, item.arguments) {
            answer.tools.push((name, arguments));
        }
    }
}

#[derive(Deserialize)]
struct Generated {
    #[serde(default)]
    candidates: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    #[serde(default)]
    index: u32,
    content: Option<Content>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    text: Option<String>,
    #[serde(default)]
    thought: bool,
    function_call: Option<Called>,
}

#[derive(Deserialize)]
struct Called {
    name: String,
    args: Option<Value>,
}

/// The first candidate of Gemini's answer, or a piece of it.
fn generated(piece: Generated, answer: &mut Answer) {
    let Some(written) = piece.candidates.into_iter().find(|candidate| candidate.index == 0) else { return };
    if let Some(reason) = written.finish_reason {
        answer.finish = Some(reason);
    }
    for part in written.content.into_iter().flat_map(|content| content.parts) {
        if !part.thought {
            answer.text.push_str(part.text.as_deref().unwrap_or_default());
        }
        if let Some(called) = part.function_call {
            let arguments = called.args.map_or_else(|| "{}".to_owned(), |args| args.to_string());
            answer.tools.push((called.name, arguments));
        }
    }
}

/// Vectors as OpenAI's answers have them, or Gemini's.
#[derive(Deserialize)]
struct Vectors {
    #[serde(default)]
    data: Vec<Embedded>,
    #[serde(default)]
    embeddings: Vec<Values>,
    embedding: Option<Values>,
}

#[derive(Deserialize)]
struct Embedded {
    embedding: Numbers,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Numbers {
    Plain(Vec<f32>),
    /// Little-endian 32-bit floats.
    Base64(String),
}

#[derive(Deserialize)]
struct Values {
    values: Vec<f32>,
}

fn vectors(piece: Vectors, answer: &mut Answer) {
    let numbers = |embedded: Embedded| match embedded.embedding {
        Numbers::Plain(plain) => plain,
        Numbers::Base64(text) => {
            let bytes = STANDARD.decode(text).unwrap_or_default();
            let (floats, _) = bytes.as_chunks::<4>();
            floats.iter().map(|four| f32::from_le_bytes(*four)).collect()
        }
    };
    let gemini = piece.embeddings.into_iter().chain(piece.embedding).map(|vector| vector.values);
    answer.vectors = piece.data.into_iter().map(numbers).chain(gemini).collect();
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
