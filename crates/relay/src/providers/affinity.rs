//! Which calls belong together, and should use the same key of a provider.
//!
//! Providers keep prompt caches by account, sign what a model thought for the account that asked, and store responses
//! where only the account that made them finds them. So calls of one conversation are kept at one key where they can be
//! told to be of one: by the cache key they name, by the conversation, or, where a model's thoughts are sent along, by how
//! the conversation began. A stored response is more than a preference: nobody else has it, so the key that made it is
//! remembered.
//!
//! Only providers with several keys are looked at, and only their calls pay for it.

use crate::call::Request;
use memchr::memmem;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::value::RawValue;
use sluicegate_vocabulary::{Endpoint, Format};
use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a call belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Belongs {
    /// The conversation, as a number.
    pub(crate) conversation: Option<u64>,
    /// The stored response that it goes on from, as a number.
    pub(crate) after: Option<u64>,
}

#[derive(Deserialize)]
struct Probe<'a> {
    #[serde(borrow, default)]
    prompt_cache_key: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    previous_response_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    conversation: Option<&'a RawValue>,
    #[serde(borrow, default)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow, default)]
    messages: Option<Vec<&'a RawValue>>,
}

/// Words of which one stands in every body that tells what it belongs to.
const MARKS: [&[u8]; 4] = [b"prompt_cache_key", b"previous_response_id", b"\"conversation\"", b"\"thinking\""];

/// Finds out what a call belongs to.
pub(crate) fn belongs(request: &Request) -> Belongs {
    if request.endpoint.format().is_none() {
        return Belongs::default();
    }
    of_body(&request.body, request.endpoint.format() == Some(Format::Messages))
}

fn of_body(body: &[u8], signs_thoughts: bool) -> Belongs {
    if !MARKS.iter().any(|mark| memmem::find(body, mark).is_some()) {
        return Belongs::default();
    }
    let Ok(probe) = serde_json::from_slice::<Probe<'_>>(body) else { return Belongs::default() };
    let begun = || {
        let thinks = signs_thoughts && probe.thinking.is_some();
        probe.messages.as_ref().filter(|_| thinks)?.first().map(|message| number(message.get()))
    };
    let named = probe.prompt_cache_key.as_deref().map(number);
    let conversation = probe.conversation.map(|value| number(value.get()));
    Belongs {
        conversation: named.or(conversation).or_else(begun),
        after: probe.previous_response_id.as_deref().map(number),
    }
}

fn number(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// How a stored response's name begins.
const STORED: &[u8] = b"\"resp_";

/// The stored response that the beginning of an answer names, as a number.
pub(crate) fn stored(endpoint: Endpoint, begin: &[u8]) -> Option<u64> {
    if endpoint != Endpoint::Responses {
        return None;
    }
    let rest = begin.get(memmem::find(begin, STORED)? + 1..)?;
    let end = memchr::memchr(b'"', rest)?;
    Some(number(std::str::from_utf8(rest.get(..end)?).ok()?))
}

/// Stored responses of which it is remembered whose they are, in each of two generations.
const KEPT: usize = 16_384;

/// Whose a stored response is.
#[derive(Debug, Default)]
pub(crate) struct Stored(Mutex<[HashMap<u64, u64>; 2]>);

impl Stored {
    /// A key, by its number, has made a response.
    pub(crate) fn put(&self, response: u64, key: u64) {
        let mut generations = self.0.lock();
        let [young, old] = &mut *generations;
        if young.len() >= KEPT {
            *old = std::mem::take(young);
        }
        young.insert(response, key);
    }

    /// The key that made a response, if it is remembered.
    pub(crate) fn key_of(&self, response: u64) -> Option<u64> {
        let generations = self.0.lock();
        generations.iter().find_map(|kept| kept.get(&response).copied())
    }
}

#[cfg(test)]
#[path = "affinity_tests.rs"]
mod tests;
