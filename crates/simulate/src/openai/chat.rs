//! `POST /v1/chat/completions`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::{Value, json};
use sluicegate_vocabulary::Format;

use super::{FINGERPRINT, check, input, plain};
use crate::answer::{Answer, Finish, ToolCall};
use crate::ask::{Ask, Output};
use crate::call::{Call, Reply, Script, unix_now};
use crate::json::{look, put, write};
use crate::refusal::{Outcome, Refusal};
use crate::tokens;

/// What a request wants beside the answer itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wish {
    pub(super) choices: u64,
    pub(super) include_usage: bool,
    pub(super) obfuscation: bool,
    /// Log probabilities, with so many alternatives.
    pub(super) logprobs: Option<u64>,
    /// Whether the request used `functions`, and so expects `function_call`.
    pub(super) legacy: bool,
}

impl Default for Wish {
    fn default() -> Self {
        Self { choices: 1, include_usage: false, obfuscation: false, logprobs: None, legacy: false }
    }
}

const FIELDS: &[&str] = &[
    "model",
    "messages",
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "seed",
    "n",
    "stop",
    "max_tokens",
    "max_completion_tokens",
    "logprobs",
    "top_logprobs",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "functions",
    "function_call",
    "reasoning_effort",
    "verbosity",
    "modalities",
    "audio",
    "prediction",
    "web_search_options",
    "moderation",
    "service_tier",
    "stream",
    "stream_options",
    "user",
    "safety_identifier",
    "metadata",
    "store",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
];

const ROLES: [&str; 6] = ["system", "assistant", "user", "function", "tool", "developer"];

/// Answers a call.
pub(crate) fn handle(call: &mut Call<'_>, deployment: Option<&str>) -> Outcome<Reply> {
    if deployment.is_none()
        && let Some((ask, wish)) = plain::read(call)
    {
        call.begin(&ask)?;
        return Ok(reply(call, &ask, &wish));
    }
    let body = call.parse()?;
    let (ask, wish) = read(call, &body, deployment)?;
    call.begin(&ask)?;
    call.allow(wish.choices)?;
    Ok(reply(call, &ask, &wish))
}

/// Reads a request the long way.
pub(super) fn read<'v>(call: &Call<'_>, body: &'v Value, deployment: Option<&'v str>) -> Outcome<(Ask<'v>, Wish)> {
    let model = check::model(body, deployment)?;
    let mut ask = Ask::new(call.shared.options.seed, Cow::Borrowed(model));
    check::fields(body, FIELDS, call.is_strict())?;
    messages(&mut ask, body, call.shared.options.prompt_cache)?;
    tools(&mut ask, body)?;
    input::choice(&mut ask, body, true)?;
    input::output(&mut ask, body.get("response_format"), "response_format", true)?;
    if ask.output == Output::JsonObject && !body["messages"].to_string().to_lowercase().contains("json") {
        return Err(Refusal::bad(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
        )
        .param("messages"));
    }
    for (param, least, most) in [
        ("temperature", 0.0, 2.0),
        ("top_p", 0.0, 1.0),
        ("frequency_penalty", -2.0, 2.0),
        ("presence_penalty", -2.0, 2.0),
    ] {
        check::decimal(body, param, least, most)?;
    }
    check::whole(body, "seed", i64::MIN, i64::MAX)?;
    let wish = wish(body)?;
    ask.stream = check::flag(body, "stream")?.unwrap_or(false);
    ask.stop = check::stop(body)?;
    ask.parallel = check::flag(body, "parallel_tool_calls")?.unwrap_or(true) && !wish.legacy;
    ask.thinking = input::effort(check::text(body, "reasoning_effort")?, "reasoning_effort")?;
    if !ask.tools.is_empty() && input::refuses_tools_with_effort(model) && body["reasoning_effort"] != "none" {
        return Err(Refusal::bad(
            "Function tools with reasoning are not supported for this model in /v1/chat/completions. Use /v1/responses \
             or set reasoning_effort to 'none'.",
        )
        .param("reasoning_effort"));
    }
    let old = check::whole(body, "max_tokens", 1, i64::MAX)?;
    if old.is_some() && input::refuses_max_tokens(model) {
        return Err(Refusal::bad(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        )
        .param("max_tokens")
        .code("unsupported_parameter"));
    }
    ask.max_tokens = check::whole(body, "max_completion_tokens", 1, i64::MAX)?.or(old).map(i64::unsigned_abs);
    Ok((ask, wish))
}

