//! The short way for the plainest chat request.
//!
//! Most requests of a benchmark, and many real ones, are a model, some messages of text and hardly a parameter. They
//! are read in one pass without a tree. Whatever is not exactly so (another field, a part that is no text, a value out
//! of range) yields `None` and goes the long way, which also finds the words for what is wrong. Both ways must see the
//! same in a request; a test holds them against each other.

use std::borrow::Cow;

use serde::Deserialize;

use super::chat::Wish;
use crate::ask::Ask;
use crate::call::Call;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
    #[serde(default)]
    stream: bool,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    temperature: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message<'a> {
    role: Role,
    #[serde(borrow)]
    content: Cow<'a, str>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Role {
    System,
    Developer,
    User,
    Assistant,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

/// Reads `call` if it is plain.
pub(super) fn read<'a>(call: &Call<'a>) -> Option<(Ask<'a>, Wish)> {
    let plain: Plain<'a> = serde_json::from_slice(call.body).ok()?;
    let out_of_range = plain.temperature.is_some_and(|t| !(0.0..=2.0).contains(&t))
        || plain.max_tokens.is_some_and(|n| n == 0 || super::input::refuses_max_tokens(&plain.model))
        || plain.max_completion_tokens == Some(0)
        || plain.messages.is_empty()
        || plain.model.is_empty()
        || (!plain.stream && plain.stream_options.is_some());
    if out_of_range {
        return None;
    }
    let mut ask = Ask::new(call.shared.options.seed, plain.model);
    let cuts = call.shared.options.prompt_cache;
    for message in plain.messages {
        ask.message();
        ask.text(&message.content);
        if cuts {
            ask.cut();
        }
        if message.role == Role::User {
            ask.user = message.content;
        }
    }
    ask.stream = plain.stream;
    ask.max_tokens = plain.max_completion_tokens.or(plain.max_tokens).map(u64::from);
    let include_usage = plain.stream_options.is_some_and(|options| options.include_usage);
    Some((ask, Wish { include_usage, ..Wish::default() }))
}
