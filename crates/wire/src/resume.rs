//! Going on with a text answer that broke off.
//!
//! Some models can be given the beginning of their answer and go on from there, so that a stream which broke in the
//! middle can end as if it had not. How a model is asked to is data ([`Continues`], a quirk); a model of which nothing
//! is known is not asked. Here is what that takes on the bytes: which requests are simple enough ([`is_simple`]), how a
//! request is extended by what was said ([`extended`]), and the seam where the new text meets the old.
//!
//! Only plain text goes on. Tools, schemas, pictures, several answers and probabilities all have a form that a cut in the
//! middle breaks, so a request that asks for anything which is not known to be harmless is not simple.
//!
//! **Promises.** A provider that repeats the beginning has it taken off only if it is the same to the byte; of one that must
//! not repeat it, text that begins as the answer began is refused. So an answer that was begun anew is not put behind the
//! first one.

use serde::Deserialize;
use serde_json::value::RawValue;
use sluicegate_vocabulary::Format;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// How a model is asked to go on with the beginning of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Continues {
    /// It cannot be asked.
    No,
    /// A last message of the assistant's is gone on with: Anthropic, llama.cpp.
    LastMessage,
    /// The last message says `prefix: true`: DeepSeek's beta.
    Prefix,
    /// The same, and the answer begins with the whole message again.
    PrefixRepeated,
    /// `continue_final_message: true` stands beside the messages: vLLM, SGLang.
    FinalMessage,
}

impl Continues {
    /// What else the message says.
    const fn in_message(self) -> &'static str {
        match self {
            Self::Prefix | Self::PrefixRepeated => ",\"prefix\":true",
            Self::No | Self::LastMessage | Self::FinalMessage => "",
        }
    }

    /// What else the request says.
    const fn in_request(self) -> &'static str {
        match self {
            Self::FinalMessage => "\"add_generation_prompt\":false,\"continue_final_message\":true,",
            Self::No | Self::LastMessage | Self::Prefix | Self::PrefixRepeated => "",
        }
    }

    /// How it is asked in this format, if it can be. Anthropic's has one way to ask.
    #[must_use]
    pub const fn in_format(self, format: Format) -> Option<Self> {
        match (self, format) {
            (Self::No, _) | (_, Format::Responses | Format::Generate) => None,
            (form, Format::Chat) => Some(form),
            (_, Format::Messages) => Some(Self::LastMessage),
        }
    }
}

/// Fields of a request that do not keep its answer from being gone on with, whatever they say.
const HARMLESS: [&str; 41] = [
    "model",
    "messages",
    "input",
    "contents",
    "system",
    "instructions",
    "systemInstruction",
    "system_instruction",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "maxOutputTokens",
    "temperature",
    "top_p",
    "topP",
    "top_k",
    "topK",
    "min_p",
    "seed",
    "stop",
    "stop_sequences",
    "stopSequences",
    "user",
    "metadata",
    "store",
    "presence_penalty",
    "presencePenalty",
    "frequency_penalty",
    "frequencyPenalty",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "safetySettings",
    "safety_settings",
    "truncation",
    "repetition_penalty",
    "logit_bias",
    "typical_p",
    "verbosity",
];
/// Fields that hold others of the same kind.
const NESTED: [&str; 2] = ["generationConfig", "generation_config"];
/// Fields that count answers.
const COUNTS: [&str; 2] = ["n", "candidateCount"];
/// Fields that hold the conversation.
const TURNS: [&str; 3] = ["messages", "input", "contents"];
/// What a part of a message may have beside its text.
const PART: [&str; 4] = ["type", "text", "cache_control", "annotations"];
const TEXTS: [&str; 3] = ["text", "input_text", "output_text"];

type Fields<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// Whether a request in a client's format asks for one answer of plain text and nothing else.
#[must_use]
pub fn is_simple(body: &[u8]) -> bool {
    serde_json::from_slice::<Fields<'_>>(body).is_ok_and(|fields| {
        simple(&fields) && TURNS.iter().find_map(|name| fields.get(*name)).is_some_and(|turns| all_text(turns.get()))
    })
}

fn simple(fields: &Fields<'_>) -> bool {
    fields.iter().all(|(name, value)| {
        let (name, text) = (&**name, value.get());
        if COUNTS.contains(&name) {
            return matches!(text, "1" | "null");
        }
        if NESTED.contains(&name) {
            return serde_json::from_str::<Fields<'_>>(text).is_ok_and(|inner| simple(&inner));
        }
        HARMLESS.contains(&name) || matches!(text, "null" | "false" | "[]" | "{}")
    })
}

/// Whether all turns are text, and the last is the user's.
fn all_text(turns: &str) -> bool {
    if turns.starts_with('"') {
        return true;
    }
    let Ok(turns) = serde_json::from_str::<Vec<Fields<'_>>>(turns) else { return false };
    let text = |turn: &Fields<'_>| {
        let says = |name: &str| turn.get(name).is_some_and(|value| !matches!(value.get(), "null" | "[]"));
        let content = turn.get("content").or_else(|| turn.get("parts"));
        let plain = content.is_some_and(|content| content.get().starts_with('"') || parts(content.get()));
        plain && !says("tool_calls") && !says("function_call") && !says("audio")
    };
    let last = turns.last().and_then(|turn| turn.get("role")).map(|role| role.get());
    last == Some("\"user\"") && turns.iter().all(text)
}