fn wish(body: &Value) -> Outcome<Wish> {
    let stream = body["stream"] == true;
    let options = body.get("stream_options").filter(|options| !options.is_null());
    if options.is_some() && !stream {
        return Err(Refusal::bad("The 'stream_options' parameter is only allowed when 'stream' is enabled.")
            .param("stream_options"));
    }
    let logprobs = check::flag(body, "logprobs")?.unwrap_or(false);
    let top = check::whole(body, "top_logprobs", 0, 20)?;
    if top.is_some() && !logprobs {
        return Err(check::invalid("top_logprobs", "'top_logprobs' is only allowed when 'logprobs' is enabled."));
    }
    Ok(Wish {
        choices: check::whole(body, "n", 1, 128)?.map_or(1, i64::unsigned_abs),
        include_usage: options.is_some_and(|options| options["include_usage"] == true),
        obfuscation: options.is_some_and(|options| options["include_obfuscation"] == true),
        logprobs: logprobs.then_some(top.map_or(0, i64::unsigned_abs)),
        legacy: body.get("functions").is_some_and(Value::is_array),
    })
}

fn messages<'v>(ask: &mut Ask<'v>, body: &'v Value, cuts: bool) -> Outcome<()> {
    let list = match body.get("messages") {
        None | Some(Value::Null) => return Err(check::missing("messages")),
        Some(Value::Array(list)) if list.is_empty() => {
            return Err(Refusal::bad(
                "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            )
            .param("messages")
            .code("empty_array"));
        }
        Some(Value::Array(list)) => list,
        Some(other) => return Err(check::wrong_type("messages", "an array of objects", other)),
    };
    // Ids of calls that have no result yet, and the place of the message that made them.
    let mut open: BTreeSet<&str> = BTreeSet::new();
    for (at, message) in list.iter().enumerate() {
        let param = format!("messages[{at}]");
        if !message.is_object() {
            return Err(check::wrong_type(&param, "an object", message));
        }
        let role = match message.get("role") {
            Some(Value::String(role)) => role.as_str(),
            Some(other) => return Err(check::wrong_type(&format!("{param}.role"), "a string", other)),
            None => return Err(check::missing(&format!("{param}.role"))),
        };
        if !ROLES.contains(&role) {
            return Err(check::wrong_value(&format!("{param}.role"), role, &ROLES));
        }
        if role == "tool" {
            let id =
                message["tool_call_id"].as_str().ok_or_else(|| check::missing(&format!("{param}.tool_call_id")))?;
            check::call_id(id, &format!("{param}.tool_call_id"))?;
            if !open.remove(id) {
                return Err(Refusal::bad(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with \
                     'tool_calls'.",
                )
                .param(format!("messages.[{at}].role")));
            }
        } else if !open.is_empty() {
            return Err(unanswered(&open, at));
        }
        ask.message();
        if let (true, Some(begun)) = (message["prefix"] == true && at + 1 == list.len(), message["content"].as_str()) {
            ask.begin(begun);
            continue;
        }
        let text = content(ask, message, role, &param)?;
        match role {
            "tool" | "function" => ask.results.push(text.into_owned()),
            "user" => {
                ask.results.clear();
                ask.user = text;
            }
            "assistant" => {
                ask.results.clear();
                open = tool_calls(ask, message, &param)?;
            }
            _ => {}
        }
        if cuts {
            ask.cut();
        }
    }
    if open.is_empty() { Ok(()) } else { Err(unanswered(&open, list.len())) }
}

fn unanswered(open: &BTreeSet<&str>, at: usize) -> Box<Refusal> {
    let ids = open.iter().copied().collect::<Vec<_>>().join(", ");
    Refusal::bad(format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The \
         following tool_call_ids did not have response messages: {ids}"
    ))
    .param(format!("messages.[{at}].role"))
}

/// Reads a message's content and returns its text.
fn content<'v>(ask: &mut Ask<'v>, message: &'v Value, role: &str, param: &str) -> Outcome<Cow<'v, str>> {
    let param = format!("{param}.content");
    match message.get("content") {
        Some(Value::String(text)) => {
            ask.text(text);
            Ok(Cow::Borrowed(text))
        }
        Some(Value::Array(parts)) => {
            let mut texts = Vec::new();
            for (at, part) in parts.iter().enumerate() {
                let param = format!("{param}[{at}]");
                if let Some(text) = self::part(ask, part, role, &param)? {
                    ask.text(text);
                    texts.push(text);
                }
            }
            match texts.as_slice() {
                [only] => Ok(Cow::Borrowed(only)),
                several => Ok(Cow::Owned(several.join("\n"))),
            }
        }
        None | Some(Value::Null) => {
            let has = |key: &str| message.get(key).is_some_and(|value| !value.is_null());
            let excused =
                role == "assistant" && (has("tool_calls") || has("function_call") || has("refusal") || has("audio"));
            if excused {
                return Ok(Cow::Borrowed(""));
            }
            Err(Refusal::bad("Invalid value for 'content': expected a string, got null.")
                .param(param.replace('[', ".[")))
        }
        Some(other) => Err(check::wrong_type(&param, "one of a string or array of objects", other)),
    }
}

