//! What is asked and how answers are read, in the two dialects.

use bytes::Bytes;
use serde_json::{Value, json};
use sluicegate_vocabulary::Dialect;

/// What a call asks for beside text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Extra {
    None,
    /// A tool that must be called.
    Tool,
    /// JSON.
    Json,
    /// To end before this.
    Stop(String),
}

/// One call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ask {
    pub(crate) text: String,
    /// Tokens of input as we count them.
    pub(crate) tokens: u64,
    pub(crate) max_tokens: u32,
    pub(crate) stream: bool,
    pub(crate) extra: Extra,
}

/// Words that are one token each, with the blank before them, in every vocabulary in common use; so a text of them can be
/// counted exactly without knowing the vocabulary.
const WORDS: [&str; 24] = [
    "time", "people", "way", "water", "day", "man", "work", "year", "house", "world", "life", "hand", "part", "place",
    "case", "week", "point", "home", "room", "fact", "month", "book", "eye", "side",
];

impl Ask {
    /// So many words of one token each and an instruction, not the same text for two salts so that no prompt cache serves
    /// it.
    pub(crate) fn words(count: usize, salt: u64, max_tokens: u32) -> Self {
        let mut text = String::with_capacity(count * 6);
        let mut state = salt.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        for index in 0..count {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let word = WORDS.get((state >> 33) as usize % WORDS.len()).copied().unwrap_or("time");
            if index > 0 {
                text.push(' ');
            }
            text.push_str(word);
        }
        Self { text, tokens: count as u64 + 8, max_tokens, stream: true, extra: Extra::None }
    }

    /// A question in words.
    pub(crate) fn question(text: &str, max_tokens: u32) -> Self {
        let tokens = sluicegate_wire::estimate::tokens(text) + 8;
        Self { text: text.to_owned(), tokens, max_tokens, stream: false, extra: Extra::None }
    }

    pub(crate) fn stream(mut self, stream: bool) -> Self {
        self.stream = stream;
        self
    }

    pub(crate) fn extra(mut self, extra: Extra) -> Self {
        self.extra = extra;
        self
    }

    pub(crate) fn body(&self, dialect: Dialect, model: &str) -> Bytes {
        let mut body = json!({
            "model": model,
            "max_tokens": self.max_tokens,
            "messages": [{"role": "user", "content": self.text}],
        });
        let anthropic = dialect == Dialect::Anthropic;
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
        let mut set = |name: &str, value: Value| {
            if let Some(fields) = body.as_object_mut() {
                fields.insert(name.to_owned(), value);
            }
        };
        if self.stream {
            set("stream", Value::Bool(true));
            if !anthropic {
                set("stream_options", json!({"include_usage": true}));
            }
        }
        match &self.extra {
            Extra::None => {}
            Extra::Tool if anthropic => {
                set(
                    "tools",
                    json!([{"name": "weather", "description": "The weather in a city", "input_schema": schema}]),
                );
                set("tool_choice", json!({"type": "tool", "name": "weather"}));
            }
            Extra::Tool => {
                let function = json!({"name": "weather", "description": "The weather in a city", "parameters": schema});
                set("tools", json!([{"type": "function", "function": function}]));
                set("tool_choice", json!({"type": "function", "function": {"name": "weather"}}));
            }
            Extra::Json => set("response_format", json!({"type": "json_object"})),
            Extra::Stop(word) if anthropic => set("stop_sequences", json!([word])),
            Extra::Stop(word) => set("stop", json!([word])),
        }
        Bytes::from(body.to_string())
    }
}

/// Where chats go, relative to the API's beginning.
pub(crate) const fn path(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Anthropic => "/messages",
        Dialect::OpenAi | Dialect::Gemini => "/chat/completions",
    }
}

/// What an answer says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) model: Option<String>,
    pub(crate) text: String,
    pub(crate) finish: Option<String>,
    /// Tokens of input and output as the endpoint counts them.
    pub(crate) input: Option<u64>,
    pub(crate) output: Option<u64>,
    /// A tool's name and arguments.
    pub(crate) tool: Option<(String, String)>,
    /// Whether a stream said that it was over.
    pub(crate) over: bool,
}

fn text(value: &Value, path: &str) -> Option<String> {
    value.pointer(path).and_then(Value::as_str).map(str::to_owned)
}

fn number(value: &Value, path: &str) -> Option<u64> {
    value.pointer(path).and_then(Value::as_u64)
}

impl Said {
    /// Reads a whole answer.
    pub(crate) fn whole(dialect: Dialect, answer: &Value) -> Self {
        let mut said = Self { model: text(answer, "/model"), over: true, ..Self::default() };
        if dialect == Dialect::Anthropic {
            said.finish = text(answer, "/stop_reason");
            said.input = anthropic_input(answer, "/usage");
            said.output = number(answer, "/usage/output_tokens");
            for block in answer.get("content").and_then(Value::as_array).into_iter().flatten() {
                said.text.push_str(block.get("text").and_then(Value::as_str).unwrap_or_default());
                if let (Some(name), Some(input)) = (text(block, "/name"), block.get("input")) {
                    said.tool = Some((name, input.to_string()));
                }
            }
            return said;
        }
        said.text = text(answer, "/choices/0/message/content").unwrap_or_default();
        said.finish = text(answer, "/choices/0/finish_reason");
        said.input = number(answer, "/usage/prompt_tokens");
        said.output = number(answer, "/usage/completion_tokens");
        let tool = "/choices/0/message/tool_calls/0/function";
        said.tool = text(answer, &format!("{tool}/name")).zip(text(answer, &format!("{tool}/arguments")));
        said
    }

    /// Adds one event of a stream; whether there was content in it.
    pub(crate) fn event(&mut self, dialect: Dialect, event: &Value) -> bool {
        if dialect == Dialect::Anthropic {
            self.model = self.model.take().or_else(|| text(event, "/message/model"));
            self.input = self.input.or_else(|| anthropic_input(event, "/message/usage"));
            self.output = number(event, "/usage/output_tokens").or(self.output);
            self.finish = text(event, "/delta/stop_reason").or(self.finish.take());
            self.over |= event.get("type").and_then(Value::as_str) == Some("message_stop");
            let delta = text(event, "/delta/text").or_else(|| text(event, "/delta/partial_json")).unwrap_or_default();
            self.text.push_str(&delta);
            return !delta.is_empty();
        }
        self.model = self.model.take().or_else(|| text(event, "/model"));
        self.input = number(event, "/usage/prompt_tokens").or(self.input);
        self.output = number(event, "/usage/completion_tokens").or(self.output);
        self.finish = text(event, "/choices/0/finish_reason").or(self.finish.take());
        let delta = text(event, "/choices/0/delta/content")
            .or_else(|| text(event, "/choices/0/delta/reasoning_content"))
            .unwrap_or_default();
        self.text.push_str(&delta);
        !delta.is_empty()
    }
}

/// All input: what a cache served is told beside the rest.
fn anthropic_input(value: &Value, usage: &str) -> Option<u64> {
    let part = |name: &str| number(value, &format!("{usage}/{name}"));
    let rest = [part("cache_read_input_tokens"), part("cache_creation_input_tokens")];
    Some(part("input_tokens")? + rest.into_iter().flatten().sum::<u64>())
}