fn parts(parts: &str) -> bool {
    let Ok(parts) = serde_json::from_str::<Vec<Fields<'_>>>(parts) else { return false };
    parts.iter().all(|part| {
        let kind = part.get("type").and_then(|kind| serde_json::from_str::<Cow<'_, str>>(kind.get()).ok());
        kind.is_none_or(|kind| TEXTS.contains(&&*kind)) && part.keys().all(|key| PART.contains(&&**key))
    })
}

/// Caps on output, by their names.
const CAPS: [&str; 2] = ["max_tokens", "max_completion_tokens"];

/// A provider's request with what was said behind its messages, and with its caps on output lowered by the tokens of
/// that. `None` where nothing may be left to say, or where the body has no messages.
#[must_use]
pub fn extended(body: &[u8], form: Continues, said: &str, tokens: u64) -> Option<Vec<u8>> {
    let fields: Fields<'_> = serde_json::from_slice(body).ok()?;
    let messages: Vec<&RawValue> = serde_json::from_str(fields.get("messages")?.get()).ok()?;
    let mut out = Vec::with_capacity(body.len() + said.len() + 128);
    out.push(b'{');
    out.extend_from_slice(form.in_request().as_bytes());
    for (name, value) in fields.iter().filter(|(name, _)| **name != "messages") {
        serde_json::to_writer(&mut out, name).ok()?;
        out.push(b':');
        match value.get().parse::<u64>() {
            Ok(cap) if CAPS.contains(&&**name) => {
                let left = cap.checked_sub(tokens).filter(|left| *left > 0)?;
                out.extend_from_slice(left.to_string().as_bytes());
            }
            _ => out.extend_from_slice(value.get().as_bytes()),
        }
        out.push(b',');
    }
    out.extend_from_slice(b"\"messages\":[");
    for message in messages {
        out.extend_from_slice(message.get().as_bytes());
        out.push(b',');
    }
    out.extend_from_slice(b"{\"role\":\"assistant\",\"content\":");
    serde_json::to_writer(&mut out, said).ok()?;
    out.extend_from_slice(form.in_message().as_bytes());
    out.extend_from_slice(b"}]}");
    Some(out)
}

/// The beginning of an answer as it is sent: without the white space at its end where that is refused, as Anthropic does.
#[must_use]
pub fn sent(form: Continues, said: &str) -> &str {
    if form == Continues::LastMessage { said.trim_end() } else { said }
}

/// Bytes of a new text that are compared with the beginning of the old.
const PROOF: usize = 32;
/// A beginning so short may come again by chance.
const CHANCE: usize = 8;

/// Where a text that goes on meets the one that broke off.
#[derive(Debug)]
pub(crate) struct Seam {
    /// What is compared: the whole beginning where it is repeated, else a part of it.
    against: String,
    repeated: bool,
    /// What has come and is not decided on.
    held: String,
    decided: bool,
    /// White space at the end of the old text that was not sent, and that a model writes again.
    owed: String,
}

/// The text begins again instead of going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BeganAnew;

impl Seam {
    pub(crate) fn new(form: Continues, said: &str) -> Self {
        let sent = sent(form, said);
        let repeated = form == Continues::PrefixRepeated;
        let proof = (0..=PROOF.min(sent.len())).rev().find(|end| sent.is_char_boundary(*end)).unwrap_or(0);
        let against = if repeated { sent } else { sent.get(..proof).unwrap_or_default() };
        Self {
            decided: !repeated && against.len() < CHANCE,
            against: against.to_owned(),
            repeated,
            held: String::new(),
            owed: said.get(sent.len()..).unwrap_or_default().to_owned(),
        }
    }

    /// Takes in a piece, and gives what may go on of it.
    pub(crate) fn join(&mut self, piece: String) -> Result<String, BeganAnew> {
        let text = if self.decided {
            piece
        } else {
            self.held.push_str(&piece);
            if self.held.len() < self.against.len() && self.against.starts_with(&self.held) {
                return Ok(String::new());
            }
            self.decide()?
        };
        Ok(self.pay(text))
    }

    /// The text is over: what was held goes on, if it may.
    pub(crate) fn end(&mut self) -> Result<String, BeganAnew> {
        if self.decided {
            return Ok(String::new());
        }
        let text = self.decide()?;
        Ok(self.pay(text))
    }

    fn decide(&mut self) -> Result<String, BeganAnew> {
        self.decided = true;
        let held = std::mem::take(&mut self.held);
        match (held.strip_prefix(&self.against), self.repeated) {
            (Some(rest), true) => Ok(rest.to_owned()),
            (None, false) => Ok(held),
            (Some(_), false) | (None, true) => Err(BeganAnew),
        }
    }

    fn pay(&mut self, text: String) -> String {
        if self.owed.is_empty() || text.is_empty() {
            return text;
        }
        let same = text.chars().zip(self.owed.chars()).take_while(|(new, old)| new == old);
        let paid: usize = same.map(|(new, _)| new.len_utf8()).sum();
        let rest = text.get(paid..).unwrap_or_default().to_owned();
        self.owed = if rest.is_empty() { self.owed.get(paid..).unwrap_or_default().to_owned() } else { String::new() };
        rest
    }
}

#[cfg(test)]
#[path = "resume_tests.rs"]
mod tests;