/// Reads one part of a message; its text, if it is one.
fn part<'v>(ask: &mut Ask<'_>, part: &'v Value, role: &str, param: &str) -> Outcome<Option<&'v str>> {
    const KNOWN: [&str; 5] = ["text", "image_url", "input_audio", "refusal", "file"];
    let kind = part["type"].as_str().ok_or_else(|| check::missing(&format!("{param}.type")))?;
    if role != "user" && !matches!(kind, "text" | "refusal") {
        return Err(check::wrong_value(&format!("{param}.type"), kind, &["text"]));
    }
    match kind {
        "text" | "refusal" => {
            let text = part.get(kind).ok_or_else(|| check::missing(&format!("{param}.{kind}")))?;
            text.as_str().map(Some).ok_or_else(|| check::wrong_type(&format!("{param}.{kind}"), "a string", text))
        }
        "image_url" => {
            let param = format!("{param}.image_url.url");
            let url = look(part, &["image_url", "url"]).as_str().ok_or_else(|| check::missing(&param))?;
            input::image(ask, url, &param)?;
            Ok(None)
        }
        "input_audio" => {
            let audio = &part["input_audio"];
            if audio["data"].as_str().is_none() || !(audio["format"] == "wav" || audio["format"] == "mp3") {
                return Err(check::missing(&format!("{param}.input_audio.data")));
            }
            ask.text("(audio)");
            Ok(None)
        }
        "file" => {
            let file = &part["file"];
            if file["file_data"].as_str().or(file["file_id"].as_str()).is_none() {
                return Err(check::missing(&format!("{param}.file.file_data")));
            }
            ask.text(file["filename"].as_str().unwrap_or("(file)"));
            Ok(None)
        }
        other => Err(check::wrong_value(&format!("{param}.type"), other, &KNOWN)),
    }
}

/// Reads an assistant's calls and returns their ids.
fn tool_calls<'v>(ask: &mut Ask<'v>, message: &'v Value, param: &str) -> Outcome<BTreeSet<&'v str>> {
    let mut ids = BTreeSet::new();
    let calls = match message.get("tool_calls") {
        None | Some(Value::Null) => return Ok(ids),
        Some(Value::Array(calls)) if calls.is_empty() => {
            return Err(Refusal::bad(format!(
                "Invalid '{param}.tool_calls': empty array. Expected an array with minimum length 1, but got an empty \
                 array instead."
            ))
            .param(format!("{param}.tool_calls"))
            .code("empty_array"));
        }
        Some(Value::Array(calls)) => calls,
        Some(other) => return Err(check::wrong_type(&format!("{param}.tool_calls"), "an array of objects", other)),
    };
    for (at, call) in calls.iter().enumerate() {
        let param = format!("{param}.tool_calls[{at}]");
        let id = call["id"].as_str().ok_or_else(|| check::missing(&format!("{param}.id")))?;
        check::call_id(id, &format!("{param}.id"))?;
        let kind = call["type"].as_str().ok_or_else(|| check::missing(&format!("{param}.type")))?;
        let (inner, field) = match kind {
            "function" => (&call["function"], "arguments"),
            "custom" => (&call["custom"], "input"),
            other => return Err(check::wrong_value(&format!("{param}.type"), other, &["function", "custom"])),
        };
        let name = inner["name"].as_str().ok_or_else(|| check::missing(&format!("{param}.{kind}.name")))?;
        let text = match inner.get(field) {
            Some(Value::String(text)) => text,
            Some(other) => return Err(check::wrong_type(&format!("{param}.{kind}.{field}"), "a string", other)),
            None => return Err(check::missing(&format!("{param}.{kind}.{field}"))),
        };
        ask.text(name);
        ask.text(text);
        ids.insert(id);
    }
    Ok(ids)
}

fn tools(ask: &mut Ask<'_>, body: &Value) -> Outcome<()> {
    match body.get("tools") {
        None | Some(Value::Null) => {}
        Some(Value::Array(list)) if list.is_empty() => {
            return Err(Refusal::bad(
                "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            )
            .param("tools")
            .code("empty_array"));
        }
        Some(Value::Array(list)) => {
            for (at, tool) in list.iter().enumerate() {
                let kind = tool["type"].as_str().ok_or_else(|| check::missing(&format!("tools[{at}].type")))?;
                if !matches!(kind, "function" | "custom") {
                    return Err(check::wrong_value(&format!("tools[{at}].type"), kind, &["function", "custom"]));
                }
                let param = format!("tools[{at}].{kind}");
                let inner = tool.get(kind).ok_or_else(|| check::missing(&param))?;
                input::tool(ask, inner, &param, kind == "custom")?;
            }
        }
        Some(other) => return Err(check::wrong_type("tools", "an array of objects", other)),
    }
    for (at, function) in body.get("functions").and_then(Value::as_array).into_iter().flatten().enumerate() {
        input::tool(ask, function, &format!("functions[{at}]"), false)?;
    }
    match body.get("function_call") {
        Some(Value::String(word)) if word == "none" => ask.choice = crate::ask::Choice::Never,
        Some(Value::Object(fields)) => {
            let name = fields.get("name").and_then(Value::as_str).unwrap_or_default();
            ask.choice = crate::ask::Choice::Named(name.to_owned());
        }
        _ => {}
    }
    Ok(())
}

fn reply(call: &Call<'_>, ask: &Ask<'_>, wish: &Wish) -> Reply {
    let answers: Vec<Answer> = (0..wish.choices).map(|index| call.answer(ask, index)).collect();
    let writer = Writer {
        call,
        wish,
        visible_thinking: call.orders.reasoning || ask.model.contains("deepseek"),
        head: head(call, &ask.model, ask.stream),
        usage: usage(call, ask, &answers),
    };
    if ask.stream { Reply::Events(writer.stream(&answers)) } else { writer.whole(&answers) }
}

/// The fields that every object of one answer begins with, without the closing brace.
fn head(call: &Call<'_>, model: &str, stream: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(192);
    out.extend_from_slice(b"{\"id\":\"");
    out.extend_from_slice(call.id("chatcmpl-", 29, 0).as_bytes());
    out.extend_from_slice(if stream {
        b"\",\"object\":\"chat.completion.chunk"
    } else {
        b"\",\"object\":\"chat.completion"
    });
    out.extend_from_slice(b"\",\"created\":");
    out.extend_from_slice(itoa::Buffer::new().format(unix_now()).as_bytes());
    out.extend_from_slice(b",\"model\":");
    write(&mut out, &call.model_name(model));
    out.extend_from_slice(b",\"service_tier\":\"default\",\"system_fingerprint\":\"");
    out.extend_from_slice(FINGERPRINT.as_bytes());
    out.extend_from_slice(b"\",\"choices\":[");
    out
}

fn usage(call: &Call<'_>, ask: &Ask<'_>, answers: &[Answer]) -> Vec<u8> {
    let mut numbers = itoa::Buffer::new();
    let output: u64 = answers.iter().map(|answer| answer.output_tokens).sum();
    let thinking: u64 = answers.iter().map(|answer| answer.thinking_tokens).sum();
    let mut out = Vec::with_capacity(320);
    let mut field = |name: &str, number: u64| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(numbers.format(number).as_bytes());
    };
    field("{\"prompt_tokens\":", ask.input_tokens);
    field(",\"completion_tokens\":", output);
    field(",\"total_tokens\":", ask.input_tokens + output);
    field(",\"prompt_tokens_details\":{\"cached_tokens\":", call.cached.0);
    field(",\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":", thinking);
    if ask.model.contains("deepseek") {
        field("},\"prompt_cache_hit_tokens\":", call.cached.0);
        field(",\"prompt_cache_miss_tokens\":", ask.input_tokens - call.cached.0);
        out.push(b'}');
    } else {
        out.extend_from_slice(
            b",\"audio_tokens\":0,\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}",
        );
    }
    out
}

struct Writer<'a> {
    call: &'a Call<'a>,
    wish: &'a Wish,
    visible_thinking: bool,
    head: Vec<u8>,
    usage: Vec<u8>,
}

fn finish(answer: &Answer, legacy: bool) -> &'static str {
    match answer.finish {
        Finish::Stop | Finish::StopString(_) => "stop",
        Finish::Length => "length",
        Finish::Calls if legacy => "function_call",
        Finish::Calls => "tool_calls",
        Finish::Refused => "content_filter",
    }
}

/// The log probability of each token of `text`: made up, but the same for the same token.
pub(super) fn logprob(token: &str) -> f64 {
    -((token.bytes().map(u64::from).sum::<u64>() % 97) as f64) / 100.0
}

fn logprobs(text: &str, top: u64) -> Value {
    let entry = |token: &str, logprob: f64| json!({ "token": token, "logprob": logprob, "bytes": token.as_bytes() });
    let tokens = tokens::pieces(text).map(|token| {
        let mut one = entry(token, logprob(token));
        let others = (0..top)
            .map(|n| if n == 0 { entry(token, logprob(token)) } else { entry(&format!(" or{n}"), -1.5 - n as f64) });
        put(&mut one, "top_logprobs", others.collect::<Vec<_>>());
        one
    });
    json!({ "content": tokens.collect::<Vec<_>>(), "refusal": null })
}

impl Writer<'_> {
    fn whole(&self, answers: &[Answer]) -> Reply {
        let mut out = self.head.clone();
        out.reserve(answers.iter().filter_map(|answer| answer.text.as_ref()).map(String::len).sum::<usize>() + 640);
        let mut tokens = 0;
        for (index, answer) in answers.iter().enumerate() {
            tokens += answer.output_tokens;
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"index\":");
            out.extend_from_slice(itoa::Buffer::new().format(index).as_bytes());
            out.extend_from_slice(b",\"message\":{\"role\":\"assistant\",\"content\":");
            write(&mut out, &answer.text);
            if let Some(thinking) = answer.thinking.as_ref().filter(|_| self.visible_thinking) {
                out.extend_from_slice(b",\"reasoning_content\":");
                write(&mut out, thinking);
            }
            if !answer.calls.is_empty() {
                let calls: Vec<Value> =
                    answer.calls.iter().enumerate().map(|(at, call)| self.tool_call(index, at, call)).collect();
                let (name, value) = match (self.wish.legacy, calls.first()) {
                    (true, Some(call)) => ("function_call", call["function"].clone()),
                    _ => ("tool_calls", Value::Array(calls)),
                };
                out.extend_from_slice(format!(",\"{name}\":{value}").as_bytes());
            }
            out.extend_from_slice(b",\"refusal\":null,\"annotations\":[]},\"logprobs\":");
            match (self.wish.logprobs, &answer.text) {
                (Some(top), Some(text)) => write(&mut out, &logprobs(text, top)),
                _ => out.extend_from_slice(b"null"),
            }
            out.extend_from_slice(b",\"finish_reason\":\"");
            out.extend_from_slice(finish(answer, self.wish.legacy).as_bytes());
            out.extend_from_slice(b"\"}");
        }
        out.push(b']');
        if !self.call.orders.no_usage {
            out.extend_from_slice(b",\"usage\":");
            out.extend_from_slice(&self.usage);
        }
        out.push(b'}');
        Reply::Json(out, tokens)
    }

    fn tool_call(&self, choice: usize, at: usize, call: &ToolCall) -> Value {
        let id = self.call.id("call_", 24, (choice * 1000 + at + 1) as u64);
        if call.input.is_string() {
            json!({ "id": id, "type": "custom", "custom": { "name": call.name, "input": call.text } })
        } else {
            json!({ "id": id, "type": "function", "function": { "name": call.name, "arguments": call.text } })
        }
    }

    fn stream(&self, answers: &[Answer]) -> Script {
        let tokens: u64 = answers.iter().map(|answer| answer.output_tokens).sum();
        let mut script = Script::new(Format::Chat, (tokens as usize + 4 * answers.len()) * (self.head.len() + 112));
        match answers {
            [only] => self.choice(&mut script, 0, only),
            several => {
                let each = several.iter().enumerate().map(|(index, answer)| {
                    let mut script = Script::new(Format::Chat, 0);
                    self.choice(&mut script, index, answer);
                    script
                });
                interleave(&mut script, &each.collect::<Vec<_>>());
            }
        }
        if self.wish.include_usage && !self.call.orders.no_usage {
            script.bytes.extend_from_slice(b"data: ");
            script.bytes.extend_from_slice(&self.head);
            script.bytes.extend_from_slice(b"],\"usage\":");
            script.bytes.extend_from_slice(&self.usage);
            script.bytes.extend_from_slice(b"}\n\n");
            script.end(0);
        }
        if !self.call.orders.no_done {
            script.bytes.extend_from_slice(b"data: [DONE]\n\n");
            script.end(0);
        }
        script
    }

    fn choice(&self, script: &mut Script, index: usize, answer: &Answer) {
        self.chunk(script, index, "null", 0, |out| {
            out.extend_from_slice(b"{\"role\":\"assistant\",\"content\":");
            out.extend_from_slice(if answer.calls.is_empty() { b"\"\"" } else { b"null" });
            out.extend_from_slice(b",\"refusal\":null}");
        });
        if let Some(thinking) = &answer.thinking {
            if self.visible_thinking {
                self.texts(script, index, "reasoning_content", thinking, None);
            } else if let Some((_, tokens)) = script.cuts.last_mut() {
                *tokens += answer.thinking_tokens;
            }
        }
        if let Some(text) = &answer.text {
            self.texts(script, index, "content", text, self.wish.logprobs);
        }
        for (at, call) in answer.calls.iter().enumerate() {
            self.call(script, index, at, call);
        }
        let reason = format!("\"{}\"", finish(answer, self.wish.legacy));
        self.chunk(script, index, &reason, 0, |out| out.extend_from_slice(b"{}"));
    }

    fn texts(&self, script: &mut Script, index: usize, field: &str, text: &str, logprobs: Option<u64>) {
        for piece in tokens::pieces(text) {
            let reason = match logprobs {
                Some(top) => format!("null,\"logprobs\":{}", self::logprobs(piece, top)),
                None => String::from("null"),
            };
            self.chunk(script, index, &reason, 1, |out| {
                out.extend_from_slice(b"{\"");
                out.extend_from_slice(field.as_bytes());
                out.extend_from_slice(b"\":");
                write(out, piece);
                out.push(b'}');
            });
        }
    }

    fn call(&self, script: &mut Script, index: usize, at: usize, call: &ToolCall) {
        let mut first = self.tool_call(index, at, call);
        let (kind, field) = if call.input.is_string() { ("custom", "input") } else { ("function", "arguments") };
        put(&mut first, "index", at);
        let mut inner = first.get(kind).cloned().unwrap_or_default();
        put(&mut inner, field, "");
        put(&mut first, kind, inner.clone());
        let legacy = self.wish.legacy;
        let named = if legacy { json!({ "function_call": inner }) } else { json!({ "tool_calls": [first] }) };
        self.chunk(script, index, "null", tokens::count(&call.name), |out| write(out, &named));
        for piece in tokens::pieces(&call.text) {
            let delta = if legacy {
                json!({ "function_call": { field: piece } })
            } else {
                json!({ "tool_calls": [{ "index": at, kind: { field: piece } }] })
            };
            self.chunk(script, index, "null", 1, |out| write(out, &delta));
        }
    }

    /// One chunk with one choice; `reason` is its finish reason as JSON.
    fn chunk(&self, script: &mut Script, index: usize, reason: &str, tokens: u64, delta: impl FnOnce(&mut Vec<u8>)) {
        let out = &mut script.bytes;
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"{\"index\":");
        out.extend_from_slice(itoa::Buffer::new().format(index).as_bytes());
        out.extend_from_slice(b",\"delta\":");
        delta(out);
        out.extend_from_slice(b",\"finish_reason\":");
        out.extend_from_slice(reason.as_bytes());
        out.extend_from_slice(b"}]");
        if self.wish.include_usage {
            out.extend_from_slice(b",\"usage\":null");
        }
        if self.wish.obfuscation {
            out.extend_from_slice(b",\"obfuscation\":\"");
            let place = crate::seed::Digest::new(self.call.serial).with(out.len() as u64);
            crate::seed::letters(out, place, 4 + (place.value() % 12) as usize);
            out.push(b'"');
        }
        out.extend_from_slice(b"}\n\n");
        script.end(tokens);
    }
}

/// The events of several choices, one of each in turn, as providers send them.
fn interleave(script: &mut Script, each: &[Script]) {
    let longest = each.iter().map(|one| one.cuts.len()).max().unwrap_or(0);
    for at in 0..longest {
        for one in each {
            let Some((end, tokens)) = one.cuts.get(at) else { continue };
            let begin = at.checked_sub(1).and_then(|before| one.cuts.get(before)).map_or(0, |(end, _)| *end);
            script.bytes.extend_from_slice(one.bytes.get(begin..*end).unwrap_or_default());
            script.end(*tokens);
        }
    }
}

#[cfg(test)]
#[path = "chat_tests.rs"]
mod tests;
